"""How are pieces of work done side by side by something that goes on after one of them failed?"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable


async def side_by_side(pieces: Iterable[Coroutine[object, object, object]]) -> None:
    """Do all pieces; if one fails the others are cancelled.

    The group is a task of its own: up to Python 3.12 a failed one leaves the task that it is in
    marked as being cancelled, and on 3.11.2 the next `asyncio.timeout` there ends that task.

    Raises:
        ExceptionGroup: of what the pieces raised.
    """
    made = list(pieces)
    try:
        await asyncio.create_task(_group(made))
    finally:
        for piece in made:
            piece.close()  # one that was never begun: whoever waits was cancelled before the group


async def _group(pieces: Iterable[Coroutine[object, object, object]]) -> None:
    async with asyncio.TaskGroup() as group:
        for piece in pieces:
            group.create_task(piece)
