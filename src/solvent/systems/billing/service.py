"""What may be done about invoices from outside: close a period, preview, find, derive again?"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import (
    Invoice,
    InvoiceDraft,
    InvoiceStatus,
    LineEvent,
    Rebuilt,
)
from solvent.kernel.ledger.service import late
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status, Subscription
from solvent.kernel.subscriptions.service.periods import held_periods
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import enqueue
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.systems.billing import parking
from solvent.systems.billing.closing import (
    LONG_AGO,
    MOMENT,
    close_period,
    close_periods,
    finish,
    must_be_next,
)
from solvent.systems.billing.errors import (
    EarlierPeriodOpen,
    ReferenceMalformed,
    TaxRateMissing,
)
from solvent.systems.billing.model import ChargedEvents
from solvent.systems.billing.taxes import service as taxes

__all__ = [
    "close_period",
    "close_periods",
    "find_invoice",
    "list_charged_events",
    "open_period",
    "open_periods",
    "owing_in_advance",
    "preview_invoice",
    "rebuild_all",
    "release_account",
    "release_all",
    "release_untaxed",
    "settle_late",
]

EVENTS_READ_AT_ONCE = 10_000
JOB_RELEASE: Final = "billing.release"
_REFERENCE = re.compile(r"(?:INV-)?([0-9]{1,15})\Z", re.IGNORECASE)


async def release_account(ctx: Ctx, customer: str) -> list[Invoice]:
    """Let a parked account be charged again: finish its drafts, then draw what could not be drawn.

    Void a draft first if it must not be charged. One that trips the breaker anew parks the account
    again, and stays a draft with those after it. Returns what is final, or a draft again, by this.

    Raises:
        CustomerUnknown: there is no such customer.
        NotParked: the account is not parked.
    """
    customer_id = await parking.release(ctx, customer)
    drafts = await ledger.list_invoices(
        ctx, customer_id=customer_id, status=InvoiceStatus.DRAFT, limit=PAGE_SIZE_MAX
    )
    in_order = sorted(drafts, key=lambda one: (one.draft.period_end, one.id))
    done = [done for one in in_order for done in await finish(ctx, [one])]
    return done + await _draw_missing(ctx, customer_id)


async def _draw_missing(ctx: Ctx, customer_id: str) -> list[Invoice]:
    """Close and open those periods of a customer that were due while their account was parked."""
    held = await subscriptions.list_all(ctx, customer_id=customer_id, limit=PAGE_SIZE_MAX)
    until = await ledger.invoiced_until_of(ctx, [one.id for one in held])
    over = [
        (one, period)
        for one in held
        for period in await subscriptions.list_periods(ctx, one.id)
        if period.start >= until.get(one.id, LONG_AGO)
    ]
    charged = [one for one in await held_periods(ctx, over) if one.segments] if over else []
    drawn: list[Invoice | None] = [
        await close_period(ctx, one.held.id, one.period)
        for one in sorted(charged, key=lambda each: (each.period.end, each.held.id))
    ]
    drawn += [await open_period(ctx, one.id) for one in held if not one.terminal]
    return [one for one in drawn if one is not None]


async def release_untaxed(ctx: Ctx, country: str, *, after: str | None = None) -> None:
    """Let the accounts be charged again that waited for a tax rate of a country, by jobs."""
    found = await parking.list_untaxed(ctx, country, after=after, limit=PAGE_SIZE_MAX)
    for one in found:
        payload = {"customer_id": one.customer_id}
        await enqueue(ctx, JOB_RELEASE, payload, unique_key=one.customer_id)
    if len(found) == PAGE_SIZE_MAX:
        payload = {"country": country, "after": found[-1].id}
        await enqueue(ctx, taxes.JOB_RATE_STATED, payload)


async def release_all(ctx: Ctx, customer_ids: Sequence[str]) -> None:
    """Release those of these accounts that still wait for a tax rate, as `release_account`."""
    for customer_id in customer_ids:
        if await parking.waits_for_tax(ctx, customer_id):
            await release_account(ctx, customer_id)


async def open_period(ctx: Ctx, subscription_id: str) -> Invoice | None:
    """Draw and finalize the invoice of what the running period charges in advance, once.

    None where it charges nothing so, or no tax rate is known: the account is parked then. The
    invoice of the period before comes first where it is not drawn yet: numbers follow time.

    Raises:
        EarlierPeriodOpen: one before it was charged and has no invoice yet; try again after it.
        SubscriptionNotFound: there is none.
    """
    held = await subscriptions.get(ctx, subscription_id)
    try:
        opened = await open_periods(ctx, [held])
    except TaxRateMissing as missing:
        await parking.park_untaxed(ctx, held.customer_id, held.id, missing)
        return None
    except EarlierPeriodOpen:
        if await parking.waits_for_tax(ctx, held.customer_id):
            return None
        raise
    return opened[0] if opened else None


async def open_periods(ctx: Ctx, held: Sequence[Subscription]) -> list[Invoice]:
    """Invoice what the running periods of many subscriptions charge in advance, as `open_period`.

    Returns the invoices of those that charge anything so; all of them or none.

    Raises:
        EarlierPeriodOpen: as `open_period`.
        TaxRateMissing: no rate is known for the country that taxes one of them.
    """
    opened: list[Invoice] = []
    left: list[Subscription] = await owing_in_advance(ctx, held)
    while left:
        first = {one.customer_id: one for one in reversed(left)}
        opened += await _open(ctx, [one for one in left if first[one.customer_id] is one])
        left = [one for one in left if first[one.customer_id] is not one]
    return opened


async def _open(ctx: Ctx, held: Sequence[Subscription]) -> list[Invoice]:
    """Open periods of which no two are of one customer."""
    rules = await taxes.taxes_for(ctx, [(one.customer_id, one.period.start) for one in held])
    drawn = await ledger.draw_advances(ctx, list(zip(held, rules, strict=True)))
    new = [
        (one, one.period)
        for one, invoice in zip(held, drawn, strict=True)
        if invoice is not None and invoice.status is InvoiceStatus.DRAFT
    ]
    if new:
        await must_be_next(ctx, new)
    return await finish(ctx, [invoice for invoice in drawn if invoice is not None])


async def settle_late(ctx: Ctx, subscription_id: str) -> late.LateSettled:
    """Charge or give back what came late for a subscription that has ended, once it is all in.

    By the policies of its meters, with the tax of its last moment; the invoice is final at once
    unless the breaker parks the account.

    Raises:
        EarlierPeriodOpen: one of its periods was charged and has no invoice yet; try again.
        TaxRateMissing: no rate is known any more for the country that taxed it.
        SubscriptionNotFound: there is none.
    """
    held = await subscriptions.get(ctx, subscription_id)
    if held.ended_at is None:
        return late.LateSettled()
    await must_be_next(ctx, [(held, Period(held.ended_at, held.ended_at + MOMENT))])
    tax = await taxes.tax_for(ctx, held.customer_id, at=held.ended_at - MOMENT)
    settled = await late.settle_late(ctx, held, tax=tax)
    if settled.invoice is None:
        return settled
    return late.LateSettled((await finish(ctx, [settled.invoice]))[0])


async def owing_in_advance(ctx: Ctx, held: Sequence[Subscription]) -> list[Subscription]:
    """Return which of these subscriptions, with their add-ons, may owe anything before its use."""
    own = [one for one in held if not one.provider_managed]
    addons = await subscriptions.addons_now(ctx, own)
    plans = {one.id: [one.plan, *(addon.plan for addon in addons.get(one.id, ()))] for one in own}
    versions = {
        plan: await catalogue.plan_version(ctx, plan.plan_key, plan.version)
        for plan in {plan for some in plans.values() for plan in some}
    }
    return [
        one for one in own if _charges_in_advance(one, [versions[plan] for plan in plans[one.id]])
    ]


def _charges_in_advance(held: Subscription, versions: Sequence[PlanVersion]) -> bool:
    if held.status is Status.TRIALING:
        return versions[0].terms.trial_minor > 0
    return any(price.in_advance for version in versions for price in version.prices)


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


async def list_charged_events(
    ctx: Ctx, invoice: Invoice, *, line: int | None = None
) -> list[ChargedEvents]:
    """Return the events of each line that charges usage, or of one line.

    Raises:
        LineNotFound: the invoice has no such line.
    """
    lines = invoice.draft.lines
    if line is not None:
        places = [line]
        await ledger.line_events(ctx, invoice.id, line, limit=1)
    else:
        places = list(range(1, len(lines) + 1))
    return [
        ChargedEvents(place, lines[place - 1], await _all_events(ctx, invoice, place))
        for place in places
        if lines[place - 1].evidence is not None
    ]


async def _all_events(ctx: Ctx, invoice: Invoice, place: int) -> tuple[LineEvent, ...]:
    found: list[LineEvent] = []
    while True:
        after = found[-1].event_id if found else None
        page = await ledger.line_events(
            ctx, invoice.id, place, after=after, limit=EVENTS_READ_AT_ONCE
        )
        found += page
        if len(page) < EVENTS_READ_AT_ONCE:
            return tuple(found)


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
