"""What may be done about invoices from outside: close a period, preview, find, derive again?"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from solvent.contracts.billing import PeriodClosed
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.errors import PeriodOverlaps
from solvent.kernel.ledger.model import (
    Invoice,
    InvoiceDraft,
    InvoiceKind,
    InvoiceStatus,
    Rebuilt,
)
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.systems.billing import parking
from solvent.systems.billing.errors import (
    EarlierPeriodOpen,
    ReferenceMalformed,
)
from solvent.systems.billing.taxes import service as taxes

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
"""The tax of a period is that of its last moment."""

_REFERENCE = re.compile(r"(?:INV-)?([0-9]{1,15})\Z", re.IGNORECASE)


async def close_period(ctx: Ctx, subscription_id: str, period: Period) -> Invoice | None:
    """Draw and finalize the invoice of a period that is over, once; a repeat returns it.

    The periods of a subscription are invoiced in their order. Where something is not as it should
    be the account is parked, and the invoice stays a draft; None if part of the period has been
    invoiced already. Emits `billing.period_closed.v1` the first time, besides what the ledger
    emits.

    Raises:
        EarlierPeriodOpen: one before it was charged and has no invoice yet; try again after it.
        TaxRateMissing: no rate is known for the country that taxes it; state one.
        SubscriptionNotFound, PeriodNotOver: as `ledger.draw_invoice`.
    """
    await _must_be_next(ctx, subscription_id, period)
    held = await subscriptions.get(ctx, subscription_id)
    tax = await taxes.tax_for(ctx, held.customer_id, at=period.end - MOMENT)
    try:
        drawn = await ledger.draw_invoice(ctx, subscription_id, period, tax=tax)
    except PeriodOverlaps as overlap:
        await parking.park_overlap(ctx, held.customer_id, held.id, str(overlap.detail))
        return None
    return await _finish(ctx, drawn)


async def _finish(ctx: Ctx, drawn: Invoice) -> Invoice:
    """Make a draft final if it may be charged."""
    if drawn.status is not InvoiceStatus.DRAFT or not await parking.may_charge(ctx, drawn):
        return drawn
    letterhead = await taxes.letterhead_for(ctx, drawn.draft.customer_id)
    final = await ledger.finalize_invoice(ctx, drawn.id, letterhead=letterhead)
    if final.draft.kind is InvoiceKind.PERIOD:
        await _tell_closed(ctx, final)
    return final


async def release_account(ctx: Ctx, customer: str) -> list[Invoice]:
    """Let a parked account be charged again, and make its drafts final in their order.

    Void a draft first if it must not be charged. One that trips the breaker anew parks the account
    again, and stays a draft with those after it.

    Raises:
        CustomerUnknown: there is no such customer.
        NotParked: the account is not parked.
    """
    customer_id = await parking.release(ctx, customer)
    drafts = await ledger.list_invoices(
        ctx, customer_id=customer_id, status=InvoiceStatus.DRAFT, limit=PAGE_SIZE_MAX
    )
    in_order = sorted(drafts, key=lambda one: (one.draft.period_end, one.id))
    return [await _finish(ctx, one) for one in in_order]


async def open_period(ctx: Ctx, subscription_id: str) -> Invoice | None:
    """Draw and finalize the invoice of what the running period charges in advance, once.

    None where it charges nothing so. The invoice of the period before comes first where it is not
    drawn yet: numbers follow time.

    Raises:
        EarlierPeriodOpen: one before it was charged and has no invoice yet; try again after it.
        SubscriptionNotFound: there is none.
    """
    held = await subscriptions.get(ctx, subscription_id)
    version = await catalogue.plan_version(ctx, held.plan_key, held.plan_version)
    if not charges_in_advance(held, version):
        return None
    tax = await taxes.tax_for(ctx, held.customer_id, at=held.period.start)
    drawn = await ledger.draw_advance(ctx, subscription_id, tax=tax)
    if drawn is None or drawn.status is not InvoiceStatus.DRAFT:
        return drawn
    await _must_be_next(ctx, subscription_id, held.period)
    return await _finish(ctx, drawn)


def charges_in_advance(held: Subscription, version: PlanVersion) -> bool:
    """Return whether a subscription to this version of a plan owes anything before its use."""
    return not held.provider_managed and any(price.in_advance for price in version.prices)


async def _must_be_next(ctx: Ctx, subscription_id: str, period: Period) -> None:
    """Let no period overtake an earlier one that was charged: numbers follow time."""
    known = await ledger.invoiced_until(ctx, subscription_id)
    if known is not None and known >= period.start:
        return
    between = Period(known or LONG_AGO, period.start)
    if await subscriptions.segments(ctx, subscription_id, between):
        raise EarlierPeriodOpen(subscription=subscription_id)


async def _tell_closed(ctx: Ctx, invoice: Invoice) -> None:
    said = invoice.draft
    event = PeriodClosed(
        subscription_id=said.subscription_id,
        customer_id=said.customer_id,
        period_start=said.period_start,
        period_end=said.period_end,
        invoice_id=invoice.id,
        number=invoice.number or 0,
        currency=said.currency,
        total_minor=said.total_minor,
        due_minor=invoice.due_minor,
    )
    await ctx.bus.emit(ctx, event)


async def preview_invoice(ctx: Ctx, subscription_id: str) -> InvoiceDraft:
    """Return what the running period's invoice would say by now, with its tax; saves nothing.

    Raises:
        SubscriptionNotFound: there is no such subscription.
        TaxRateMissing: no rate is known for the country that taxes it.
    """
    held = await subscriptions.get(ctx, subscription_id)
    tax = await taxes.tax_for(ctx, held.customer_id, at=held.period.end - MOMENT)
    return await ledger.preview_invoice(ctx, subscription_id, tax=tax)


async def find_invoice(ctx: Ctx, reference: str) -> Invoice:
    """Return an invoice by its id or its number, as `inv_…`, `INV-000042` or `42`.

    Raises:
        ReferenceMalformed: it is neither.
        InvoiceNotFound: there is none.
    """
    if reference.startswith("inv_"):
        return await ledger.get_invoice(ctx, reference)
    number = _REFERENCE.match(reference)
    if number is None:
        raise ReferenceMalformed(field="invoice", given=reference[:64])
    return await ledger.find_invoice(ctx, int(number[1]))


async def rebuild_all(ctx: Ctx) -> AsyncIterator[Rebuilt]:
    """Derive each invoice of the tenant again, newest first, and yield how it compares."""
    after: str | None = None
    while True:
        page = await ledger.list_invoices(ctx, after=after, limit=PAGE_SIZE_MAX)
        for invoice in page:
            yield await ledger.rebuild_invoice(ctx, invoice.id)
        if len(page) < PAGE_SIZE_MAX:
            return
        after = page[-1].id
