"""How does an invoice come to be drawn once, alone or among many?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.ledger import document, rules
from solvent.kernel.ledger.errors import (
    PeriodNotOver,
    PeriodOverlaps,
)
from solvent.kernel.ledger.model import (
    DraftInput,
    Invoice,
    InvoiceDraft,
    InvoiceId,
    InvoiceKind,
    InvoiceStatus,
    LineKind,
    Part,
    Places,
    Stretch,
    TaxRule,
)
from solvent.kernel.ledger.service import attached
from solvent.kernel.ledger.service.correcting import late_again, late_inputs
from solvent.kernel.ledger.service.gathering import (
    Ask,
    as_said,
    gather,
    gather_own,
    plan_versions,
    with_extras,
)
from solvent.kernel.ledger.service.journal import SCOPE_READ, SCOPE_WRITE
from solvent.kernel.ledger.store import invoices as store
from solvent.kernel.ledger.store import items as item_store
from solvent.kernel.ledger.store import journal as journal_store
from solvent.kernel.metering import lateness
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Late, Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.errors import SubscriptionNotFound
from solvent.kernel.subscriptions.model import (
    FeePeriod,
    Foreseen,
    Segment,
    Status,
    Subscription,
)
from solvent.kernel.subscriptions.service.periods import HeldPeriod, held_periods
from solvent.kit.ctx import Ctx

OWING = frozenset({Status.TRIALING, Status.ACTIVE, Status.PAST_DUE})
"""In which states a period may be owed for before its use."""
PAYMENT_TERM = timedelta(days=14)
"""How long after it became final an invoice is due."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an invoice would say without a change, and with it."""

    before: InvoiceDraft
    after: InvoiceDraft


@dataclass(frozen=True, slots=True)
class Draw:
    """Which period's invoice is to be drawn, with which tax."""

    subscription_id: str
    period: Period
    tax: TaxRule | None = None


async def draw_invoice(
    ctx: Ctx, subscription_id: str, period: Period, *, tax: TaxRule | None = None
) -> Invoice:
    """Draw the invoice of a period that is over, once: a final one is returned as it is.

    A draft is drawn anew, so that usage which came late is in it. Concurrent draws wait for each
    other and return one invoice.

    Raises:
        SubscriptionNotFound: there is no such subscription.
        PeriodNotOver: it is none of the subscription's periods that are over.
        PeriodOverlaps: another invoice charges for a part of the period.
    """
    return (await draw_invoices(ctx, [Draw(subscription_id, period, tax)]))[0]


async def draw_invoices(ctx: Ctx, draws: Sequence[Draw]) -> list[Invoice]:
    """Draw the invoices of many periods, as `draw_invoice` would one after another.

    No two may be of one subscription: the later needs the earlier one as it stands then. Each kind
    of what they are made of is read once for all of them. Raises as `draw_invoice`; then none is
    drawn.
    """
    ctx.require(SCOPE_WRITE)
    periods = await _periods_over(ctx, draws)
    customer_ids = {one.held.customer_id for one in periods}
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, *customer_ids)
    beside = await _standing(ctx, periods)
    known = [one.own for one in beside]
    places = [place for place, one in enumerate(known) if one is None or _is_draft(one)]
    given = await _input(
        ctx, [periods[place] for place in places], [beside[place] for place in places]
    )
    drafts = [
        (rules.draft(replace(one, tax=draws[place].tax)), known[place])
        for place, one in zip(places, given, strict=True)
    ]
    drawn = dict(zip(places, await _save(ctx, drafts), strict=True))
    return [one for place, was in enumerate(known) for one in [drawn.get(place, was)] if one]


async def _periods_over(ctx: Ctx, draws: Sequence[Draw]) -> list[HeldPeriod]:
    """Return the periods, which must be over, with what was charged in them."""
    found: dict[str, Subscription] = {
        one.id: one
        for one in await subscriptions.get_many(ctx, {one.subscription_id for one in draws})
    }
    for one in draws:
        if one.subscription_id not in found:
            raise SubscriptionNotFound(field="subscription", given=one.subscription_id[:64])
    periods = await held_periods(ctx, [(found[one.subscription_id], one.period) for one in draws])
    if not all(one.over for one in periods):
        raise PeriodNotOver(field="period")
    return periods


@dataclass(frozen=True, slots=True)
class _Standing:
    """The invoices of a period that there are: its own, and the one of its fees in advance."""

    own: Invoice | None
    advance: Invoice | None


