"""How does a change of a subscription become rows, events, an audit record and a job?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import store, store_addons, store_periods
from solvent.kernel.subscriptions.errors import ProviderManaged, SubscriptionNotFound
from solvent.kernel.subscriptions.events import (
    HeldAddon,
    PeriodEnded,
    SubscriptionChanged,
    SubscriptionChangedV2,
)
from solvent.kernel.subscriptions.model import (
    Addon,
    PlanRef,
    Segment,
    Status,
    Subscription,
    SubscriptionId,
)
from solvent.kernel.subscriptions.rules.calendar import seconds
from solvent.kernel.subscriptions.rules.states import choose_current, months_of
from solvent.kernel.subscriptions.rules.timeline import due_at
from solvent.kernel.subscriptions.rules.turning import Cycle, CycleOf, Turn
from solvent.kernel.tenants import service as tenants
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.kit.jobs import enqueue_at_end

SCOPE_READ = "subscriptions:read"
SCOPE_WRITE = "subscriptions:write"
JOB_PERIOD_ENDED = "subscriptions.period_ended"


def cycle_of(version: PlanVersion) -> Cycle:
    """Return what the calendar needs to know of a plan version."""
    terms, grace = version.terms, timedelta(days=version.grace_days)
    return Cycle(
        months_of(version),
        grace,
        calendar=terms.calendar,
        seats=version.seats,
        trial_end=terms.trial_without_card,
    )


async def cycles(ctx: Ctx, *plans: PlanRef | None, known: PlanVersion | None = None) -> CycleOf:
    """Return the cycles of these plans, each looked up once unless it is known."""
    found = {PlanRef(known.plan_key, known.version): cycle_of(known)} if known else {}
    for plan in plans:
        if plan is not None and plan not in found:
            version = await catalogue.plan_version(ctx, plan.plan_key, plan.version)
            found[plan] = cycle_of(version)
    return found.__getitem__


async def cycles_ahead(ctx: Ctx, *held: Subscription) -> CycleOf:
    """Return the cycles of all plans that subscriptions hold or are to hold."""
    plans = [
        plan
        for one in held
        for plan in (one.plan, one.next_plan, *(planned.plan for planned in one.planned))
    ]
    return await cycles(ctx, *plans)


async def held_for_change(ctx: Ctx, subscription_id: str) -> Subscription:
    """Return a subscription that nobody else changes before this transaction ends.

    Raises:
        SubscriptionNotFound: the tenant has none of this id.
    """
    return (await all_held_for_change(ctx, [subscription_id]))[0]


async def all_held_for_change(ctx: Ctx, subscription_ids: Sequence[str]) -> list[Subscription]:
    """As `held_for_change`, of each of these, once, in their order."""
    for id_ in subscription_ids:
        if not is_id(id_, prefix="sub"):
            raise SubscriptionNotFound(field="subscription", given=id_[:64])
    seen = await store.get_many(ctx.tx, ctx.tenant_id, subscription_ids)
    missing = {*subscription_ids} - {one.id for one in seen}
    if missing:
        raise SubscriptionNotFound(field="subscription", given=min(missing))
    await store.lock(ctx.tx, ctx.tenant_id, {(one.customer_id, one.product_key) for one in seen})
    held = {one.id: one for one in await store.get_many(ctx.tx, ctx.tenant_id, subscription_ids)}
    return [held[SubscriptionId(id_)] for id_ in dict.fromkeys(subscription_ids)]


async def own_for_change(ctx: Ctx, subscription_id: str) -> Subscription:
    """As `held_for_change`, for changes that only Solvent's own subscriptions may be told.

    Raises:
        ProviderManaged: a payment provider runs it.
    """
    held = await held_for_change(ctx, subscription_id)
    if held.provider_managed:
        raise ProviderManaged(provider=held.provider)
    return held


@dataclass(frozen=True, slots=True)
class Change:
    """Changes that follow one another, of one subscription; `before` is None for a new one."""

    before: Subscription | None
    turns: Sequence[Turn]


@dataclass(frozen=True, slots=True)
class _Decided:
    """A change with what it makes of the customer's subscriptions of the product."""

    before: Subscription | None
    turns: Sequence[Turn]
    after: Subscription
    siblings: Sequence[Subscription]
    chosen_id: str | None

    @property
    def takes_over(self) -> bool:
        return self.after.current and any(sibling.current for sibling in self.siblings)

    @property
    def differs(self) -> bool:
        before = self.before
        return before is None or before != replace(self.after, provider_order=before.provider_order)

    def announcements(self) -> Iterator[tuple[Subscription | None, Subscription]]:
        """Yield what is another now, with what it was."""
        if self.differs:
            yield self.before, self.after
        for sibling in self.siblings:
            current = sibling.id == self.chosen_id
            if sibling.current != current:
                yield sibling, replace(sibling, current=current)


