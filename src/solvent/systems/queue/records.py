"""What record does a request become, and what does a record say to people?"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime

import msgspec

from solvent.kit.jobs import record as r
from solvent.kit.jobs.access.check import TASK_ID, check_spec
from solvent.kit.jobs.job import unpack_job
from solvent.kit.jobs.log import Entry
from solvent.systems.queue.errors import JobWanted, TaskIdMalformed
from solvent.systems.queue.limits import SHOWN_BYTES_MAX
from solvent.systems.queue.model import Json, Moment, WantedJob

UNIQUE_IDS = uuid.UUID("5a0fd9c2-2f0e-5a52-8f3c-4f4b0f1f9a10")
"""The namespace under which a unique job is one, as in `solvent-client` (RFC 9562, version 5)."""
REQUEST_IDS = uuid.UUID("3f0b6f4e-1c39-5d0c-9f51-6f2a2f7f3f21")
"""The namespace of the jobs of requests that carry an idempotency key."""

NS = 1_000_000_000
SECONDS_MAX = 10 * 365 * 86_400
PHASES: Mapping[type[r.Record], str] = {
    r.Submitted: "waiting",
    r.Grouped: "gathering",
    r.Assigned: "assigned",
    r.Done: "done",
    r.Failed: "waiting",
    r.Expired: "waiting",
    r.Dead: "dead",
    r.Canceled: "canceled",
    r.Replayed: "waiting",
}


def check_task_id(text: str) -> str:
    """Return the text if it can be a task id; raises TaskIdMalformed."""
    if not TASK_ID.match(text):
        raise TaskIdMalformed(field="task_id", given=text[:64])
    return text


def spec_of(wanted: WantedJob, *, now_ns: int, path: str = "") -> r.Spec:
    """Return what is written of a wanted job.

    Raises:
        JobWanted: two moments, or a time that is none.
        JobMalformed: a field that the queue cannot carry.
    """
    if wanted.at is not None and wanted.delay_s:
        raise JobWanted("give a delay or a moment, not both", field=f"{path}delay_s")
    spec = r.Spec(
        name=wanted.name,
        args=_pack(wanted, path),
        queue=wanted.queue,
        priority=wanted.priority,
        not_before_ns=_moment_ns(wanted, now_ns, path),
        expires_ns=_after(wanted.expires_s, now_ns, f"{path}expires_s"),
        timeout_ns=_seconds(wanted.timeout_s, f"{path}timeout_s"),
        max_attempts=wanted.max_attempts,
        key=wanted.concurrency_key,
        key_limit=wanted.concurrency,
    )
    check_spec(spec)
    return spec


def task_id_of(wanted: WantedJob, space: str, *, request_key: str, place: int) -> str:
    """Return the id of a job: its unique key's, its request's, or a fresh one."""
    if wanted.unique_key:
        return str(uuid.uuid5(UNIQUE_IDS, f"{space}/{wanted.name}/{wanted.unique_key}"))
    return str(uuid.uuid5(REQUEST_IDS, f"{space}/{request_key}/{place}"))


def phase_of(entry: Entry) -> str:
    """Return the state that a subject's last record leaves a job in; empty if it says nothing."""
    record = r.decode(entry.data)
    if isinstance(record, r.Carried) and record.state:
        return unpack_job(record.state, key=entry.subject, seq=entry.seq).phase
    return PHASES.get(type(record), "")


def tell(entry: Entry) -> Moment:
    """Return a record of a history as people and programs read it."""
    try:
        told = r.decode(entry.data)
    except msgspec.DecodeError:
        return Moment(entry.seq, entry.ts_ns, "unreadable", "not a record", {})
    text, facts = _words(told)
    kind = type(told).__name__.lower()
    by = getattr(told, "by", "")
    return Moment(entry.seq, entry.ts_ns, kind, text, facts | ({"by": by} if by else {}))


def _words(told: r.Record) -> tuple[str, dict[str, Json]]:
    """Return a line for people and facts for programs."""
    facts: dict[str, Json] = {}
    text = type(told).__name__.lower()
    match told:
        case r.Submitted(spec=spec):
            text = f"{spec.name} on {spec.queue}"
            facts = {"queue": spec.queue, "args": shown(spec.args)}
        case r.Assigned(worker=worker, epoch=epoch):
            text = f"attempt {epoch} to {worker}"
            facts = {"worker": worker, "attempt": epoch}
        case r.Done(result=result):
            facts = {"result": shown(result)}
        case r.Failed(error=error, detail=detail, retry_in_ns=pause):
            text = f"{error}; again in {pause / NS:g} s"
            facts = {"error": error, "detail": detail, "retry_in_s": pause / NS}
        case r.Expired(cause=cause):
            text = cause
            facts = {"cause": cause}
        case r.Dead(reason=reason, detail=detail):
            text = reason
            facts = {"reason": reason, "detail": detail}
        case r.Canceled(reason=reason):
            text = reason or text
            facts = {"reason": reason}
        case r.Grouped(size=size):
            text = f"a group of {size}"
            facts = {"size": size}
        case _:
            pass
    return text, facts


def shown(data: bytes) -> Json:
    """Return a payload as it may be shown: JSON as it is, anything else by its size."""
    if not data:
        return None
    if len(data) > SHOWN_BYTES_MAX or data[:1] in {b"\x01", b"\x02"}:
        return f"{len(data)} bytes"
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{len(data)} bytes"


def _pack(wanted: WantedJob, path: str) -> bytes:
    try:
        return msgspec.json.encode([list(wanted.args), dict(wanted.kwargs)])
    except (TypeError, ValueError, RecursionError) as odd:
        raise JobWanted(f"not JSON: {odd}"[:200], field=f"{path}args") from None


def _moment_ns(wanted: WantedJob, now_ns: int, path: str) -> int:
    if wanted.at is not None:
        return _ns_of(wanted.at)
    return _after(wanted.delay_s, now_ns, f"{path}delay_s")


def _after(seconds: float, now_ns: int, field: str) -> int:
    return now_ns + _seconds(seconds, field) if seconds else 0


def _seconds(seconds: float, field: str) -> int:
    if not 0 <= seconds <= SECONDS_MAX:
        raise JobWanted(f"expected 0 to {SECONDS_MAX} seconds", field=field)
    return round(seconds * NS)


def _ns_of(moment: datetime) -> int:
    return max(int(moment.timestamp() * 1_000_000) * 1_000, 0)
