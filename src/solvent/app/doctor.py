"""Is everything that must always hold true still true, for every tenant?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.tenants import service as tenants
from solvent.kit.bus import dead_letters
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.jobs.queue import list_dead
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.telemetry import PROBLEMS
from solvent.kit.wiring import Periodic
from solvent.systems.billing import parking

EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    tenant: str
    check: str
    subject: str
    detail: str


Found = list[tuple[str, str]]


async def _books(ctx: Ctx) -> Found:
    """Lines, taxes, totals, numbers, settlements and balances agree; the ledger sums to zero."""
    report = await ledger.verify(ctx)
    return [(one.subject, f"{one.code}: {one.detail}") for one in report.problems]


async def _chain(ctx: Ctx) -> Found:
    """No audit record is missing, changed or out of its place."""
    report = await audit.verify(ctx)
    return [] if report.flaw is None else [("audit chain", str(report.flaw))]


async def _parked(ctx: Ctx) -> Found:
    """No account waits to be looked at."""
    found = await parking.list_parked(ctx, limit=PAGE_SIZE)
    return [(one.customer_id, f"parked, {one.reason}: {one.detail}") for one in found]


async def _dead_jobs(ctx: Ctx) -> Found:
    """No job has failed for good."""
    return [(one.id, f"{one.name}: {one.last_error}") for one in await list_dead(ctx)]


async def _dead_letters(ctx: Ctx) -> Found:
    """No event was given up by its handler."""
    found = await dead_letters.list_kept(ctx)
    return [(one.event_id, f"{one.handler}: {one.reason}") for one in found]


CHECKS: Mapping[str, Callable[[Ctx], Awaitable[Found]]] = {
    "books": _books,
    "audit": _chain,
    "parked accounts": _parked,
    "dead jobs": _dead_jobs,
    "dead letters": _dead_letters,
}


async def examine(edge: Edge) -> list[Finding]:
    """Run every check for every tenant, live and test; changes nothing."""
    findings: list[Finding] = []
    for tenant in await tenants.all_tenants(edge):
        async with edge.open(tenant.id, OPERATOR) as ctx:
            for name, check in CHECKS.items():
                findings += [
                    Finding(tenant.slug, name, subject, detail)
                    for subject, detail in await check(ctx)
                ]
    return findings


async def _look(edge: Edge) -> None:
    findings = await examine(edge)
    for name in CHECKS:
        PROBLEMS.labels(name).set(sum(one.check == name for one in findings))


def examining() -> Periodic:
    """Return the periodic look that keeps the metric `solvent_problems`."""
    return Periodic("app.doctor", EVERY, _look)
