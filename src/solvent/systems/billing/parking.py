"""When must an account be charged nothing, and who lets it be charged again?"""

from __future__ import annotations

from solvent.contracts.billing import AccountParked, AccountReleased
from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice, InvoiceDraft, InvoiceStatus
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.billing import breaker, store
from solvent.systems.billing.breaker import Reason, Trip
from solvent.systems.billing.errors import NotParked
from solvent.systems.billing.model import Parked

HISTORY_MAX = 6
SCOPE_READ = "ledger:read"
SCOPE_WRITE = "ledger:write"


async def may_charge(ctx: Ctx, invoice: Invoice) -> bool:
    """Return whether a draft may become final; park its customer's account if it must not.

    While an account is parked nothing of it becomes final. What somebody has let through is not
    judged again.
    """
    said = invoice.draft
    if await store.find_parked(ctx.tx, ctx.tenant_id, said.customer_id):
        return False
    if await store.was_accepted(ctx.tx, ctx.tenant_id, invoice.id):
        return True
    trip = breaker.judge(said, await _history(ctx, said))
    if trip is not None:
        await park(ctx, said.customer_id, said.subscription_id, trip, invoice_id=invoice.id)
    return trip is None


async def _history(ctx: Ctx, said: InvoiceDraft) -> list[int]:
    found = await ledger.list_invoices(
        ctx, subscription_id=said.subscription_id, limit=4 * HISTORY_MAX
    )
    live = {InvoiceStatus.FINAL, InvoiceStatus.PAID}
    totals = [
        one.draft.total_minor for one in found if one.status in live and one.draft.kind is said.kind
    ]
    return totals[:HISTORY_MAX]


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
