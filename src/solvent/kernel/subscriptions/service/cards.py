"""Whose card is on file, and what does that make of trials that wait for one?"""

from __future__ import annotations

from collections.abc import Sequence
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
    before = bool(await store_cards.on_file_of(ctx.tx, ctx.tenant_id, [buyer.id]))
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


async def trials_as_paid(
    ctx: Ctx, held: Sequence[Subscription], cycle_of: CycleOf
) -> list[CycleOf]:
    """Return the cycles for each, with what becomes of its trial now.

    It goes on where a card is on file.
    """
    asking = {one.customer_id for one in held if _asks_for_card(one, cycle_of)}
    if not asking:
        return [cycle_of for _ in held]
    on_file = await store_cards.on_file_of(ctx.tx, ctx.tenant_id, asking)

    def paid(plan: PlanRef) -> Cycle:
        return replace(cycle_of(plan), trial_end=TrialWithoutCard.CONVERT)

    return [
        paid if one.customer_id in on_file and _asks_for_card(one, cycle_of) else cycle_of
        for one in held
    ]


def _asks_for_card(held: Subscription, cycle_of: CycleOf) -> bool:
    needed = cycle_of(held.plan).trial_end is not TrialWithoutCard.CONVERT
    return held.status is Status.TRIALING and needed
