"""What does a job of the house itself look like on the log?

The row of `kit_job` holds what is to be done; the log only who may do it now. So the record carries
no more than whose row it is, and a job's effect happens in the transaction that removes the row.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from solvent.kit.ids import TenantId
from solvent.kit.jobs.job import ENDED, unpack_job
from solvent.kit.jobs.log import Append, Entry
from solvent.kit.jobs.queue import DueJob
from solvent.kit.jobs.record import (
    CHAIN_START,
    Canceled,
    Carried,
    Dead,
    Done,
    Spec,
    Submitted,
    decode,
    encode,
)
from solvent.kit.wiring import Periodic

SPACE: Final = "solvent"
QUEUE: Final = "house"
TICK_PRIORITY: Final = 9
NS: Final = 1_000_000_000


class Told(msgspec.Struct, frozen=True):
    """What the arguments of a record say: whose row it is; of a periodic function's tick, none."""

    tenant_id: str = ""


def subject_of(job_id: str) -> str:
    """Return where the records of a row's job stand."""
    return f"job.{SPACE}.{job_id}"


def submission(
    job: DueJob, *, in_order: bool = True, prev: bytes = CHAIN_START, expected: int = 0
) -> Append:
    """Return the record that brings a row to the log.

    Jobs of a name run one after another within a tenant, in the order of the log: one that waits
    for its next attempt holds the later ones up, unless they need no order.
    """
    spec = Spec(
        name=job.name,
        args=msgspec.json.encode(Told(job.tenant_id)),
        queue=QUEUE,
        max_attempts=job.max_attempts,
        key=f"{job.tenant_id}/{job.name}",
        in_order=in_order,
        keep_result=False,
    )
    return Append(subject_of(job.id), expected, encode(Submitted(prev, spec)))


def tenant_of(spec: Spec) -> TenantId | None:
    """Return whose row a job is; None for a tick of a periodic function."""
    told = msgspec.json.decode(spec.args, type=Told) if spec.args else Told()
    return TenantId(told.tenant_id) if told.tenant_id else None


def turn_of(periodic: Periodic, now_ns: int) -> int:
    """Return which turn of a periodic function it is now."""
    return now_ns // _every_ns(periodic)


def tick(periodic: Periodic, turn: int) -> Append:
    """Return the record of a turn: whoever submits it, the log takes one."""
    spec = Spec(
        name=periodic.name,
        queue=QUEUE,
        priority=TICK_PRIORITY,
        expires_ns=(turn + 2) * _every_ns(periodic),
        max_attempts=1,
        key=f"periodic/{periodic.name}",
        keep_result=False,
    )
    task_id = f"tick-{periodic.name.replace('.', '-')}-{turn}"
    return Append(subject_of(task_id), 0, encode(Submitted(CHAIN_START, spec)))


def ended_by(last: Entry) -> str:
    """Return how a job has ended by its last record: `done`, the reason, or nothing: it lives."""
    record = decode(last.data)
    if isinstance(record, Done):
        return "done"
    if isinstance(record, Dead | Canceled):
        return record.reason or "canceled"
    if isinstance(record, Carried):
        if not record.state:
            return "done"
        job = unpack_job(record.state, key=last.subject, seq=last.seq)
        return job.error or job.phase if job.phase in ENDED else ""
    return ""


def _every_ns(periodic: Periodic) -> int:
    every = periodic.every if periodic.every > timedelta(0) else timedelta(seconds=1)
    return int(every.total_seconds() * NS)
