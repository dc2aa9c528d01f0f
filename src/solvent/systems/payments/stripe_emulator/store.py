"""Where do the emulator's objects stand: in memory, or in one SQLite file?"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from solvent.systems.payments.stripe_emulator.plain import Json

_TABLE = """
create table if not exists object (
    number integer primary key autoincrement,
    id text not null unique,
    kind text not null,
    body text not null
)
"""
_INDEX = "create index if not exists object_kind on object (kind, number)"


class Store:
    """Objects by id, and by kind in the order in which they were made."""

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
        self._db.execute(_TABLE)
        self._db.execute(_INDEX)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def together(self) -> AbstractContextManager[object]:
        """Return a block of which all changes are kept, or none where it raises."""
        return self._db

    def find(self, id: str) -> Json | None:
        """Return an object, if there is one of this id."""
        row = self._db.execute("select body from object where id = ?", (id,)).fetchone()
        return json.loads(row[0]) if row else None

    def save(self, made: Json, *, name: str | None = None) -> Json:
        """Keep an object as it is now, by its id or another name; it stays at its place."""
        self._db.execute(
            "insert into object (id, kind, body) values (?, ?, ?)"
            " on conflict (id) do update set body = excluded.body",
            (name or made["id"], made["object"], json.dumps(made)),
        )
        return made

    def rename(self, id: str, name: str) -> None:
        """Let an object go by another id, so that its own is free."""
        self._db.execute("update object set id = ? where id = ?", (name, id))

    def drop(self, id: str) -> None:
        """Forget an object."""
        self._db.execute("delete from object where id = ?", (id,))

    def newest(self, kind: str) -> Iterable[Json]:
        """Return all objects of a kind, the one made last first."""
        rows = self._db.execute(
            "select body from object where kind = ? order by number desc", (kind,)
        ).fetchall()
        return [json.loads(body) for (body,) in rows]
