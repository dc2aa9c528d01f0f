"""Which movements are behind a number, and which plans?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE, PAGE_SIZE_MAX
from solvent.systems.revenue.model import Kind, Movement, Place, PlanLevel, Told
from solvent.systems.revenue.rules.moving import told
from solvent.systems.revenue.rules.tally import plan_levels
from solvent.systems.revenue.service.report import Ask, Scope, scope_of
from solvent.systems.revenue.store import movements as store


@dataclass(frozen=True, slots=True)
class Listed:
    """A movement with its kind and its customer's own reference."""

    told: Told
    customer_ref: str


async def list_movements(
    ctx: Ctx,
    ask: Ask,
    *,
    plan_key: str | None = None,
    kind: Kind | None = None,
    after: Place | None = None,
    limit: int = PAGE_SIZE,
) -> list[Listed]:
    """Return movements of a time in its order, those after a place, in their own currencies.

    With a kind, only those of it: rows of other kinds are passed over until the page is full.

    Raises:
        As `report.scope_of`.
    """
    scope = await scope_of(ctx, replace(ask, currency=None, each=True))
    found: list[Listed] = []
    at_once = limit if kind is None else max(limit, PAGE_SIZE_MAX)
    while len(found) < limit:
        rows = await store.page(
            ctx.tx,
            ctx.tenant_id,
            within=scope.period,
            customer_id=scope.customer_id,
            plan_key=plan_key,
            after=after,
            limit=at_once,
        )
        if not rows:
            break
        after = rows[-1].place
        listed = await _with_kinds(ctx, rows, scope)
        found += [one for one in listed if kind in {None, one.told.kind}]
    return found[:limit]


async def _with_kinds(ctx: Ctx, rows: Sequence[Movement], scope: Scope) -> list[Listed]:
    """Return rows with the kind of their customer's day, for which the whole of it is looked at."""
    ids = sorted({row.customer_id for row in rows})
    every = await store.of_customers(ctx.tx, ctx.tenant_id, ids)
    kinds = {
        one.movement.place: one
        for _, of_customer in groupby(every, key=attrgetter("customer_id"))
        for one in told(list(of_customer), scope.zone)
    }
    customers = await tenants.customers_by_ids(ctx, ids)
    return [Listed(kinds[row.place], customers[row.customer_id].external_ref) for row in rows]


async def mrr_by_plan(ctx: Ctx, ask: Ask) -> list[PlanLevel]:
    """Return what each plan came to at the end of each span, in its own currency.

    Raises:
        As `report.scope_of`.
    """
    scope = await scope_of(ctx, replace(ask, currency=None, each=True))
    sums = await store.sums_by_plan(
        ctx.tx,
        ctx.tenant_id,
        until=scope.period.end,
        time_zone=scope.zone.key,
        customer_id=scope.customer_id,
    )
    return plan_levels(sums, scope.spans)
