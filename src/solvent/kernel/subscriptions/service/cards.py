"""Whose card is on file, and what does that make of trials that wait for one?"""

from __future__ import annotations

from dataclasses import replace

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue.model import TrialWithoutCard
from solvent.kernel.subscriptions import store, store_cards
from solvent.kernel.subscriptions.model import PlanRef, Status, Subscription
from solvent.kernel.subscriptions.rules.turning import Cycle, CycleOf
from solvent.kernel.subscriptions.service.create import begin
from solvent.kernel.subscriptions.service.save import SCOPE_WRITE, own_for_change
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX


async def note_card(ctx: Ctx, customer: str, *, on_file: bool) -> list[Subscription]:
    """Say whether a customer (id or own reference) has a card on file; return what that begins.

    A trial whose plan needs a card goes on at its end if there is one. Those that ended and wait
    for a card begin now. Needs `subscriptions:write`.

    Raises:
        CustomerUnknown: there is no such customer.
    """
    ctx.require(SCOPE_WRITE)
    buyer = await tenants.get_customer(ctx, customer)
    before = await store_cards.is_on_file(ctx.tx, ctx.tenant_id, buyer.id)
    if before != on_file:
        now = ctx.now()
        await store_cards.note(ctx.tx, ctx.tenant_id, buyer.id, on_file=on_file, noted_at=now)
        data = {"on_file": on_file}
        audit.record(ctx, action="subscriptions.card_noted", subject=buyer.id, data=data)
    return await _begin_waiting(ctx, buyer.id) if on_file else []


async def _begin_waiting(ctx: Ctx, customer_id: str) -> list[Subscription]:
    pending = await store.list_page(
        ctx.tx,
        ctx.tenant_id,
        customer_id=customer_id,
        status=Status.PENDING,
        after=None,
        limit=PAGE_SIZE_MAX,
    )
    waiting = [one for one in pending if one.current and one.awaits_card]
    return [await begin(ctx, await own_for_change(ctx, one.id)) for one in waiting]


async def trials_as_paid(ctx: Ctx, held: Subscription, cycle_of: CycleOf) -> CycleOf:
    """Return the cycles with what becomes of the trial now: it goes on where a card is on file."""
    needed = cycle_of(held.plan).trial_end is not TrialWithoutCard.CONVERT
    ends = held.status is Status.TRIALING and needed
    if not ends or not await store_cards.is_on_file(ctx.tx, ctx.tenant_id, held.customer_id):
        return cycle_of

    def paid(plan: PlanRef) -> Cycle:
        return replace(cycle_of(plan), trial_end=TrialWithoutCard.CONVERT)

    return paid
