"""Is a log of more jobs than fit into one batch compacted while they end?"""

from __future__ import annotations

import asyncio
from itertools import count

from solvent.kit.jobs import record as r
from solvent.kit.jobs.checkpoint import Keeper
from solvent.kit.jobs.fold import State
from solvent.kit.jobs.log import Append, MemoryLog
from solvent.kit.jobs.verify import replay

JOBS = 1_600


async def follow(log: MemoryLog, state: State) -> None:
    async for batch in log.read(1):
        for entry in batch:
            state.apply(*entry)


async def write(log: MemoryLog, records: list[Append]) -> None:
    for at in range(0, len(records), 400):
        await log.append(records[at : at + 400])


async def caught_up(log: MemoryLog, state: State) -> None:
    while state.seq < (await log.bounds()).last:
        await asyncio.sleep(0)


async def test_a_job_that_ends_while_others_are_carried_is_carried_no_more() -> None:
    """The jobs of the later batches end while the first batch is on its way."""
    ticks = count(1)
    log, state = MemoryLog(lambda: next(ticks)), State()
    folding = asyncio.create_task(follow(log, state))
    spec = r.Spec(name="x")
    made = r.encode(r.Submitted(r.CHAIN_START, spec))
    await write(log, [Append(f"job.ten_a.j{n}", 0, made) for n in range(JOBS)])
    await caught_up(log, state)
    jobs = list(state.jobs.values())
    await write(
        log,
        [Append(job.subject, job.seq, r.encode(r.Assigned(job.hash, "w", 1, 9))) for job in jobs],
    )
    await caught_up(log, state)
    compacting = asyncio.create_task(Keeper(log, state, leave_running_s=0).compact())
    while not any(job.origin > 2 * JOBS for job in state.jobs.values()):
        assert not compacting.done()
        await asyncio.sleep(0)  # the first batch has been carried
    ending = [job for job in state.jobs.values() if job.origin <= 2 * JOBS]
    assert ending
    await write(
        log,
        [Append(job.subject, job.seq, r.encode(r.Done(job.hash, job.fence))) for job in ending],
    )
    base = await compacting
    await caught_up(log, state)
    assert not folding.done()
    assert base > 2 * JOBS
    again = await replay(log)
    assert again.jobs.keys() == state.jobs.keys()
    assert len(again.jobs) == JOBS - len(ending)
    folding.cancel()
