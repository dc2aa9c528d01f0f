"""What is an invoice made of, and how does it come to be drawn once?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
    Stretch,
    TaxRule,
    Usage,
)
from solvent.kernel.ledger.service import coupons
from solvent.kernel.ledger.service.journal import SCOPE_READ, SCOPE_WRITE
from solvent.kernel.ledger.store import invoices as store
from solvent.kernel.ledger.store import items as item_store
from solvent.kernel.ledger.store import journal as journal_store
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import FeePeriod, Segment, Status, Subscription
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx

PAYMENT_TERM = timedelta(days=14)
"""How long after it became final an invoice is due."""


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
    ctx.require(SCOPE_WRITE)
    subscription = await subscriptions.get(ctx, subscription_id)
    if period not in await subscriptions.list_periods(ctx, subscription_id):
        raise PeriodNotOver(field="period")
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, subscription.customer_id)
    known = await _known(ctx, subscription_id, period)
    if known is not None and known.status is not InvoiceStatus.DRAFT:
        return known
    up_to = await metering.last_arrival(ctx)
    given = await _draft_input(ctx, subscription, period, up_to=up_to)
    given = await _with_extras(ctx, replace(given, tax=tax), known)
    return await _save_draft(ctx, rules.draft(given), known)


async def draw_advance(
    ctx: Ctx, subscription_id: str, *, tax: TaxRule | None = None
) -> Invoice | None:
    """Draw the invoice of the fees that the running period charges in advance, once.

    None where there is nothing to charge so: a trial, a pause, a plan without such fees, or a
    provider that collects. A final one is returned as it is.

    Raises:
        SubscriptionNotFound: there is no such subscription.
    """
    ctx.require(SCOPE_WRITE)
    held = await subscriptions.get(ctx, subscription_id)
    if held.provider_managed or held.status not in {Status.ACTIVE, Status.PAST_DUE}:
        return None
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, held.customer_id)
    known = await _advance_of(ctx, held.id, held.period)
    if known is not None and known.status is not InvoiceStatus.DRAFT:
        return known
    version = await catalogue.plan_version(ctx, held.plan_key, held.plan_version)
    fee = await subscriptions.fee_period(ctx, held.id, held.period, version=version)
    given = _advance_input(held, held.period, version, fee, quantity=held.quantity)
    given = replace(given, tax=tax, time_zone=held.time_zone)
    given = await _with_extras(ctx, given, known)
    said = rules.draft(given)
    charged = any(line.kind is LineKind.BASE for line in said.lines)
    return await _save_draft(ctx, said, known) if charged else None


def _advance_input(
    held: Subscription, period: Period, version: PlanVersion, fee: FeePeriod, *, quantity: int
) -> DraftInput:
    return DraftInput(
        kind=InvoiceKind.ADVANCE,
        customer_id=held.customer_id,
        subscription_id=held.id,
        period=period,
        headline=version,
        stretches=(Stretch(version, period, (), (Part(period, quantity),)),),
        usage_up_to=0,
        fee=fee,
    )


async def _advance_of(ctx: Ctx, subscription_id: str, period: Period) -> Invoice | None:
    """Return the invoice that charged the period's fees in advance, if it still stands."""
    found = await store.find_overlapping(
        ctx.tx,
        ctx.tenant_id,
        subscription_id=subscription_id,
        kind=InvoiceKind.ADVANCE,
        period=period,
    )
    return next((one for one in found if one.draft.period_start == period.start), None)


