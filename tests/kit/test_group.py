"""Does who does work side by side go on unharmed when a piece of it failed?"""

from __future__ import annotations

import asyncio
import inspect

import pytest

from solvent.kit.group import side_by_side


async def fail() -> None:
    await asyncio.sleep(0)
    raise ValueError


async def test_all_pieces_are_done() -> None:
    done: list[int] = []

    async def piece(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    await side_by_side(piece(number) for number in range(3))
    assert done == [0, 1, 2]


async def test_a_failed_piece_leaves_no_cancellation_behind() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        await side_by_side([fail(), asyncio.Event().wait()])
    assert isinstance(raised.value.exceptions[0], ValueError)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()


async def test_a_cancellation_reaches_every_piece() -> None:
    ended: list[int] = []

    async def wait(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    work = asyncio.create_task(side_by_side([wait(1), wait(2)]))
    for _ in range(5):
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert sorted(ended) == [1, 2]


async def test_pieces_that_were_never_begun_are_let_go() -> None:
    """Or Python warns of a coroutine that nobody awaited, wherever it collects it."""
    begun: list[int] = []

    async def piece() -> None:
        begun.append(1)

    pieces = [piece(), piece()]
    task = asyncio.create_task(side_by_side(pieces))
    await asyncio.sleep(0)  # it waits for a group that has not begun
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun == []
    assert all(inspect.getcoroutinestate(one) == inspect.CORO_CLOSED for one in pieces)
