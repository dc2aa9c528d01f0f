"""How far has a reader of the log of jobs come, whoever reads on next?"""

from __future__ import annotations

from solvent.kit.db import Tx


async def read_position(tx: Tx, name: str) -> int:
    """Return the sequence of the last record that the reader of this name is done with."""
    return await tx.fetchval("select seq from kit_log_position where name = $1", name) or 0


async def move_position(tx: Tx, name: str, *, to: int) -> None:
    """Note that the reader is done up to `to`; it never goes back."""
    await tx.execute(
        "insert into kit_log_position as p (name, seq) values ($1, $2)"
        " on conflict (name) do update set seq = greatest(p.seq, excluded.seq)",
        name,
        to,
    )
