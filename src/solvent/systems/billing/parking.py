"""When must an account be charged nothing, and who lets it be charged again?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.contracts.billing import AccountParked, AccountReleased
from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.billing import breaker, store
from solvent.systems.billing.breaker import Reason, Trip
from solvent.systems.billing.errors import NotParked, TaxRateMissing
from solvent.systems.billing.model import Parked

HISTORY_MAX = 6
SCOPE_READ = "ledger:read"
SCOPE_WRITE = "ledger:write"


async def may_charge_all(ctx: Ctx, invoices: Sequence[Invoice]) -> list[bool]:
    """Return which drafts may become final; park the accounts of those that must not.

    While an account is parked nothing of it becomes final. What somebody has let through is not
    judged again.
    """
    if not invoices:
        return []
    customer_ids = {one.draft.customer_id for one in invoices}
    parked = await store.list_parked_of(ctx.tx, ctx.tenant_id, customer_ids)
    accepted = await store.list_accepted(ctx.tx, ctx.tenant_id, [one.id for one in invoices])
    pairs = {(one.draft.subscription_id, one.draft.kind) for one in invoices}
    history = await ledger.recent_totals(ctx, pairs, limit=HISTORY_MAX)
    may: list[bool] = []
    for one in invoices:
        said = one.draft
        trip = None
        if said.customer_id not in parked and one.id not in accepted:
            trip = breaker.judge(said, history[said.subscription_id, said.kind])
        if trip is not None:
            await park(ctx, said.customer_id, said.subscription_id, trip, invoice_id=one.id)
        may.append(trip is None and said.customer_id not in parked)
    return may


async def park(
    ctx: Ctx, customer_id: str, subscription_id: str, trip: Trip, *, invoice_id: str | None
) -> None:
    """Let nothing of a customer become final until somebody has looked. Emits `account_parked`."""
    parked = Parked(
        id=ctx.ids.new("prk"),
        customer_id=customer_id,
        subscription_id=subscription_id,
        invoice_id=invoice_id,
        reason=trip.reason.value,
        detail=trip.detail,
        parked_at=ctx.now(),
    )
    if not await store.park(ctx.tx, ctx.tenant_id, parked):
        return
    data = {"customer_id": customer_id, "reason": parked.reason, "detail": parked.detail}
    audit.record(ctx, action="billing.account_parked", subject=customer_id, data=data)
    event = AccountParked(
        customer_id=customer_id,
        subscription_id=subscription_id,
        invoice_id=invoice_id,
        reason=parked.reason,
        detail=parked.detail,
    )
    await ctx.bus.emit(ctx, event)


async def park_overlap(ctx: Ctx, customer_id: str, subscription_id: str, detail: str) -> None:
    """Park an account of which a period would be billed twice."""
    trip = Trip(Reason.BILLED_TWICE, detail)
    await park(ctx, customer_id, subscription_id, trip, invoice_id=None)


async def park_untaxed(
    ctx: Ctx, customer_id: str, subscription_id: str, missing: TaxRateMissing
) -> None:
    """Park an account whose invoice cannot be drawn until somebody states a tax rate."""
    country, day = missing.detail.get("given", ""), missing.detail.get("day", "")
    detail = f"{country}: no tax rate is known on {day}; state one, and the period is charged"
    trip = Trip(Reason.TAX_RATE_MISSING, detail)
    await park(ctx, customer_id, subscription_id, trip, invoice_id=None)


async def waits_for_tax(ctx: Ctx, customer_id: str) -> bool:
    """Return whether an account is parked until a tax rate is stated."""
    parked = await store.find_parked(ctx.tx, ctx.tenant_id, customer_id)
    return parked is not None and parked.reason == Reason.TAX_RATE_MISSING.value


async def list_untaxed(
    ctx: Ctx, country: str, *, after: str | None = None, limit: int = PAGE_SIZE
) -> list[Parked]:
    """Return the accounts that wait for a tax rate of a country, the newest first."""
    reason, begins = Reason.TAX_RATE_MISSING.value, f"{country}: "
    return await store.list_parked_for(
        ctx.tx, ctx.tenant_id, reason, begins=begins, after=after, limit=limit
    )


async def list_parked(
    ctx: Ctx, *, after: str | None = None, limit: int = PAGE_SIZE
) -> list[Parked]:
    """Return the accounts that are parked now, the newest first."""
    ctx.require(SCOPE_READ)
    return await store.list_parked(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def release(ctx: Ctx, customer: str) -> str:
    """Let a parked account be charged again; return its customer's id. Emits `account_released`.

    Raises:
        CustomerUnknown: there is no such customer.
        NotParked: the account is not parked.
    """
    ctx.require(SCOPE_WRITE)
    buyer = await tenants.get_customer(ctx, customer)
    parked = await store.find_parked(ctx.tx, ctx.tenant_id, buyer.id)
    if parked is None:
        raise NotParked(field="customer", given=customer[:64])
    await store.release(ctx.tx, ctx.tenant_id, parked.id, at=ctx.now(), by=str(ctx.actor))
    data = {"reason": parked.reason}
    audit.record(ctx, action="billing.account_released", subject=buyer.id, data=data)
    await ctx.bus.emit(ctx, AccountReleased(customer_id=buyer.id, reason=parked.reason))
    return buyer.id
