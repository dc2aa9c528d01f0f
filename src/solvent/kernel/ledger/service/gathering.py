"""What are invoices made of: plans, seats, usage, and what is charged or taken off beside them?

Everything is gathered for many invoices at once, a query a kind: one invoice is a batch of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion, Price
from solvent.kernel.ledger import rules
from solvent.kernel.ledger.model import (
    DraftInput,
    Invoice,
    InvoiceDraft,
    InvoiceKind,
    InvoiceStatus,
    Item,
    Part,
    Places,
    Redemption,
    Stretch,
    Usage,
)
from solvent.kernel.ledger.service import attached, coupons
from solvent.kernel.ledger.store import coupons as coupon_store
from solvent.kernel.ledger.store import items as item_store
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Measure, MeasureRequest, Period
from solvent.kernel.subscriptions.model import FeePeriod, PlanRef, Segment, Subscription
from solvent.kernel.subscriptions.service.periods import HeldPeriod, held_periods
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx

Swap: TypeAlias = Callable[[PlanVersion], PlanVersion]
"""Returns the plan to rate under instead of one, or the same."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Which period's invoice is to be gathered, and how far usage is seen.

    What a fee is for depends on an anchor that may move, so an invoice that is derived again says
    what it was: `fee`.
    """

    held: Subscription
    period: Period
    up_to: int
    places: Places = ()
    fee: FeePeriod | None = None
    over: HeldPeriod | None = None
    swap: Swap | None = None
    """Under which other plan to rate instead, to see what it would come to."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch under one plan, with the seats that were held in it."""

    plan: PlanRef
    period: Period
    parts: tuple[Part, ...]


async def gather(ctx: Ctx, asked: Sequence[Ask]) -> list[DraftInput]:
    """Gather what is immutable: which plan was charged when, its version, and the usage in it.

    What is charged once, in advance, or taken off is added by `with_extras`.
    """
    periods = await _periods(ctx, asked)
    ids = sorted({one.held.customer_id for one in asked})
    customers = await tenants.customers_by_ids(ctx, ids)
    refs = {
        id_: (customers.get(id_) or await tenants.get_customer(ctx, id_)).external_ref
        for id_ in ids
    }
    plans = {each.plan for one in periods for each in one.segments}
    versions = await plan_versions(ctx, plans | {one.held.plan for one in asked})
    runs = [
        _runs(_swapped(one, period.segments, versions))
        for one, period in zip(asked, periods, strict=True)
    ]
    requests: list[MeasureRequest] = []
    for one, some in zip(asked, runs, strict=True):
        requests += _requests(one, some, versions, customer_ref=refs[one.held.customer_id])
    measures = iter(await metering.measure_many(ctx, requests))
    addons = await attached.addons_in(ctx, periods)
    given = [
        _input(
            one,
            period,
            tuple(_stretch(run, versions[run.plan], measures) for run in some),
            versions,
        )
        for one, period, some in zip(asked, periods, runs, strict=True)
    ]
    return [replace(one, addons=each) for one, each in zip(given, addons, strict=True)]


async def _periods(ctx: Ctx, asked: Sequence[Ask]) -> list[HeldPeriod]:
    """Return the periods, looked up where the caller has not done so."""
    missing = [(one.held, one.period) for one in asked if one.over is None]
    looked_up = iter(await held_periods(ctx, missing) if missing else [])
    return [one.over or next(looked_up) for one in asked]


async def plan_versions(ctx: Ctx, plans: set[PlanRef]) -> dict[PlanRef, PlanVersion]:
    """Return these versions of plans, each looked up once."""
    return {
        plan: await catalogue.plan_version(ctx, plan.plan_key, plan.version)
        for plan in sorted(plans, key=lambda one: (one.plan_key, one.version))
    }


def _runs(segments: Sequence[Segment]) -> list[_Run]:
    """Return the stretches of one plan each: of segments that follow one another."""
    runs: list[_Run] = []
    for one in segments:
        part = Part(one.period, one.quantity)
        last = runs[-1] if runs else None
        if last and last.plan == one.plan and last.period.end == one.period.start:
            whole = Period(last.period.start, one.period.end)
            runs[-1] = replace(last, period=whole, parts=(*last.parts, part))
        else:
            runs.append(_Run(one.plan, one.period, (part,)))
    return runs


def _swapped(
    one: Ask, segments: Sequence[Segment], versions: dict[PlanRef, PlanVersion]
) -> list[Segment]:
    """Return the segments under the plans to rate them by, which are then among the versions."""
    if one.swap is None:
        return list(segments)
    found: list[Segment] = []
    for each in segments:
        version = one.swap(versions[each.plan])
        plan = PlanRef(version.plan_key, version.version)
        versions[plan] = version
        found.append(replace(each, plan=plan))
    return found


def _metered(version: PlanVersion) -> list[Price]:
    return [price for price in version.prices if price.meter_key is not None]