def _is_draft(invoice: Invoice) -> bool:
    return invoice.status is InvoiceStatus.DRAFT


async def _standing(ctx: Ctx, periods: Sequence[HeldPeriod]) -> list[_Standing]:
    asked = [(one.held.id, one.period) for one in periods]
    found = await store.find_of_periods(ctx.tx, ctx.tenant_id, asked)
    return [_standing_of(one, of) for one, of in zip(periods, found, strict=True)]


def _standing_of(one: HeldPeriod, found: Sequence[Invoice]) -> _Standing:
    own = [each for each in found if each.draft.kind is InvoiceKind.PERIOD]
    for invoice in own:
        said = invoice.draft
        if (said.period_start, said.period_end) != (one.period.start, one.period.end):
            raise PeriodOverlaps(field="period", invoice=invoice.id)
    return _Standing(own[0] if own else None, _advance_in(found, one.period))


def _advance_in(found: Sequence[Invoice], period: Period) -> Invoice | None:
    """Return the invoice that charged the fees of a period in advance."""
    return next(
        (
            one
            for one in found
            if one.draft.kind is InvoiceKind.ADVANCE and one.draft.period_start == period.start
        ),
        None,
    )


async def _input(
    ctx: Ctx, periods: Sequence[HeldPeriod], beside: Sequence[_Standing]
) -> list[DraftInput]:
    """Gather all that the invoices of these periods are made of by now, but the tax."""
    if not periods:
        return []
    up_to = await metering.last_arrival(ctx)
    known = [one.own for one in beside]
    asked = [
        Ask(one.held, one.period, up_to, places=await _places(ctx, draft), over=one)
        for one, draft in zip(periods, known, strict=True)
    ]
    given = await gather(ctx, asked)
    given = await with_extras(ctx, given, known=known, beside=[one.advance for one in beside])
    late = await late_inputs(ctx, asked, known)
    return [replace(one, late=each) for one, each in zip(given, late, strict=True)]


async def gather_late(ctx: Ctx, held: Subscription, period: Period) -> DraftInput:
    """Gather what an invoice is made of that charges nothing but what came late, before tax.

    Its period is one after the subscription's end; whoever draws it waits for the others.
    """
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, held.customer_id)
    periods = [HeldPeriod(held, period, (), period, over=True)]
    (given,) = await _input(ctx, periods, await _standing(ctx, periods))
    return given


async def draw_given(ctx: Ctx, given: DraftInput) -> Invoice:
    """Draw a new invoice of what was gathered."""
    return (await _save(ctx, [(rules.draft(given), None)]))[0]


async def _places(ctx: Ctx, draft: Invoice | None) -> Places:
    """Return how far usage is seen of meters that take nothing once the draft was drawn."""
    if draft is None:
        return ()
    said = draft.draft
    keys = {line.meter_key for line in said.lines if line.meter_key is not None}
    before = dict(said.places)
    meters = await lateness.meters_by_key(ctx, keys)
    return tuple(
        (key, before.get(key, said.usage_up_to))
        for key, meter in sorted(meters.items())
        if meter.late is Late.IGNORE
    )


async def draw_advance(
    ctx: Ctx, subscription_id: str, *, tax: TaxRule | None = None
) -> Invoice | None:
    """Draw the invoice of the fees that the running period charges in advance, once.

    None where there is nothing to charge so: a trial that costs nothing, a pause, a plan without
    such fees, or a provider that collects. A final one is returned as it is.

    Raises:
        SubscriptionNotFound: there is no such subscription.
    """
    held = await subscriptions.get(ctx, subscription_id)
    return (await draw_advances(ctx, [(held, tax)]))[0]


async def draw_advances(
    ctx: Ctx, asked: Sequence[tuple[Subscription, TaxRule | None]]
) -> list[Invoice | None]:
    """Draw the invoices in advance of many subscriptions, each with its tax, as `draw_advance`.

    No two may be of one customer: what waits for any invoice of theirs is on the first of them.
    """
    ctx.require(SCOPE_WRITE)
    owing = [
        (held, tax) for held, tax in asked if not held.provider_managed and held.status in OWING
    ]
    if not owing:
        return [None for _ in asked]
    customer_ids = {held.customer_id for held, _ in owing}
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, *customer_ids)
    periods = [(str(held.id), held.period) for held, _ in owing]
    found = await store.find_of_periods(ctx.tx, ctx.tenant_id, periods)
    known = {
        held.id: _advance_in(each, held.period)
        for (held, _), each in zip(owing, found, strict=True)
    }
    open_ = [one for one in owing if (was := known[one[0].id]) is None or _is_draft(was)]
    drawn = await _draw_ahead(ctx, open_, [known[held.id] for held, _ in open_]) if open_ else {}
    done = {id_: was for id_, was in known.items() if was is not None and not _is_draft(was)}
    return [done.get(held.id) or drawn.get(held.id) for held, _ in asked]


