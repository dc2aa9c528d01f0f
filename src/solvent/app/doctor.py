"""Is everything that must always hold true still true, for every tenant?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from solvent.kernel.tenants import service as tenants
from solvent.kit.bus import dead_letters
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.jobs.queue import list_dead
from solvent.kit.telemetry import PROBLEMS
from solvent.kit.wiring import Check, Periodic, Wiring

EVERY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    tenant: str
    check: str
    subject: str
    detail: str


async def _dead_jobs(ctx: Ctx) -> list[tuple[str, str]]:
    """No job has failed for good."""
    return [(one.id, f"{one.name}: {one.last_error}") for one in await list_dead(ctx)]


async def _dead_letters(ctx: Ctx) -> list[tuple[str, str]]:
    """No event was given up by its handler."""
    found = await dead_letters.list_kept(ctx)
    return [(one.event_id, f"{one.handler}: {one.reason}") for one in found]


def checks_of(wiring: Wiring) -> Mapping[str, Check]:
    """Return what the modules look at, and what the kit's own work leaves behind."""
    return {**wiring.checks, "dead jobs": _dead_jobs, "dead letters": _dead_letters}


async def examine(edge: Edge, checks: Mapping[str, Check]) -> list[Finding]:
    """Run every check for every tenant, live and test; changes nothing."""
    findings: list[Finding] = []
    for tenant in await tenants.all_tenants(edge):
        async with edge.open(tenant.id, OPERATOR) as ctx:
            for name, check in checks.items():
                findings += [
                    Finding(tenant.slug, name, subject, detail)
                    for subject, detail in await check(ctx)
                ]
    return findings


async def _look(checks: Mapping[str, Check], edge: Edge) -> None:
    findings = await examine(edge, checks)
    for name in checks:
        PROBLEMS.labels(name).set(sum(one.check == name for one in findings))


def examining(wiring: Wiring) -> Periodic:
    """Return the periodic look that keeps the metric `solvent_problems`."""
    return Periodic("app.doctor", EVERY, partial(_look, checks_of(wiring)))
