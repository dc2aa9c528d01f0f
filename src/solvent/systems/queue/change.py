"""How is a job called off, or a dead one let run again?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from solvent.kit.jobs.desk.messages import JobRow
from solvent.kit.jobs.link import JobsLink
from solvent.kit.jobs.log import Append, Entry, Log, LogConflict, append_each
from solvent.kit.jobs.record import Canceled, Record, Replayed, chain_hash, encode
from solvent.systems.queue import look, records
from solvent.systems.queue.errors import (
    JobContended,
    JobEnded,
    JobNotReplayable,
    QueueJobUnknown,
)
from solvent.systems.queue.limits import REASON_CHARS_MAX, REPLAY_MAX, TRIES_MAX

LIVING = frozenset({"waiting", "assigned", "gathering"})
REVIVABLE = frozenset({"dead", "canceled"})


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is allowed: in which space, and who makes it."""

    space: str
    by: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay of many came to; of a dry run, what it would."""

    matched: tuple[JobRow, ...]
    replayed: tuple[str, ...]
    more: bool


async def cancel(log: Log, change: Change, task_id: str, *, reason: str = "") -> None:
    """Call a job off, before its run or during it.

    Raises:
        QueueJobUnknown: there is none.
        JobEnded: it is done, dead or canceled.
        JobContended: it moves too fast.
    """

    def follow(last: Entry) -> Record:
        if records.phase_of(last) not in LIVING:
            raise JobEnded(state=records.phase_of(last))
        told = reason[:REASON_CHARS_MAX]
        return Canceled(prev=chain_hash(last.data), reason=told, by=change.by)

    await _write(log, change, task_id, follow)


async def replay(log: Log, change: Change, task_id: str) -> None:
    """Let a dead or canceled job run again from its first attempt.

    Raises:
        QueueJobUnknown: there is none.
        JobNotReplayable: it is neither dead nor canceled.
        JobContended: it moves too fast.
    """

    def follow(last: Entry) -> Record:
        if records.phase_of(last) not in REVIVABLE:
            raise JobNotReplayable(state=records.phase_of(last))
        return Replayed(prev=chain_hash(last.data), by=change.by)

    await _write(log, change, task_id, follow)


async def replay_all(
    link: JobsLink, change: Change, which: look.Filter, *, limit: int, dry_run: bool
) -> Replay:
    """Let all dead or canceled jobs of a filter run again, the newest first, at most `limit`.

    One that moved meanwhile is left as it is.
    """
    wanted = look.Filter(which.states or ("dead",), which.queue, which.name)
    if not REVIVABLE.issuperset(wanted.states):
        raise JobNotReplayable(field="state")
    page = await look.find_jobs(link, change.space, wanted, limit=min(limit, REPLAY_MAX))
    rows = tuple(page.rows)
    if dry_run or not rows:
        return Replay(rows, (), page.more)
    log = await link.log()
    return Replay(rows, await _replay_rows(log, change, rows), page.more)


async def _replay_rows(log: Log, change: Change, rows: tuple[JobRow, ...]) -> tuple[str, ...]:
    appends: dict[str, Append] = {}
    for row in rows:
        subject = f"job.{change.space}.{row.task_id}"
        last = await log.last(subject)
        if last is not None and records.phase_of(last) in REVIVABLE:
            told = Replayed(prev=chain_hash(last.data), by=change.by)
            appends[row.task_id] = Append(subject, last.seq, encode(told))
    if not appends:
        return ()
    seqs = await append_each(log, list(appends.values()))
    return tuple(id_ for id_, seq in zip(appends, seqs, strict=True) if seq is not None)


async def _write(log: Log, change: Change, task_id: str, follow: Callable[[Entry], Record]) -> None:
    records.check_task_id(task_id)
    subject = f"job.{change.space}.{task_id}"
    for _ in range(TRIES_MAX):
        last = await log.last(subject)
        if last is None:
            raise QueueJobUnknown(field="task_id")
        try:
            await log.append([Append(subject, last.seq, encode(follow(last)))])
        except LogConflict:
            continue
        return
    raise JobContended
