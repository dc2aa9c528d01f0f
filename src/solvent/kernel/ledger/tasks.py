"""What do the job runtime and the doctor do for the ledger?"""

from __future__ import annotations

from solvent.kernel.ledger import service
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import JobPayload


async def run_grant_expired(ctx: Ctx, payload: JobPayload) -> None:
    """Take back what is left of a grant: its time is over."""
    await service.expire_grant(ctx, str(payload["grant_id"]))


async def check_books(ctx: Ctx) -> list[tuple[str, str]]:
    """Lines, taxes, totals, numbers, settlements and balances agree; the ledger sums to zero."""
    report = await service.verify(ctx)
    return [(one.subject, f"{one.code}: {one.detail}") for one in report.problems]
