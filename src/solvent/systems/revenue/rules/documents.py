"""What does each document earn, and what took some of it back?"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from solvent.kernel.catalogue.model import Interval, PlanVersion
from solvent.kernel.ledger.model import (
    CreditNote,
    CreditTo,
    Invoice,
    InvoiceDraft,
    LineKind,
    Payment,
)
from solvent.kernel.ledger.model.history import GivenBack
from solvent.kit.money import allocate
from solvent.systems.revenue.model import Line, LineOf, Reversal, Why
from solvent.systems.revenue.rules.exchange import half_away

MONTHS_A_YEAR = 12
OF: Mapping[LineKind, LineOf] = {LineKind.USAGE: LineOf.USAGE, LineKind.ITEM: LineOf.ITEM}
AT_ONCE = frozenset({LineKind.ITEM, LineKind.CORRECTION})
"""What is earned when it is billed: a correction is of a period whose invoice was final before."""

PriceOf: TypeAlias = tuple[str, int, str]
"""A plan, its version and the key of one of its prices."""


def lines_of(invoice: Invoice, *, further: Mapping[PriceOf, int]) -> list[Line]:
    """Return what each charging line of a final invoice earns; they sum to its net exactly.

    `further` says for how many months beyond its period a price's fee is for: eleven, where it is
    charged once a year on a plan of months.

    What a coupon, an earlier invoice or a plan's maximum took off, and tax that prices include, is
    taken off all charging lines in proportion (IFRS 15.81), by largest remainder.
    """
    said = invoice.draft
    billed_at = invoice.finalized_at
    weights = [max(line.amount_minor, 0) for line in said.lines]
    if billed_at is None or not any(weights):
        return []
    amounts = allocate(said.net_minor, weights)
    found: list[Line] = []
    for place, (line, amount_minor) in enumerate(zip(said.lines, amounts, strict=True), start=1):
        if amount_minor:
            of = OF.get(line.corrects.kind if line.corrects else line.kind, LineOf.FEE)
            months = further.get((line.plan_key, line.plan_version, line.price_key), 0)
            served = (line.period_start, months_after(line.period_end, months))
            since, until = (billed_at, billed_at) if line.kind in AT_ONCE else served
            found.append(
                Line(
                    document_id=invoice.id,
                    line=place,
                    of=of,
                    customer_id=said.customer_id,
                    subscription_id=said.subscription_id,
                    plan_key=line.plan_key,
                    currency=said.currency,
                    amount_minor=amount_minor,
                    since=since,
                    until=until,
                    billed_at=billed_at,
                )
            )
    return found


def months_after(moment: datetime, months: int) -> datetime:
    """Return the same day and hour so many months later, or the last day of a shorter month."""
    index = moment.year * MONTHS_A_YEAR + moment.month - 1 + months
    year, month = index // MONTHS_A_YEAR, index % MONTHS_A_YEAR + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)


def purchase_line(payment: Payment) -> Line:
    """Return what something sold once, outside of invoices, earns: all of it at once."""
    return Line(
        document_id=payment.id,
        line=1,
        of=LineOf.PURCHASE,
        customer_id=payment.customer_id,
        subscription_id=None,
        plan_key=None,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        since=payment.received_at,
        until=payment.received_at,
        billed_at=payment.received_at,
    )


def months_of(version: PlanVersion) -> int:
    """Return the length of a plan's period in months."""
    unit = MONTHS_A_YEAR if version.interval is Interval.YEAR else 1
    return version.interval_count * unit


def shares_of(refund: GivenBack) -> list[tuple[str, int]]:
    """Return how much of a refund each invoice had used, in proportion, to the last unit."""
    used = [amount_minor for _, amount_minor in refund.used]
    if not used:
        return []
    shares = allocate(refund.amount_minor, used)
    return [(invoice_id, share) for (invoice_id, _), share in zip(refund.used, shares, strict=True)]


def net_of(said: InvoiceDraft, gross_minor: int) -> int:
    """Return the part of an amount that is revenue and not tax, as in the whole invoice."""
    return half_away(gross_minor * said.net_minor, max(said.total_minor, 1))


def refunded(refund: GivenBack, net_minor: int, lines: Sequence[Line]) -> list[Reversal]:
    """Return what a refund takes back of a document, in proportion to its lines."""
    return taken_back(refund.refund_id, Why.REFUND, net_minor, lines, at=refund.at)


def credited(note: CreditNote, lines: Sequence[Line]) -> list[Reversal]:
    """Return what a credit note takes back of its invoice's lines, net of tax.

    One about money that was refunded is marked: where the refund has been counted it is the same.
    """
    said = note.said
    named = {one.line: one.amount_minor for one in said.lines}
    weights = [named.get(line.line, 0) for line in lines]
    why = Why.MATCHED if said.to is CreditTo.REFUNDED else Why.CREDIT
    return _spread(note.id, why, said.net_minor, lines, weights=weights, at=note.issued_at)


def taken_back(
    source_id: str, why: Why, amount_minor: int, lines: Sequence[Line], *, at: datetime
) -> list[Reversal]:
    """Return an amount taken back of a document as a whole, in proportion to its lines."""
    weights = [line.amount_minor for line in lines]
    return _spread(source_id, why, amount_minor, lines, weights=weights, at=at)


def _spread(
    source_id: str,
    why: Why,
    amount_minor: int,
    lines: Sequence[Line],
    *,
    weights: Sequence[int],
    at: datetime,
) -> list[Reversal]:
    if not any(weights):
        weights = [line.amount_minor for line in lines]
    if not lines or amount_minor <= 0:
        return []
    shares = allocate(amount_minor, weights)
    return [
        Reversal(source_id, why, line.document_id, line.line, share, at)
        for line, share in zip(lines, shares, strict=True)
        if share
    ]


def counted(reversals: Iterable[Reversal]) -> Iterator[Reversal]:
    """Yield what takes revenue back: of one document, in order, each money once.

    A refund takes it back when the money goes; the credit note that is written about it later takes
    only what is beyond what refunds have taken.
    """
    refunded_minor = 0
    for one in sorted(reversals, key=lambda one: (one.at, one.why is Why.MATCHED, one.source_id)):
        if one.why is Why.REFUND:
            refunded_minor += one.amount_minor
        if one.why is not Why.MATCHED:
            yield one
            continue
        same_minor = min(refunded_minor, one.amount_minor)
        refunded_minor -= same_minor
        if one.amount_minor > same_minor:
            yield replace(one, amount_minor=one.amount_minor - same_minor)
