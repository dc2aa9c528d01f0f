"""Is a database that ends a connection in any moment away, and no bug of ours?"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from solvent.app.house import House
from solvent.app.supervisor.engines import Engines
from solvent.kit.db import Database, DatabaseAway
from solvent.kit.testing import eventually

FIELDS = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"
GOODBYE = b"E" + (4 + len(FIELDS)).to_bytes(4, "big") + FIELDS


class Between:
    """Stands between a pool and the server, and can say a word of its own to the pool."""

    def __init__(self, server: str) -> None:
        """Lead to the server's socket."""
        self.server = server
        self.clients: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients.append(writer)
        back, there = await asyncio.open_unix_connection(self.server)
        await asyncio.gather(copy(reader, there), copy(back, writer))

    async def say(self, word: bytes) -> None:
        for client in self.clients:
            client.write(word)
            await client.drain()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def between(dsn: str, directory: Path) -> AsyncGenerator[tuple[Between, Database]]:
    """Give a pool whose connections lead through us."""
    (place,) = parse_qs(urlsplit(dsn).query)["host"]
    made = Between(f"{place}/.s.PGSQL.5432")
    server = await asyncio.start_unix_server(made.serve, directory / ".s.PGSQL.5432")
    database = await Database.connect(re.sub(r"host=.*", f"host={directory}", dsn), name="test")
    try:
        yield made, database
    finally:
        await database.close()
        server.close()


async def test_a_connection_that_is_told_of_its_end_as_it_is_taken(
    house: House, engines: Engines, tmp_path: Path
) -> None:
    """Then the driver's own state is confused; what asked is to wait and not to die."""
    del house
    async with between(engines.access.postgres.app_dsn, tmp_path) as (made, database):
        assert await database.fetch("select 1")
        await made.say(GOODBYE)
        for _ in range(100):
            await asyncio.sleep(0)  # until the driver has read it
        with pytest.raises(DatabaseAway):
            async with database.transaction() as tx:
                await tx.fetch("select 1")
        for client in made.clients:
            client.close()

        async def answers() -> bool:
            with contextlib.suppress(DatabaseAway):
                return bool(await database.fetch("select 1"))
            return False

        await eventually(answers)