async def carry_out(ctx: Ctx, before: Subscription | None, turns: Sequence[Turn]) -> Subscription:
    """Save changes that follow one another; return the subscription as it is after the last.

    The caller holds the lock of its customer and product. Emits `period_ended` for each period that
    is over and one `subscription_changed` if anything but the provider's order is another now.
    """
    return (await carry_out_all(ctx, [Change(before, turns)]))[0]


async def carry_out_all(ctx: Ctx, changes: Sequence[Change]) -> list[Subscription]:
    """As `carry_out`, for subscriptions of which no two are of one customer and product."""
    decided = await _decide(ctx, changes)
    await _write(ctx, decided)
    told = [(before, after) for one in decided for before, after in one.announcements()]
    ids = sorted({after.customer_id for _, after in told})
    customers = await tenants.customers_by_ids(ctx, ids) if ids else {}
    addons = await addons_now(ctx, [after for _, after in told])
    charged = await _close_all(ctx, [turn for one in decided for turn in one.turns])
    for one in decided:
        for turn in one.turns:
            if turn.ended is not None:
                await _tell_ended(ctx, turn.subscription, turn.ended, charged)
        if one.differs:
            _audit(ctx, one.before, one.turns)
        for before, after in one.announcements():
            ref = customers[after.customer_id].external_ref
            await _announce(ctx, before, after, customer_ref=ref, addons=addons.get(after.id, ()))
        schedule(ctx, one.after)
    return [one.after for one in decided]


async def _decide(ctx: Ctx, changes: Sequence[Change]) -> list[_Decided]:
    """Find which subscription is current from now on, for each customer and product."""
    lasts = [change.turns[-1].subscription for change in changes]
    pairs = [(last.customer_id, last.product_key) for last in lasts]
    still_open = await store.list_open(ctx.tx, ctx.tenant_id, pairs)
    decided: list[_Decided] = []
    for change, after, pair in zip(changes, lasts, pairs, strict=True):
        siblings = [
            one
            for one in still_open
            if (one.customer_id, one.product_key) == pair and one.id != after.id
        ]
        chosen = choose_current([*siblings, after])
        settled = replace(after, current=chosen is after)
        chosen_id = chosen.id if chosen else None
        decided.append(_Decided(change.before, change.turns, settled, siblings, chosen_id))
    return decided


async def _write(ctx: Ctx, decided: Sequence[_Decided]) -> None:
    """Write the rows so that at no moment two are current: the index refuses it even for one."""
    rows = [
        (one.before, replace(one.after, current=False) if one.takes_over else one.after)
        for one in decided
    ]
    await store.insert(ctx.tx, ctx.tenant_id, [row for before, row in rows if before is None])
    await store.update(ctx.tx, ctx.tenant_id, [row for before, row in rows if before])
    for one in decided:
        chosen = next((it for it in (*one.siblings, one.after) if it.id == one.chosen_id), None)
        if chosen and (one.takes_over or not chosen.current):
            await store.set_current(ctx.tx, ctx.tenant_id, chosen)


Ended = tuple[str, Period]
"""A subscription, by id, and a period of it that is over."""


