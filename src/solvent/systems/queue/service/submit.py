"""How does a request become jobs on the log, once however often it is repeated?

The ids of its jobs follow from its idempotency key, so a repeat finds them there. Nothing is
written to the database before the log has the jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from solvent.kernel.audit import service as audit
from solvent.kit.clock import SystemClock
from solvent.kit.ctx import Ctx
from solvent.systems.queue import records
from solvent.systems.queue.errors import BatchMalformed
from solvent.systems.queue.limits import BATCH_MAX
from solvent.systems.queue.model import SubmittedJob, WantedJob
from solvent.systems.queue.ordering import Order

REAL = SystemClock()
"""A test tenant's clock does not move the log's, by which jobs become due."""
SCOPE_SUBMIT = "queue:submit"


def prepare(
    ctx: Ctx, wanted: Sequence[WantedJob], *, request_key: str, path: str = "jobs"
) -> Order:
    """Return the jobs of a request; needs `queue:submit`.

    Raises:
        BatchMalformed: none, too many, or two of one unique key.
        JobWanted, JobMalformed: a job cannot be carried; names the field.
    """
    ctx.require(SCOPE_SUBMIT)
    if not 0 < len(wanted) <= BATCH_MAX:
        raise BatchMalformed(field=path, given=len(wanted))
    now_ns = int(REAL.now().timestamp() * 1_000) * 1_000_000
    space = ctx.tenant_id
    jobs = [
        (
            records.task_id_of(one, space, request_key=request_key, place=place),
            records.spec_of(one, now_ns=now_ns),
        )
        for place, one in enumerate(wanted)
    ]
    twice = [task_id for task_id, count in Counter(id_ for id_, _ in jobs).items() if count > 1]
    if twice:
        raise BatchMalformed("two jobs of one unique key", field=path)
    unique = frozenset(
        task_id for (task_id, _), one in zip(jobs, wanted, strict=True) if one.unique_key
    )
    # The request stands in the record: equal bytes of another request would be taken for ours.
    mark = blake2b(request_key.encode(), digest_size=8).hexdigest()
    return Order(space, f"{ctx.actor}/{mark}", tuple(jobs), unique)


def note(ctx: Ctx, order: Order, made: Sequence[SubmittedJob]) -> None:
    """Keep in the audit log who submitted how much of what."""
    created = [one.task_id for one in made if one.created]
    if created:
        names = sorted({spec.name for _, spec in order.jobs})
        audit.record(
            ctx,
            action="queue.jobs_submitted",
            subject=created[0],
            data={"count": len(created), "names": names[:10]},
        )
