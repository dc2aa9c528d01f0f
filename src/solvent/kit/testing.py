"""What helps a test of ours, or of a founder's, to wait and to watch?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from solvent.kit.clock import monotonic_ms

T = TypeVar("T")

PAUSE_S = 0.02
PATIENCE_S = 60
"""Long, since a test says what happens and not how fast: a busy machine makes no failure."""


class NeverHappened(AssertionError):
    """What a test waited for did not come true in time."""


async def eventually(
    look: Callable[[], Awaitable[T]],
    *,
    until: Callable[[T], bool] = bool,
    within_s: float = PATIENCE_S,
) -> T:
    """Look again and again until what is seen satisfies `until`; return it.

    Raises:
        NeverHappened: not within the bound; the message holds what was seen last.
    """
    deadline_ms = monotonic_ms() + within_s * 1000
    while True:
        seen = await look()
        if until(seen):
            return seen
        if monotonic_ms() > deadline_ms:
            raise NeverHappened(f"after {within_s} s still: {seen!r}")
        await asyncio.sleep(PAUSE_S)