async def _close_all(ctx: Ctx, turns: Sequence[Turn]) -> Mapping[Ended, list[Segment]]:
    """Keep what came to its end; return of each period that did what was charged in it.

    What is charged later begins where the period has ended, so it makes no difference there.
    """
    segments = [(one.subscription.id, one.charged) for one in turns if one.charged is not None]
    if segments:
        await store_periods.add_segments(ctx.tx, ctx.tenant_id, segments)
    over = [(one.subscription.id, one.ended, one.planned_end) for one in turns if one.ended]
    if not over:
        return {}
    ended = [(id_, period, planned or period.end) for id_, period, planned in over]
    await store_periods.add_periods(ctx.tx, ctx.tenant_id, ended, noted_at=ctx.now())
    asked = [(id_, period) for id_, period, _ in ended]
    charged = await store_periods.segments_of(ctx.tx, ctx.tenant_id, asked)
    return dict(zip(asked, charged, strict=True))


async def _tell_ended(
    ctx: Ctx, one: Subscription, period: Period, charged: Mapping[Ended, list[Segment]]
) -> None:
    event = PeriodEnded(
        subscription_id=one.id,
        customer_id=one.customer_id,
        period_start=period.start,
        period_end=period.end,
        charged_seconds=sum(seconds(segment.period) for segment in charged[one.id, period]),
    )
    await ctx.bus.emit(ctx, event)


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
                "quantity": one.quantity,
                "period_start": one.period.start,
                "period_end": one.period.end,
                "plan_expires_at": one.plan_expires_at,
                "cancel_at": one.cancel_at,
                "planned": ", ".join(
                    f"{planned.kind.value} {format_time(planned.at)}" for planned in one.planned
                ),
            },
        )
        before = one


async def tell(ctx: Ctx, *held: Subscription) -> None:
    """Emit `subscription_changed` of subscriptions whose own rows have not changed."""
    customers = await tenants.customers_by_ids(ctx, sorted({one.customer_id for one in held}))
    addons = await addons_now(ctx, held)
    for one in held:
        ref = customers[one.customer_id].external_ref
        await _announce(ctx, one, one, customer_ref=ref, addons=addons.get(one.id, ()))


async def addons_now(ctx: Ctx, held: Sequence[Subscription]) -> dict[str, list[Addon]]:
    """Return the add-ons that subscriptions have now, by the subscription's id."""
    ids = [one.id for one in held if one.status is not Status.PENDING and not one.terminal]
    found: dict[str, list[Addon]] = {}
    if ids:
        for addon in await store_addons.list_at(ctx.tx, ctx.tenant_id, ids, ctx.now()):
            found.setdefault(addon.subscription_id, []).append(addon)
    return found


async def _announce(
    ctx: Ctx,
    before: Subscription | None,
    after: Subscription,
    *,
    customer_ref: str,
    addons: Sequence[Addon],
) -> None:
    """Tell of a change in both versions: the first for whoever has heard that one until now."""
    event = SubscriptionChanged(
        subscription_id=after.id,
        customer_id=after.customer_id,
        customer_ref=customer_ref,
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
    alike = {one.name: getattr(event, one.name) for one in fields(event)}
    second = SubscriptionChangedV2(
        **alike, quantity=after.quantity, addons=tuple(_told(one) for one in addons)
    )
    await ctx.bus.emit(ctx, second)


def _told(addon: Addon) -> HeldAddon:
    return HeldAddon(
        addon_id=addon.id,
        plan_key=addon.plan.plan_key,
        plan_version=addon.plan.version,
        quantity=addon.quantity,
        starts_at=addon.starts_at,
        ends_at=addon.ends_at,
    )


def schedule(ctx: Ctx, one: Subscription) -> None:
    """Have time come back to a subscription at the next moment that changes it."""
    due = due_at(one)
    if due is not None:
        key = f"{one.id}/{due.isoformat()}"
        payload = {"subscription_id": one.id, "due_at": due.isoformat()}
        enqueue_at_end(ctx, JOB_PERIOD_ENDED, payload, run_at=due, unique_key=key)
