"""What if the log refuses a worker's word: is it too late, or has the job only been rewritten?"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

import msgspec

from solvent_client.tasks.errors import LogConflict, StaleFence
from solvent_client.tasks.handle import status_of
from solvent_client.tasks.log import Entry
from solvent_client.tasks.record import (
    Carried,
    Submitted,
    chain_hash,
    decode,
    encode,
    read_carriage,
    subject_of,
)
from solvent_client.tasks.worker.verdict import Desk, Verdict, entries_of

if TYPE_CHECKING:
    from solvent_client.tasks.current import Run
    from solvent_client.tasks.engine import Link
    from solvent_client.tasks.log import Stored

_TRIES: Final = 10
_PAUSE_S: Final = 0.1
_BEHIND_S: Final = 60.0
"""So long a replica may be behind after a fail-over: what it does not have yet is no answer."""


async def settle_conflict(link: Link, run: Run, verdict: Verdict, desk: Desk) -> StaleFence | None:
    """Write the run's end if its permission still holds; else return who has it now.

    The permission holds where the log has only been compacted, or where the job that follows exists
    already (of an earlier life of this one).

    Raises:
        LogConflict: it was overtaken again and again.
        QueueUnreachable: the log cannot be asked.
        OutcomeUnknown: the log does not answer.
    """
    for _ in range(_TRIES):
        last = await _last(link, subject_of(desk.place.space, run.task_id), since=run.base)
        record = decode(last.data) if last else None
        if last is None or not _still_holds(record, last.seq, run):
            return StaleFence(run.task_id, fence=run.fence, record=record)
        if last.seq != run.base:
            run.base, run.prev = last.seq, chain_hash(last.data)
        own, *following = entries_of(run, verdict, desk)
        entries = [own]
        for entry in following:
            entries += await _following(link, entry)
        try:
            await link.appender.put(entries)
        except LogConflict:
            await asyncio.sleep(_PAUSE_S)
        else:
            return None
    raise LogConflict(f"{run.task_id}: overtaken {_TRIES} times")


async def _last(link: Link, subject: str, *, since: int) -> Stored | None:
    """Return the subject's last record from a replica that has the one at `since`.

    Any replica may answer, and one that was away may still be behind. None: the log has dropped it.

    Raises:
        LogConflict: for long only a replica that is behind answered.
    """
    end = monotonic() + _BEHIND_S
    while True:
        last = await link.reader.last(subject)
        if last is not None and last.seq >= since:
            return last
        if monotonic() > end:
            break
        await asyncio.sleep(_PAUSE_S)
    if last is not None:
        raise LogConflict(f"{subject}: a replica is behind")
    return None


def _still_holds(record: object, seq: int, run: Run) -> bool:
    if isinstance(record, Carried):
        carried = read_carriage(record)
        return carried is not None and carried.phase == "assigned" and carried.fence == run.fence
    return seq == run.base


async def _following(link: Link, entry: Entry) -> list[Entry]:
    """Return a record that submits the next job as it can stand: none if that job lives already."""
    last = await link.reader.last(entry.subject)
    if last is None:
        return [entry]
    if status_of(decode(last.data), last.seq).state not in {"done", "dead", "canceled"}:
        return []
    made = decode(entry.data)
    if not isinstance(made, Submitted):
        return []
    data = encode(msgspec.structs.replace(made, prev=chain_hash(last.data)))
    return [Entry(entry.subject, last.seq, data)]
