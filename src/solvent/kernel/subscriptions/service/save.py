"""How does a change of a subscription become rows, events, an audit record and a job?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.subscriptions import store
from solvent.kernel.subscriptions.errors import ProviderManaged, SubscriptionNotFound
from solvent.kernel.subscriptions.events import PeriodEnded, SubscriptionChanged
from solvent.kernel.subscriptions.model import PlanRef, Subscription
from solvent.kernel.subscriptions.rules.calendar import seconds
from solvent.kernel.subscriptions.rules.states import choose_current, months_of
from solvent.kernel.subscriptions.rules.timeline import Cycle, CycleOf, Turn, due_at
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.kit.jobs import enqueue

SCOPE_WRITE = "subscriptions:write"
JOB_PERIOD_ENDED = "subscriptions.period_ended"


def cycle_of(version: PlanVersion) -> Cycle:
    """Return what the calendar needs to know of a plan version."""
    grace = timedelta(days=version.grace_days)
    return Cycle(months_of(version), grace, calendar=version.terms.calendar)


async def cycles(ctx: Ctx, *plans: PlanRef | None, known: PlanVersion | None = None) -> CycleOf:
    """Return the cycles of these plans, each looked up once unless it is known."""
    found = {PlanRef(known.plan_key, known.version): cycle_of(known)} if known else {}
    for plan in plans:
        if plan is not None and plan not in found:
            version = await catalogue.plan_version(ctx, plan.plan_key, plan.version)
            found[plan] = cycle_of(version)
    return found.__getitem__


async def held_for_change(ctx: Ctx, subscription_id: str) -> Subscription:
    """Return a subscription that nobody else changes before this transaction ends.

    Raises:
        SubscriptionNotFound: the tenant has none of this id.
    """
    if not is_id(subscription_id, prefix="sub"):
        raise SubscriptionNotFound(field="subscription", given=subscription_id[:64])
    seen = await store.get(ctx.tx, ctx.tenant_id, subscription_id)
    await store.lock(
        ctx.tx, ctx.tenant_id, customer_id=seen.customer_id, product_key=seen.product_key
    )
    return await store.get(ctx.tx, ctx.tenant_id, subscription_id)


async def own_for_change(ctx: Ctx, subscription_id: str) -> Subscription:
    """As `held_for_change`, for changes that only Solvent's own subscriptions may be told.

    Raises:
        ProviderManaged: a payment provider runs it.
    """
    held = await held_for_change(ctx, subscription_id)
    if held.provider_managed:
        raise ProviderManaged(provider=held.provider)
    return held


async def carry_out(ctx: Ctx, before: Subscription | None, turns: Sequence[Turn]) -> Subscription:
    """Save changes that follow one another; return the subscription as it is after the last.

    The caller holds the lock of its customer and product. Emits `period_ended` for each period that
    is over and one `subscription_changed` if anything but the provider's order is another now.
    """
    after = turns[-1].subscription
    siblings = [one for one in await _open(ctx, after) if one.id != after.id]
    chosen = choose_current([*siblings, after])
    after = replace(after, current=chosen is after)
    await _write(ctx, before, after, siblings)
    if chosen is not None and chosen.id != after.id and not chosen.current:
        await store.set_current(ctx.tx, ctx.tenant_id, chosen)
    for turn in turns:
        await _close(ctx, turn)
    if before is None or _differs(before, after):
        _audit(ctx, before, turns)
        await _announce(ctx, before, after)
    for sibling in siblings:
        if sibling.current != (sibling is chosen):
            await _announce(ctx, sibling, replace(sibling, current=sibling is chosen))
    await schedule(ctx, after)
    return after


async def _open(ctx: Ctx, one: Subscription) -> list[Subscription]:
    return await store.list_open(
        ctx.tx, ctx.tenant_id, customer_id=one.customer_id, product_key=one.product_key
    )


async def _write(
    ctx: Ctx, before: Subscription | None, after: Subscription, siblings: Sequence[Subscription]
) -> None:
    """Write the row so that at no moment two are current: the index refuses it even for one."""
    save = store.update if before else store.insert
    takes_over = after.current and any(sibling.current for sibling in siblings)
    row = replace(after, current=False) if takes_over else after
    await save(ctx.tx, ctx.tenant_id, row)
    if takes_over:
        await store.set_current(ctx.tx, ctx.tenant_id, after)


async def _close(ctx: Ctx, turn: Turn) -> None:
    """Keep what came to its end, and tell of each period that did."""
    one = turn.subscription
    if turn.charged is not None:
        await store.add_segment(ctx.tx, ctx.tenant_id, one.id, turn.charged)
    if turn.ended is None:
        return
    planned = turn.planned_end or turn.ended.end
    await store.add_period(
        ctx.tx, ctx.tenant_id, one.id, turn.ended, planned_end=planned, noted_at=ctx.now()
    )
    charged = await store.list_segments(ctx.tx, ctx.tenant_id, one.id, within=turn.ended)
    event = PeriodEnded(
        subscription_id=one.id,
        customer_id=one.customer_id,
        period_start=turn.ended.start,
        period_end=turn.ended.end,
        charged_seconds=sum(seconds(segment.period) for segment in charged),
    )
    await ctx.bus.emit(ctx, event)


def _differs(before: Subscription, after: Subscription) -> bool:
    return before != replace(after, provider_order=before.provider_order)


def _audit(ctx: Ctx, before: Subscription | None, turns: Iterable[Turn]) -> None:
    for turn in turns:
        one = turn.subscription
        action = "subscription_changed" if before else "subscription_created"
        audit.record(
            ctx,
            action=f"subscriptions.{action}",
            subject=one.id,
            data={
                "why": turn.why,
                "before": before.status.value if before else None,
                "after": one.status.value,
                "plan": f"{one.plan_key}@{one.plan_version}",
                "period_start": one.period.start,
                "period_end": one.period.end,
                "plan_expires_at": one.plan_expires_at,
                "cancel_at": one.cancel_at,
            },
        )
        before = one


async def _announce(ctx: Ctx, before: Subscription | None, after: Subscription) -> None:
    customer = await tenants.get_customer(ctx, after.customer_id)
    event = SubscriptionChanged(
        subscription_id=after.id,
        customer_id=after.customer_id,
        customer_ref=customer.external_ref,
        product_key=after.product_key,
        before=before.status.value if before else None,
        after=after.status.value,
        plan_key=after.plan_key,
        plan_version=after.plan_version,
        current=after.current,
        period_start=after.period.start,
        period_end=after.period.end,
        plan_expires_at=after.plan_expires_at,
    )
    await ctx.bus.emit(ctx, event)


async def schedule(ctx: Ctx, one: Subscription) -> None:
    """Have time come back to a subscription at the next moment that changes it."""
    due = due_at(one)
    if due is not None:
        key = f"{one.id}/{due.isoformat()}"
        payload = {"subscription_id": one.id, "due_at": due.isoformat()}
        await enqueue(ctx, JOB_PERIOD_ENDED, payload, run_at=due, unique_key=key)
