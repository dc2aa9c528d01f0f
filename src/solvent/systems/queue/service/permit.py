"""Who may look at jobs and change them, and what is kept of who did?"""

from __future__ import annotations

from solvent.kernel.audit import service as audit
from solvent.kit.ctx import Ctx
from solvent.systems.queue.change import Change
from solvent.systems.queue.errors import SpaceReserved
from solvent.systems.queue.limits import REASON_CHARS_MAX
from solvent.systems.queue.model import HOUSE_SPACE

SCOPE_READ = "queue:read"
SCOPE_WRITE = "queue:write"


def may_look(ctx: Ctx) -> str:
    """Return the space that the actor may look into: their tenant's. Needs `queue:read`."""
    ctx.require(SCOPE_READ)
    return ctx.tenant_id


def may_change(ctx: Ctx, *, space: str = "") -> Change:
    """Let somebody change the jobs of their space; needs `queue:write`.

    Raises:
        SpaceReserved: the jobs are Solvent's own.
    """
    ctx.require(SCOPE_WRITE)
    space = space or ctx.tenant_id
    if space == HOUSE_SPACE:
        raise SpaceReserved
    return Change(space, str(ctx.actor))


def note_canceled(ctx: Ctx, task_id: str, *, reason: str = "") -> None:
    """Keep in the audit log who called a job off."""
    data = {"reason": reason[:REASON_CHARS_MAX]}
    audit.record(ctx, action="queue.job_canceled", subject=task_id, data=data)


def note_replayed(ctx: Ctx, task_ids: tuple[str, ...]) -> None:
    """Keep in the audit log who let jobs run again."""
    if task_ids:
        data = {"count": len(task_ids)}
        audit.record(ctx, action="queue.jobs_replayed", subject=task_ids[0], data=data)
