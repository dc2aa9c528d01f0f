"""What does the doctor look at in the audit log?"""

from __future__ import annotations

from solvent.kernel.audit import service
from solvent.kit.ctx import Ctx


async def check_chain(ctx: Ctx) -> list[tuple[str, str]]:
    """No record is missing, changed or out of its place."""
    report = await service.verify(ctx)
    return [] if report.flaw is None else [("audit chain", str(report.flaw))]
