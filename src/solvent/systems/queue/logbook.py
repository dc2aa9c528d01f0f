"""What does the log say, record by record, and what state does it come to?"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Protocol

from solvent.kit.jobs.link import JobsLink, NotLinked, reading
from solvent.kit.jobs.log import Entry, Log, LogAway
from solvent.kit.jobs.verify import replay, verify
from solvent.systems.queue import records
from solvent.systems.queue.errors import RecordGone
from solvent.systems.queue.shapes import moment

SILENCE_S = 15.0


class Sink(Protocol):
    """Somewhere to write bytes."""

    def write(self, data: bytes, /) -> object:
        """Write them."""
        ...


async def follow_log(
    log: Log, *, since: int, until: int | None = None, follow: bool = False
) -> AsyncIterator[Entry]:
    """Give the records from `since` on to `until`, by default the newest; or for ever.

    Raises:
        RecordGone: the log holds no such record.
        LogAway: the log did not go on giving them.
    """
    first, last = await log.bounds()
    if until is not None and not first <= until <= last:
        raise RecordGone(f"the log holds the records {first} to {last}", field="--until")
    end = None if follow else last if until is None else until
    begin = max(since, first)
    if end is not None and begin > end:
        return
    async with reading(log, begin) as batches:
        while True:
            try:
                async with asyncio.timeout(None if follow else SILENCE_S):
                    batch = await anext(batches)
            except TimeoutError:
                raise LogAway from None
            for entry in batch:
                yield entry
                if entry.seq == end:
                    return


def as_line(entry: Entry, *, space: str = "") -> str:
    """Return a record as a line of JSON; empty where it is not of the space (empty: any)."""
    root, _, rest = entry.subject.partition(".")
    if space and (root not in {"job", "cron"} or rest.partition(".")[0] != space):
        return ""
    told = records.tell(entry)
    at = moment(entry.ts_ns)
    line = {
        "seq": entry.seq,
        "at": at.isoformat() if at else None,
        "subject": entry.subject,
        "kind": told.kind,
        **told.facts,
    }
    return json.dumps(line, ensure_ascii=False, default=str)


async def export_log(log: Log, out: Sink) -> int:
    """Write all records with their bytes; return how many."""
    count = 0
    async for entry in follow_log(log, since=1):
        line = json.loads(as_line(entry)) | {"data": base64.b64encode(entry.data).decode()}
        out.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        count += 1
    return count


async def tell_state(log: Log, *, until: int | None) -> dict[str, object]:
    """Return the exact state after a record: its digests, counts and living jobs.

    Raises:
        ReplayOutOfRange, LogCorrupt, LogAway: as `kit.jobs.verify.replay`.
    """
    state = await replay(log, until=until)
    at = moment(state.clock_ns)
    jobs = sorted(state.jobs.values(), key=lambda job: job.submitted_seq)
    return {
        "record": state.seq,
        "at": at.isoformat() if at else None,
        "state_digest": state.digest().hex(),
        "log_digest": state.log_digest().hex(),
        "void_records": state.voids,
        "counts": dict(Counter(job.phase for job in jobs)),
        "schedules": len(state.schedules),
        "jobs": [
            {
                "space": job.space,
                "task_id": job.task_id,
                "name": job.spec.name,
                "phase": job.phase,
                "attempt": job.attempt,
                "worker": job.worker,
                "fence": job.fence,
                "record": job.seq,
                "hash": job.hash.hex(),
            }
            for job in jobs
        ],
    }


async def verify_replicas(link: JobsLink) -> dict[str, object]:
    """Return what was found of each replica; `sound` is the answer.

    Raises:
        LogAway: not even the leader answers.
    """
    if link.login is None:
        raise NotLinked
    found = await verify(link.login)
    return {
        "sound": found.sound,
        "first": found.first,
        "last": found.last,
        "replicas": [
            {"name": one.name, "records": one.records, "digest": one.digest, "fault": one.fault}
            for one in found.replicas
        ],
        "differs_at": found.differs_at or None,
        "corrupt": found.corrupt,
        "state_digest": found.state_digest,
        "jobs": found.jobs,
        "void_records": [
            {"seq": one.seq, "subject": one.subject, "reason": one.reason} for one in found.voids
        ],
    }