async def _with_extras(ctx: Ctx, given: DraftInput, known: Invoice | None) -> DraftInput:
    """Add what is charged once, what was charged in advance, and what coupons take off."""
    items = await item_store.list_for(
        ctx.tx,
        ctx.tenant_id,
        customer_id=given.customer_id,
        subscription_id=given.subscription_id,
        currency=given.headline.currency,
        invoice_id=known.id if known else None,
    )
    beside = None
    if given.kind is InvoiceKind.PERIOD:
        beside = await _advance_of(ctx, given.subscription_id, given.period)
    standing = beside.draft if beside and beside.status is not InvoiceStatus.VOID else None
    discounts = await coupons.discounts_for(
        ctx,
        given.subscription_id,
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


async def _known(ctx: Ctx, subscription_id: str, period: Period) -> Invoice | None:
    found = await store.find_overlapping(
        ctx.tx,
        ctx.tenant_id,
        subscription_id=subscription_id,
        kind=InvoiceKind.PERIOD,
        period=period,
    )
    for invoice in found:
        if (invoice.draft.period_start, invoice.draft.period_end) != (period.start, period.end):
            raise PeriodOverlaps(field="period", invoice=invoice.id)
    return found[0] if found else None


async def _save_draft(ctx: Ctx, said: InvoiceDraft, known: Invoice | None) -> Invoice:
    text = document.canonical(said)
    invoice = Invoice(
        id=known.id if known else InvoiceId(ctx.ids.new("inv")),
        status=InvoiceStatus.DRAFT,
        draft=said,
        digest=document.digest(text),
        drawn_at=ctx.now(),
    )
    save = store.redraw if known else store.insert_draft
    await save(ctx.tx, ctx.tenant_id, invoice, text=text)
    ids = [line.item_id for line in said.lines if line.item_id is not None]
    if ids:
        await item_store.attach(ctx.tx, ctx.tenant_id, ids, invoice_id=invoice.id)
    return invoice


async def _draft_input(
    ctx: Ctx,
    subscription: Subscription,
    period: Period,
    *,
    up_to: int,
    fee: FeePeriod | None = None,
) -> DraftInput:
    """Gather what is immutable: which plan was charged when, its version, and the usage in it.

    What a fee is for depends on an anchor that may move, so an invoice that is derived again says
    what it was.
    """
    customer = await tenants.get_customer(ctx, subscription.customer_id)
    segments = await subscriptions.segments(ctx, subscription.id, period)
    stretches = [
        await _stretch(ctx, run, customer.external_ref, up_to=up_to) for run in _runs(segments)
    ]
    plan = segments[-1].plan if segments else subscription.plan
    headline = await catalogue.plan_version(ctx, plan.plan_key, plan.version)
    if fee is None:
        fee = await subscriptions.fee_period(ctx, subscription.id, period, version=headline)
    return DraftInput(
        kind=InvoiceKind.PERIOD,
        customer_id=subscription.customer_id,
        subscription_id=subscription.id,
        period=period,
        headline=headline,
        stretches=tuple(stretches),
        usage_up_to=up_to,
        fee=fee,
        time_zone=subscription.time_zone,
    )


def _runs(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Return the segments of one plan that follow one another: only their seats differ."""
    runs: list[list[Segment]] = []
    for one in segments:
        last = runs[-1][-1] if runs else None
        if last and last.plan == one.plan and last.period.end == one.period.start:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


async def _stretch(ctx: Ctx, run: Sequence[Segment], customer_ref: str, *, up_to: int) -> Stretch:
    """Gather a stretch under one plan: its usage as a whole, however its seats changed."""
    plan, period = run[0].plan, Period(run[0].period.start, run[-1].period.end)
    version = await catalogue.plan_version(ctx, plan.plan_key, plan.version)
    usage = [
        Usage(price.key, tuple(found))
        for price in version.prices
        for selection in [version.selection(price)]
        if selection is not None
        for found in [
            await metering.measure_groups(
                ctx, selection, customer_ref=customer_ref, period=period, up_to=up_to
            )
        ]
    ]
    parts = tuple(Part(one.period, one.quantity) for one in run)
    return Stretch(version, period, tuple(usage), parts)


async def preview_invoice(
    ctx: Ctx, subscription_id: str, *, tax: TaxRule | None = None
) -> InvoiceDraft:
    """Return what the running period's invoice would say by now; saves nothing.

    Raises:
        SubscriptionNotFound: there is no such subscription.
    """
    ctx.require(SCOPE_READ)
    subscription = await subscriptions.get(ctx, subscription_id)
    up_to = await metering.last_arrival(ctx)
    given = await _draft_input(ctx, subscription, subscription.period, up_to=up_to)
    return rules.draft(await _with_extras(ctx, replace(given, tax=tax), None))


async def gather_again(
    ctx: Ctx, subscription: Subscription, said: InvoiceDraft, *, up_to: int
) -> DraftInput:
    """Gather again what an invoice was made of; what could have moved since, it says itself."""
    period = Period(said.period_start, said.period_end)
    if said.kind is InvoiceKind.ADVANCE:
        version = await catalogue.plan_version(ctx, said.plan_key, said.plan_version)
        fee, quantity = said.fee_period, said.quantity
        given = _advance_input(subscription, period, version, fee, quantity=quantity)
    else:
        fee = said.fee_period
        given = await _draft_input(ctx, subscription, period, up_to=up_to, fee=fee)
    ids = [line.item_id for line in said.lines if line.item_id is not None]
    items = await item_store.list_by_ids(ctx.tx, ctx.tenant_id, ids)
    return replace(
        given,
        items=tuple(items),
        discounts=said.discounts,
        advanced=said.advanced,
        tax=said.tax,
        time_zone=said.time_zone,
    )
