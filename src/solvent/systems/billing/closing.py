"""When is the invoice of a period drawn, and when may it become final?

One period is a batch of one: what many need is read once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from solvent.contracts.billing import PeriodClosed
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.errors import PeriodOverlaps
from solvent.kernel.ledger.model import Invoice, InvoiceKind, InvoiceStatus, LineKind
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.errors import SubscriptionNotFound
from solvent.kernel.subscriptions.model import PlanRef, Subscription
from solvent.kernel.subscriptions.service.periods import held_periods
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import enqueue
from solvent.systems.billing import parking
from solvent.systems.billing.errors import EarlierPeriodOpen, TaxRateMissing
from solvent.systems.billing.taxes import service as taxes

JOB_FINISH: Final = "billing.finish_period"
JOB_SETTLE_LATE: Final = "billing.settle_late"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
"""The tax of a period is that of its last moment."""

Asked = tuple[str, Period]
"""A subscription, by id, and its period."""


async def close_period(ctx: Ctx, subscription_id: str, period: Period) -> Invoice | None:
    """Draw and finalize the invoice of a period that is over, once; a repeat returns it.

    The periods of a subscription are invoiced in their order. Where a plan says so it stays a draft
    for some days, and is drawn anew after them. Where something is not as it should be the account
    is parked, and the invoice stays a draft; None if part of the period has been invoiced already,
    or if no tax rate is known for the country that taxes it: the release draws what is missing.
    Emits `billing.period_closed.v1` the first time, besides what the ledger emits.

    Raises:
        EarlierPeriodOpen: one before it was charged and has no invoice yet; try again after it.
        SubscriptionNotFound, PeriodNotOver: as `ledger.draw_invoice`.
    """
    try:
        return (await close_periods(ctx, [(subscription_id, period)]))[0]
    except PeriodOverlaps as overlap:
        held = await subscriptions.get(ctx, subscription_id)
        await parking.park_overlap(ctx, held.customer_id, held.id, str(overlap.detail))
    except TaxRateMissing as missing:
        held = await subscriptions.get(ctx, subscription_id)
        await parking.park_untaxed(ctx, held.customer_id, held.id, missing)
    except EarlierPeriodOpen:
        held = await subscriptions.get(ctx, subscription_id)
        if not await parking.waits_for_tax(ctx, held.customer_id):
            raise
    return None


async def close_periods(ctx: Ctx, asked: Sequence[Asked]) -> list[Invoice]:
    """Close many periods, as `close_period` would one after another; all of them or none.

    Raises:
        PeriodOverlaps: part of a period has been invoiced already.
        TaxRateMissing: no rate is known for the country that taxes one of them.
        EarlierPeriodOpen, SubscriptionNotFound, PeriodNotOver: as `close_period`.
    """
    ids = {subscription_id for subscription_id, _ in asked}
    held = {str(one.id): one for one in await subscriptions.get_many(ctx, ids)}
    for subscription_id in sorted(ids):
        if subscription_id not in held:
            raise SubscriptionNotFound(field="subscription", given=subscription_id[:64])
    closed: dict[Asked, Invoice] = {}
    for some in _rounds(asked, held):
        drawn = await _draw(ctx, [(held[id_], period) for id_, period in some])
        closed |= dict(zip(some, await finish(ctx, drawn), strict=True))
    for (subscription_id, period), invoice in closed.items():
        if period.end == held[subscription_id].ended_at:
            await _settle_late_after(ctx, invoice)
    return [closed[one] for one in asked]


async def _settle_late_after(ctx: Ctx, last: Invoice) -> None:
    """See to it that what comes late for the last period is settled when the next would be over."""
    said = last.draft
    at = said.period_end + said.fee_period.whole.duration
    payload = {"subscription_id": said.subscription_id}
    await enqueue(ctx, JOB_SETTLE_LATE, payload, run_at=at, unique_key=said.subscription_id)


def _rounds(asked: Sequence[Asked], held: dict[str, Subscription]) -> Iterator[list[Asked]]:
    """Yield the periods in their order, no customer twice at once: the later needs the earlier."""
    left = list(dict.fromkeys(asked))
    while left:
        seen: set[str] = set()
        now: list[Asked] = []
        later: list[Asked] = []
        for one in left:
            customer_id = held[one[0]].customer_id
            (later if customer_id in seen else now).append(one)
            seen.add(customer_id)
        yield now
        left = later


async def _draw(ctx: Ctx, asked: Sequence[tuple[Subscription, Period]]) -> list[Invoice]:
    await must_be_next(ctx, asked)
    wanted = [(held.customer_id, period.end - MOMENT) for held, period in asked]
    rules = await taxes.taxes_for(ctx, wanted)
    return await ledger.draw_invoices(
        ctx,
        [
            ledger.Draw(held.id, period, tax)
            for (held, period), tax in zip(asked, rules, strict=True)
        ],
    )


async def must_be_next(ctx: Ctx, asked: Sequence[tuple[Subscription, Period]]) -> None:
    """Let no period overtake an earlier one that was charged: numbers follow time.

    Raises:
        EarlierPeriodOpen: one would.
    """
    known = await ledger.invoiced_until_of(ctx, [held.id for held, _ in asked])
    between = [
        (held, Period(known.get(held.id, LONG_AGO), period.start))
        for held, period in asked
        if known.get(held.id, LONG_AGO) < period.start
    ]
    for one in await held_periods(ctx, between) if between else []:
        if one.segments:
            raise EarlierPeriodOpen(subscription=one.held.id)


async def finish(ctx: Ctx, drawn: Sequence[Invoice]) -> list[Invoice]:
    """Make those drafts final that may be charged by now, in their order; return all as they are.

    No two are of one customer.
    """
    drafts = [one for one in drawn if one.status is InvoiceStatus.DRAFT]
    open_until = await _open_until(ctx, drafts)
    due = [one for one in drafts if open_until[one.id] <= ctx.now()]
    for one in drafts:
        if open_until[one.id] > ctx.now():
            await _finish_at(ctx, one, open_until[one.id])
    may = await parking.may_charge_all(ctx, due)
    ready = [one for one, yes in zip(due, may, strict=True) if yes]
    if not ready:
        return list(drawn)
    heads = await taxes.letterheads_for(ctx, [one.draft.customer_id for one in ready])
    letterheads = {str(one.id): heads[one.draft.customer_id] for one in ready}
    final = {one.id: one for one in await ledger.finalize_invoices(ctx, letterheads)}
    for one in final.values():
        if _is_of_period(one):
            await _tell_closed(ctx, one)
    return [final.get(one.id, one) for one in drawn]


def _is_of_period(invoice: Invoice) -> bool:
    """Return whether an invoice charges a period of use, and not fees ahead or late usage alone."""
    own = {LineKind.BASE, LineKind.USAGE}
    said = invoice.draft
    return said.kind is InvoiceKind.PERIOD and any(line.kind in own for line in said.lines)


async def _open_until(ctx: Ctx, drafts: Sequence[Invoice]) -> dict[str, datetime]:
    """Return until when late usage may still enter each of these drafts."""
    plans = {PlanRef(one.draft.plan_key, one.draft.plan_version) for one in drafts}
    days = {
        plan: (await catalogue.plan_version(ctx, plan.plan_key, plan.version)).terms.draft_days
        for plan in sorted(plans, key=lambda one: (one.plan_key, one.version))
    }
    return {
        one.id: one.draft.period_end
        + timedelta(days=days[PlanRef(one.draft.plan_key, one.draft.plan_version)])
        if _is_of_period(one)
        else ctx.now()
        for one in drafts
    }


async def _finish_at(ctx: Ctx, draft: Invoice, at: datetime) -> None:
    """See to it that a draft is drawn anew and becomes final then."""
    said = draft.draft
    payload = {
        "subscription_id": said.subscription_id,
        "period_start": said.period_start.isoformat(),
        "period_end": said.period_end.isoformat(),
    }
    await enqueue(ctx, JOB_FINISH, payload, run_at=at, unique_key=draft.id)


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
