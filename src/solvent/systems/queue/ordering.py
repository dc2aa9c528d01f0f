"""How do jobs get to the log, once however often they are sent?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solvent.kit.jobs.link import JobsLink
from solvent.kit.jobs.log import BATCH_MAX, Append, Entry, Log, LogConflict, append_each
from solvent.kit.jobs.record import CHAIN_START, Spec, Submitted, chain_hash, encode
from solvent.systems.queue import look, records
from solvent.systems.queue.errors import JobContended
from solvent.systems.queue.limits import TRIES_MAX
from solvent.systems.queue.model import Limits, SubmittedJob, Use
from solvent.systems.queue.rules import refusal_of

ENDED = frozenset({"done", "dead", "canceled"})


@dataclass(frozen=True, slots=True)
class Order:
    """Jobs that are ready to be written."""

    space: str
    by: str
    jobs: tuple[tuple[str, Spec], ...]
    """Task ids, each with what is to be done."""
    unique: frozenset[str]
    """Ids of unique jobs: one that has ended lives again."""


async def check_limits(link: JobsLink, order: Order, limits: Limits) -> None:
    """Let pass what is paid for.

    Raises:
        RunsExhausted, WaitingExhausted, QueuesExhausted: saying how much there is.
        DeskAway: nobody says how much is in use.
    """
    counted = limits.queues is not None or limits.waiting is not None
    use = await look.in_use(link, order.space) if counted else Use()
    queues = frozenset(spec.queue for _, spec in order.jobs)
    refused = refusal_of(limits, use, jobs=len(order.jobs), queues=queues)
    if refused:
        raise refused


async def place(log: Log, order: Order) -> list[SubmittedJob]:
    """Write the jobs to the log; return them in order, those that were there before too.

    Raises:
        JobContended: a unique job ends and begins again faster than it can be looked at.
        LogOutcomeUnknown: the log did not say; the same request again is safe.
    """
    made: list[SubmittedJob] = []
    for begin in range(0, len(order.jobs), BATCH_MAX):
        made += await _place_some(log, order, order.jobs[begin : begin + BATCH_MAX])
    return made


async def _place_some(
    log: Log, order: Order, jobs: Sequence[tuple[str, Spec]]
) -> list[SubmittedJob]:
    fresh = [
        Append(_subject(order, task_id), 0, encode(Submitted(CHAIN_START, spec, order.by)))
        for task_id, spec in jobs
    ]
    seqs = await append_each(log, fresh)
    made: list[SubmittedJob] = []
    for (task_id, spec), seq in zip(jobs, seqs, strict=True):
        created = seq is not None
        if not created and task_id in order.unique:
            created = await _live_again(log, order, task_id, spec)
        made.append(SubmittedJob(task_id, created))
    return made


async def _live_again(log: Log, order: Order, task_id: str, spec: Spec) -> bool:
    """Submit a unique job again whose last life has ended; False while it lives."""
    subject = _subject(order, task_id)
    for _ in range(TRIES_MAX):
        last = await log.last(subject)
        if last is not None and records.phase_of(last) not in ENDED:
            return False
        try:
            await log.append([_next_life(subject, last, spec, order.by)])
        except LogConflict:
            continue
        return True
    raise JobContended(field="unique_key")


def _next_life(subject: str, last: Entry | None, spec: Spec, by: str) -> Append:
    prev = chain_hash(last.data) if last else CHAIN_START
    return Append(subject, last.seq if last else 0, encode(Submitted(prev, spec, by)))


def _subject(order: Order, task_id: str) -> str:
    return f"job.{order.space}.{task_id}"