def _requests(
    one: Ask, runs: Sequence[_Run], versions: Mapping[PlanRef, PlanVersion], *, customer_ref: str
) -> list[MeasureRequest]:
    """Return what is to be measured: each metered price of each stretch."""
    places = dict(one.places)
    return [
        MeasureRequest(
            selection=selection,
            customer_ref=customer_ref,
            period=run.period,
            up_to=places.get(selection.meter_key, one.up_to),
        )
        for run in runs
        for price in _metered(versions[run.plan])
        for selection in [versions[run.plan].selection(price)]
        if selection is not None
    ]


def _stretch(run: _Run, version: PlanVersion, measures: Iterator[list[Measure]]) -> Stretch:
    usage = tuple(Usage(price.key, tuple(next(measures))) for price in _metered(version))
    return Stretch(version, run.period, usage, run.parts)


def _input(
    one: Ask,
    period: HeldPeriod,
    stretches: tuple[Stretch, ...],
    versions: Mapping[PlanRef, PlanVersion],
) -> DraftInput:
    headline = stretches[-1].version if stretches else versions[one.held.plan]
    return DraftInput(
        kind=InvoiceKind.PERIOD,
        customer_id=one.held.customer_id,
        subscription_id=one.held.id,
        period=one.period,
        headline=headline,
        stretches=stretches,
        usage_up_to=one.up_to,
        fee=one.fee or period.fee_period(headline),
        time_zone=one.held.time_zone,
        places=one.places,
    )


async def with_extras(
    ctx: Ctx,
    given: Sequence[DraftInput],
    *,
    known: Sequence[Invoice | None],
    beside: Sequence[Invoice | None],
) -> list[DraftInput]:
    """Add what is charged once, what was charged in advance, and what coupons take off.

    `known` is the draft that is drawn anew, `beside` the invoice that charged the period's fees in
    advance. What waits for any invoice of a customer is on the first of them.
    """
    waiting = await item_store.list_waiting_of(
        ctx.tx,
        ctx.tenant_id,
        {one.customer_id for one in given},
        invoice_ids=[one.id for one in known if one],
    )
    held = await coupon_store.list_redemptions_of(
        ctx.tx, ctx.tenant_id, {one.subscription_id for one in given}
    )
    taken: set[str] = set()
    found: list[DraftInput] = []
    for one, draft, advance in zip(given, known, beside, strict=True):
        items = [item for item in waiting if item.id not in taken and _is_for(item, one, draft)]
        taken |= {item.id for item in items}
        mine = [item for item in held if item.subscription_id == one.subscription_id]
        found.append(_with(one, items, mine, advance))
    return found


def _is_for(item: Item, given: DraftInput, known: Invoice | None) -> bool:
    """Return whether an item belongs on an invoice."""
    if item.invoice_id is not None:
        return known is not None and item.invoice_id == known.id
    fits = item.subscription_id in {None, given.subscription_id}
    same = (item.customer_id, item.currency) == (given.customer_id, given.headline.currency)
    return fits and same


def _with(
    given: DraftInput, items: Sequence[Item], held: Sequence[Redemption], advance: Invoice | None
) -> DraftInput:
    period = given.kind is InvoiceKind.PERIOD
    stands = advance is not None and period and advance.status is not InvoiceStatus.VOID
    standing = advance.draft if advance and stands else None
    discounts = coupons.discounts_of(
        held,
        period_start=given.period.start,
        plan_key=given.headline.plan_key,
        currency=given.headline.currency,
        beside=standing,
    )
    return replace(
        given,
        items=tuple(items),
        discounts=discounts,
        advanced=rules.advanced_by(standing) if standing else (),
    )


async def gather_own(
    ctx: Ctx, asked: Sequence[tuple[Subscription, InvoiceDraft]], *, places: Sequence[Places | None]
) -> list[DraftInput]:
    """Gather again what invoices of periods said of themselves, without what they corrected.

    What could have moved since, each says itself; `places` tells how far usage is to be seen
    instead.
    """
    asks = [
        Ask(
            held,
            Period(said.period_start, said.period_end),
            said.usage_up_to,
            said.places if seen is None else seen,
            said.fee_period,
        )
        for (held, said), seen in zip(asked, places, strict=True)
    ]
    given = await gather(ctx, asks)
    ids = [line.item_id for _, said in asked for line in said.lines if line.item_id is not None]
    items = {one.id: one for one in await item_store.list_by_ids(ctx.tx, ctx.tenant_id, ids)}
    return [as_said(one, said, items) for one, (_, said) in zip(given, asked, strict=True)]


def as_said(given: DraftInput, said: InvoiceDraft, items: Mapping[str, Item]) -> DraftInput:
    """Return the input with what its invoice says of it."""
    return replace(
        given,
        items=tuple(
            items[line.item_id]
            for line in said.lines
            if line.item_id is not None and line.item_id in items
        ),
        discounts=said.discounts,
        advanced=said.advanced,
        tax=said.tax,
        time_zone=said.time_zone,
    )
