"""How is the queue watched live at a terminal, and acted upon by keys?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live

from solvent.kit.ctx import OPERATOR
from solvent.kit.errors import SolventError
from solvent.kit.jobs.desk.messages import JobRow
from solvent.kit.jobs.link import JobsLink
from solvent.systems.queue import change, top
from solvent.systems.queue.errors import SpaceReserved
from solvent.systems.queue.model import HOUSE_SPACE

UP, DOWN = {"\x1b[A", "k"}, {"\x1b[B", "j"}
QUIT = {"q", "\x03", "\x04"}
KEY_BYTES_MAX = 8

Note = Callable[[JobRow, str], Awaitable[None]]
"""Keeps in the audit log what was done to a job: `canceled` or `replayed`."""


@dataclass(slots=True)
class Screen:
    """What is shown and chosen; `press` takes a key and says whether to go on."""

    link: JobsLink
    space: str
    note: Note
    seen: top.Glance | None = None
    chosen: str = ""
    told: str = ""
    paused: bool = False
    touched: asyncio.Event = field(default_factory=asyncio.Event)

    async def look(self) -> None:
        """Look again; a desk that is away is told and waited for."""
        if self.paused:
            return
        try:
            self.seen = await top.glance(self.link, self.space)
        except SolventError as away:
            self.told = str(away)

    async def press(self, key: str) -> bool:
        """Do what a key says; return False to end."""
        self.told = ""
        if key in QUIT:
            return False
        if key in UP or key in DOWN:
            self._move(-1 if key in UP else 1)
        elif key == "p":
            self.paused = not self.paused
            self.told = "paused; p goes on" if self.paused else ""
        elif key in {"c", "r"}:
            await self._act(key)
        self.touched.set()
        return True

    def _move(self, by: int) -> None:
        ids = [row.task_id for row in self.seen.choices] if self.seen else []
        if ids:
            at = ids.index(self.chosen) + by if self.chosen in ids else 0
            self.chosen = ids[at % len(ids)]

    async def _act(self, key: str) -> None:
        row = self._chosen_row()
        if row is None:
            self.told = "choose a job first: arrow keys"
            return
        try:
            await self._change(row, key)
        except SolventError as refused:
            self.told = str(refused)

    async def _change(self, row: JobRow, key: str) -> None:
        if row.space == HOUSE_SPACE:
            raise SpaceReserved
        allowed = change.Change(row.space, str(OPERATOR))
        log = await self.link.log()
        if key == "c":
            await change.cancel(log, allowed, row.task_id, reason="from the terminal")
        else:
            await change.replay(log, allowed, row.task_id)
        done = "canceled" if key == "c" else "replayed"
        await self.note(row, done)
        self.told = f"{row.task_id}: {done}"

    def _chosen_row(self) -> JobRow | None:
        rows = self.seen.choices if self.seen else ()
        return next((row for row in rows if row.task_id == self.chosen), None)


async def show_live(screen: Screen, *, interval_s: float) -> None:
    """Show the screen until a key ends it."""
    keys: asyncio.Queue[str] = asyncio.Queue()
    with _raw_keys(keys), Live(console=Console(), screen=True, auto_refresh=False) as live:
        watching = asyncio.create_task(_watch(screen, live, interval_s))
        try:
            while await screen.press(await keys.get()):
                pass
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def _watch(screen: Screen, live: Live, interval_s: float) -> None:
    while True:
        await screen.look()
        if screen.seen is not None:
            shown = top.screen(
                screen.seen,
                width=live.console.width,
                chosen=screen.chosen,
                told=screen.told,
                keys=True,
            )
            live.update(shown, refresh=True)
        screen.touched.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(interval_s):
                await screen.touched.wait()


@contextlib.contextmanager
def _raw_keys(keys: asyncio.Queue[str]) -> Generator[None]:
    """Put each key that is pressed into the queue, unechoed, for the length of the block."""
    import termios  # noqa: PLC0415 - not on every system
    import tty  # noqa: PLC0415 - see above

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    loop = asyncio.get_running_loop()

    def take() -> None:
        keys.put_nowait(os.read(stdin, KEY_BYTES_MAX).decode(errors="replace"))

    tty.setcbreak(stdin)
    loop.add_reader(stdin, take)
    try:
        yield
    finally:
        loop.remove_reader(stdin)
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