async def _draw_ahead(
    ctx: Ctx,
    asked: Sequence[tuple[Subscription, TaxRule | None]],
    known: Sequence[Invoice | None],
) -> dict[str, Invoice]:
    """Draw new invoices in advance, or drafts anew; return those that charge anything."""
    given = await _advance_inputs(ctx, asked)
    given = await with_extras(ctx, given, known=known, beside=[None for _ in asked])
    drafts = [(rules.draft(one), was) for one, was in zip(given, known, strict=True)]
    charged = [(said, was) for said, was in drafts if _charges_ahead(said)]
    return {one.draft.subscription_id: one for one in await _save(ctx, charged)}


def _charges_ahead(said: InvoiceDraft) -> bool:
    return any(line.kind in {LineKind.BASE, LineKind.TRIAL} for line in said.lines)


async def _advance_inputs(
    ctx: Ctx, asked: Sequence[tuple[Subscription, TaxRule | None]]
) -> list[DraftInput]:
    """Gather what the fees in advance of running periods are made of, without what is beside."""
    versions = await plan_versions(ctx, {held.plan for held, _ in asked})
    periods = await held_periods(ctx, [(held, held.period) for held, _ in asked])
    ahead = [(held, _left_of(held)) for held, _ in asked]
    addons = await attached.addons_since(ctx, ahead)
    given: list[DraftInput] = []
    for (held, tax), one, (_, left), beside in zip(asked, periods, ahead, addons, strict=True):
        version = versions[held.plan]
        if held.status is Status.TRIALING:
            made = _trial_input(held, held.period, version)
        else:
            fee, part = one.fee_period(version), Part(left, held.quantity)
            made = _advance_input(held, held.period, version, fee, part=part)
            made = replace(made, addons=beside)
        given.append(replace(made, tax=tax, time_zone=held.time_zone))
    return given


def _left_of(held: Subscription) -> Period:
    """Return the part of the running period that is charged from its beginning on."""
    since = max(held.charged_from or held.period.start, held.period.start)
    return Period(since, held.period.end)


def _advance_input(
    held: Subscription, period: Period, version: PlanVersion, fee: FeePeriod, *, part: Part
) -> DraftInput:
    """Return what the fees in advance are made of: `part` is what is left of the period."""
    return DraftInput(
        kind=InvoiceKind.ADVANCE,
        customer_id=held.customer_id,
        subscription_id=held.id,
        period=period,
        headline=version,
        stretches=(Stretch(version, part.period, (), (part,)),),
        usage_up_to=0,
        fee=fee,
    )


def _trial_input(held: Subscription, period: Period, version: PlanVersion) -> DraftInput:
    return DraftInput(
        kind=InvoiceKind.ADVANCE,
        customer_id=held.customer_id,
        subscription_id=held.id,
        period=period,
        headline=version,
        stretches=(),
        usage_up_to=0,
        trial=version.terms.trial_minor > 0,
    )


def _advance_again(held: Subscription, said: InvoiceDraft, version: PlanVersion) -> DraftInput:
    """Return what an invoice in advance was made of, as its own lines say."""
    period = Period(said.period_start, said.period_end)
    if any(line.kind is LineKind.TRIAL for line in said.lines):
        return _trial_input(held, period, version)
    starts = (
        line.period_start
        for line in said.lines
        if line.kind is LineKind.BASE and line.addon_id is None
    )
    part = Part(Period(next(starts, period.start), period.end), said.quantity)
    return _advance_input(held, period, version, said.fee_period, part=part)


async def _save(ctx: Ctx, drafts: Sequence[tuple[InvoiceDraft, Invoice | None]]) -> list[Invoice]:
    """Write what drafts say, new or anew, and which items are on them."""
    written = [_drawn(ctx, said, known) for said, known in drafts]
    new = [one for one, (_, known) in zip(written, drafts, strict=True) if known is None]
    await store.insert_drafts(ctx.tx, ctx.tenant_id, new)
    for (invoice, text), (_, known) in zip(written, drafts, strict=True):
        if known is not None:
            await store.redraw(ctx.tx, ctx.tenant_id, invoice, text=text)
        ids = [line.item_id for line in invoice.draft.lines if line.item_id is not None]
        if ids:
            await item_store.attach(ctx.tx, ctx.tenant_id, ids, invoice_id=invoice.id)
    return [invoice for invoice, _ in written]


def _drawn(ctx: Ctx, said: InvoiceDraft, known: Invoice | None) -> tuple[Invoice, str]:
    text = document.canonical(said)
    invoice = Invoice(
        id=known.id if known else InvoiceId(ctx.ids.new("inv")),
        status=InvoiceStatus.DRAFT,
        draft=said,
        digest=document.digest(text),
        drawn_at=ctx.now(),
    )
    return invoice, text


async def preview_invoice(
    ctx: Ctx, subscription_id: str, *, tax: TaxRule | None = None
) -> InvoiceDraft:
    """Return what the running period's invoice would say by now; saves nothing.

    Raises:
        SubscriptionNotFound: there is no such subscription.
    """
    ctx.require(SCOPE_READ)
    held = await subscriptions.get(ctx, subscription_id)
    return await preview_period(ctx, held, held.period, tax=tax)


async def preview_period(
    ctx: Ctx, held: Subscription, period: Period, *, tax: TaxRule | None = None
) -> InvoiceDraft:
    """Return what the invoice of a period would say by now, drawn or not; saves nothing."""
    ctx.require(SCOPE_READ)
    periods = await held_periods(ctx, [(held, period)])
    beside = await _standing(ctx, periods)
    (given,) = await _input(ctx, periods, beside)
    return rules.draft(replace(given, tax=tax))


async def preview_foreseen(ctx: Ctx, foreseen: Sequence[Foreseen]) -> list[Preview]:
    """Return what the running periods' invoices would say with and without changes of plan.

    Before tax; the changes take effect now. Saves nothing.
    """
    ctx.require(SCOPE_READ)
    asked = [(one.held, one.held.period) for one in foreseen]
    before = await held_periods(ctx, asked)
    after = [_as_foreseen(one, each) for one, each in zip(foreseen, before, strict=True)]
    beside = await _standing(ctx, before)
    drafts = [
        [rules.draft(one) for one in await _input(ctx, periods, beside)]
        for periods in (before, after)
    ]
    return [Preview(*pair) for pair in zip(*drafts, strict=True)]


def _as_foreseen(change: Foreseen, period: HeldPeriod) -> HeldPeriod:
    """Return a running period as it would be with a change of plan from now on."""
    at, end = change.takes_effect_at, period.period.end
    kept = [
        replace(one, period=Period(one.period.start, min(one.period.end, at)))
        for one in period.segments
        if one.period.start < at
    ]
    after = change.after
    if change.ended is not None:
        cut = Period(period.period.start, at)
        return replace(period, period=cut, segments=tuple(kept))
    if after.charged_from is not None and at < end:
        kept.append(Segment(after.plan, Period(at, end), after.quantity))
    return replace(period, segments=tuple(kept))


async def gather_again(ctx: Ctx, subscription: Subscription, said: InvoiceDraft) -> DraftInput:
    """Gather again what an invoice was made of; what could have moved since, it says itself."""
    if said.kind is InvoiceKind.ADVANCE:
        version = await catalogue.plan_version(ctx, said.plan_key, said.plan_version)
        given = _advance_again(subscription, said, version)
        given = replace(given, addons=await attached.addons_said(ctx, said))
        ids = [line.item_id for line in said.lines if line.item_id is not None]
        items = await item_store.list_by_ids(ctx.tx, ctx.tenant_id, ids)
        return as_said(given, said, {one.id: one for one in items})
    (given,) = await gather_own(ctx, [(subscription, said)], places=[None])
    return replace(given, late=await late_again(ctx, subscription, said))


async def count_late(ctx: Ctx, subscription: Subscription, again: InvoiceDraft) -> int:
    """Return how many more events than an invoice counts its own period has by now."""
    if again.kind is InvoiceKind.ADVANCE:
        return 0
    up_to = await metering.last_arrival(ctx)
    asked = replace(again, usage_up_to=up_to, places=())
    (now,) = await gather_own(ctx, [(subscription, asked)], places=[None])
    return max(rules.event_count(rules.draft(now)) - rules.event_count(again), 0)
