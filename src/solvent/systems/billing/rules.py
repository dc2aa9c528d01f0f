"""What does an invoice say in words, and how are its figures written?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact
from zoneinfo import ZoneInfo

from solvent.kernel.catalogue.model import Proration, StepKind
from solvent.kernel.ledger.model import (
    Evidence,
    Invoice,
    InvoiceDraft,
    InvoiceLine,
    InvoiceStatus,
    Letterhead,
    LineCorrection,
    LineKind,
    Parties,
    Settled,
    TaxLine,
    TierLine,
)
from solvent.kit.money import EXACT, Money, exponent, format_money
from solvent.systems.billing.model import Due, Fact, PrintedLine, Row, Sheet, Total
from solvent.systems.billing.taxes.rules import told_of

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
REMARK = (
    "Each line names the plan version and the price that rated it, the seconds that it covers, and "
    "the usage events that it counts: the same events and prices always give this invoice again."
)
TEST_BANNER = "Test mode: this is no real invoice, and no money is owed on it."
EVENTS_NAMED_MAX = 5
ID_LENGTH_SHOWN = 48
RUN_LENGTH_MAX = 28
"""A word longer than this may be broken anywhere, so that it never leaves the page."""

ZERO_WIDTH_SPACE = "\u200b"
MINUS = "\u2212"
DASH = "\u2013"


def sheet(
    invoice: Invoice, parties: Parties, settled: Sequence[Settled], *, logo: str | None = None
) -> Sheet:
    """Return the words and figures of a numbered invoice; the same invoice gives the same sheet."""
    said = invoice.draft
    head = parties.letterhead or Letterhead()
    zone = ZoneInfo(parties.time_zone)
    heading = "Void invoice" if invoice.status is InvoiceStatus.VOID else "Invoice"
    return Sheet(
        title=f"{heading} {invoice.reference}",
        number=invoice.reference,
        heading=heading,
        seller=breakable(head.seller.name if head.seller else parties.seller_name),
        banner=_banner(invoice, parties),
        buyer_label="Billed to",
        buyer=buyer_lines(parties),
        facts=_facts(invoice, zone, parties.time_zone),
        due=_due(invoice, zone),
        columns=("Description", "Quantity", "Rate", f"Amount {said.currency}"),
        lines=tuple(_printed(said, line, parties.time_zone) for line in said.lines),
        totals=_totals(invoice, settled, zone),
        remarks=(*tax_reasons(said.taxes), REMARK),
        footer=f"Document SHA-256 {invoice.digest}",
        seller_lines=seller_lines(parties),
        imprint=breakable(head.footer),
        accent=head.accent,
        logo=logo or "",
    )


def seller_lines(parties: Parties) -> tuple[str, ...]:
    """Return the seller's address and numbers as they are printed."""
    seller = parties.letterhead.seller if parties.letterhead else None
    return tuple(breakable(part) for part in told_of(seller)) if seller else ()


def tax_reasons(taxes: Sequence[TaxLine]) -> tuple[str, ...]:
    """Return what the law wants said where no tax is charged."""
    return tuple(breakable(tax.reason) for tax in taxes if tax.reason)


def breakable(text: str) -> str:
    """Return the text with places to break in words that are too long for a line."""
    return re.sub(
        rf"\S{{{RUN_LENGTH_MAX}}}(?=\S)", lambda run: run[0] + ZERO_WIDTH_SPACE, text.strip()
    )


def _banner(invoice: Invoice, parties: Parties) -> str | None:
    if invoice.status is InvoiceStatus.VOID:
        return "This invoice has been taken back. Nothing is owed on it."
    if parties.test_mode:
        return TEST_BANNER
    return None


def buyer_lines(parties: Parties) -> tuple[str, ...]:
    """Return who is billed, line by line, its name first."""
    reference = f"Reference {parties.buyer_ref}" if parties.buyer_name else None
    buyer = parties.letterhead.buyer if parties.letterhead else None
    told: tuple[str | None, ...] = (
        parties.buyer_name or parties.buyer_ref,
        parties.buyer_email,
        parties.buyer_country,
        reference,
    )
    if buyer is not None:
        told = (buyer.name, *told_of(buyer), reference)
    return tuple(breakable(part) for part in told if part)


def _facts(invoice: Invoice, zone: ZoneInfo, zone_name: str) -> tuple[Fact, ...]:
    said = invoice.draft
    span = f"{day(said.period_start, zone)} {DASH} {day(said.period_end, zone)}"
    facts = [
        ("Invoice number", invoice.reference),
        ("Issued", day(invoice.finalized_at or invoice.drawn_at, zone)),
        ("Period", span),
        ("Time zone", zone_name),
        ("Plan", breakable(f"{said.plan_name}, version {said.plan_version}")),
    ]
    return tuple(Fact(label, value) for label, value in facts)


def _due(invoice: Invoice, zone: ZoneInfo) -> Due:
    said = invoice.draft
    if invoice.status is InvoiceStatus.VOID:
        return Due("Amount due", money(0, said.currency))
    if invoice.status is InvoiceStatus.PAID and invoice.paid_at is not None:
        label = f"Paid on {day(invoice.paid_at, zone)}" if said.total_minor else "Nothing to pay"
        return Due(label, money(said.total_minor, said.currency))
    by = f" by {day(invoice.due_at, zone)}" if invoice.due_at else ""
    return Due(f"Amount due{by}", money(invoice.due_minor, said.currency))


def _totals(invoice: Invoice, settled: Sequence[Settled], zone: ZoneInfo) -> tuple[Total, ...]:
    said = invoice.draft
    rows = [Total("Subtotal", plain(said.net_minor, said.currency))]
    rows += tax_totals(said.taxes, said.currency)
    rows.append(Total("Total", plain(said.total_minor, said.currency)))
    rows += [
        Total(
            f"Paid {day(one.payment.received_at, zone)} by {one.payment.provider}",
            plain(-one.amount_minor, said.currency),
        )
        for one in settled
    ]
    rows.append(Total("Amount due", money(invoice.due_minor, said.currency), strong=True))
    return tuple(rows)


def tax_totals(taxes: Sequence[TaxLine], currency: str) -> list[Total]:
    """Return a row for each tax, with what it is charged on."""
    return [
        Total(
            f"{tax.name} {number(tax.rate * 100)} % of {plain(tax.net_minor, currency)}",
            plain(tax.amount_minor, currency),
        )
        for tax in taxes
    ]


def _printed(said: InvoiceDraft, line: InvoiceLine, zone_name: str) -> PrintedLine:
    single = line.tiers[0] if len(line.tiers) == 1 and _is_plain(line.tiers[0]) else None
    shown = () if single else line.tiers
    each = single.rate_minor if single else _each_of(line)
    return PrintedLine(
        title=breakable(_title(line)),
        quantity=number(single.quantity if single else line.quantity),
        rate="" if each is None else rate(each, said.currency),
        amount=plain(line.amount_minor, said.currency),
        tiers=tuple(_tier(tier, said.currency) for tier in shown),
        notes=explain(said, line, zone_name=zone_name),
    )


def _each_of(line: InvoiceLine) -> Decimal | None:
    """Return what each of something charged once costs, where the amount says so exactly."""
    if line.kind is not LineKind.ITEM or not line.quantity:
        return None
    exactly = Context(traps=[])
    each = exactly.divide(Decimal(line.amount_minor), line.quantity)
    return None if exactly.flags[Inexact] else each


def _title(line: InvoiceLine) -> str:
    shared = ", ".join(value or f"no {name}" for name, value in line.group)
    return f"{line.description} ({shared})" if shared else line.description


def _is_plain(tier: TierLine) -> bool:
    units = tier.kind is StepKind.UNITS
    return units and not tier.first and tier.last is None and not tier.flat_minor


STEP_LABELS = {
    StepKind.EVENTS: "for each event",
    StepKind.MINIMUM: "up to the minimum",
    StepKind.MAXIMUM: "down to the maximum",
}


def _tier(tier: TierLine, currency: str) -> Row:
    free = ", free" if tier.kind is StepKind.FREE else ""
    label = STEP_LABELS.get(tier.kind) or f"{bounds(tier)}{free}"
    if tier.flat_minor:
        label += f", and {plain(tier.flat_minor, currency)} once"
    return Row(
        label, number(tier.quantity), rate(tier.rate_minor, currency), rate(tier.amount, currency)
    )


def bounds(tier: TierLine) -> str:
    """Return in words which units a tier takes: above its first bound, up to its last."""
    if tier.last is None:
        return f"above {number(tier.first)}" if tier.first else "all units"
    return (
        f"above {number(tier.first)} to {number(tier.last)}"
        if tier.first
        else (f"up to {number(tier.last)}")
    )


OF_NO_TIME = frozenset({LineKind.ITEM, LineKind.DISCOUNT, LineKind.ADVANCED})
SOURCES = {
    LineKind.ITEM: "Charged once",
    LineKind.ADVANCED: "Taken off: an invoice at the beginning of the period has charged it",
    LineKind.MINIMUM: "the least that a period comes to",
    LineKind.MAXIMUM: "the most that a period comes to",
    LineKind.TRIAL: "the price of the trial",
}


def explain(said: InvoiceDraft, line: InvoiceLine, *, zone_name: str) -> tuple[str, ...]:
    """Return the sentences that say where a line comes from."""
    source = _source(said, line)
    if line.kind in OF_NO_TIME:
        return (source,)
    zone = ZoneInfo(zone_name)
    span = f"{moment(line.period_start, zone)} to before {moment(line.period_end, zone)}"
    span += f" {zone_name}, {line.period_seconds:,} seconds"
    if line.kind is LineKind.BASE:
        span += _part_of(said, line)
    usage = _usage(line, line.evidence) if line.evidence else ()
    corrected = _corrected(said, line.corrects) if line.corrects else ()
    return (source, *_narrowed(line), span, *corrected, *usage)


def _source(said: InvoiceDraft, line: InvoiceLine) -> str:
    """Return in words what a line charges by, or takes off for."""
    if line.kind is LineKind.DISCOUNT:
        return _coupon(said, line.price_key)
    model = line.price_model.replace("_", " ")
    price = SOURCES.get(line.kind, f"price {line.price_key} ({model})")
    plan = f"Plan {line.plan_key} version {line.plan_version}"
    return price if line.kind in OF_NO_TIME else f"{plan}, {price}"


def _coupon(said: InvoiceDraft, code: str) -> str:
    one = next((one for one in said.discounts if one.code == code), None)
    if one is None:
        return breakable(f"Coupon {code}")
    if one.percent is not None:
        return breakable(f"Coupon {code}: {number(one.percent)} %")
    return breakable(f"Coupon {code}: {money(one.amount_minor or 0, said.currency)}")


def _corrected(said: InvoiceDraft, one: LineCorrection) -> tuple[str, ...]:
    """Return the sentences that say what of which invoice a line corrects."""
    before, after = money(one.before_minor, said.currency), money(one.after_minor, said.currency)
    told = [
        f"{one.reference} charged {before}; rated anew over the whole period it comes to {after}"
    ]
    if one.before_quantity != one.after_quantity:
        told.append(f"Quantity {number(one.before_quantity)} became {number(one.after_quantity)}")
    if one.event_ids:
        named = ", ".join(shorten(id_) for id_ in one.event_ids[:EVENTS_NAMED_MAX])
        told.append(breakable(f"Events that came late or were put right: {named}"))
    return tuple(told)


def _part_of(said: InvoiceDraft, line: InvoiceLine) -> str:
    """Return in words which part of the fee's period a line charges; nothing for all of it."""
    if line.proration is Proration.NONE:
        return ", charged whole" if line.amount_minor else ", charged with a dearer part"
    if line.days is not None:
        part, whole = line.days
        return f", {part} of the {whole} days in the period"
    whole_seconds = said.fee_period.whole.duration // timedelta(seconds=1)
    all_of_it = line.period_seconds == whole_seconds
    return "" if all_of_it else f" of the {whole_seconds:,} in the period"


def _narrowed(line: InvoiceLine) -> tuple[str, ...]:
    """Return the sentence that says which events only the line counts, if it is not all."""
    met = [f"{one.property} {' or '.join(one.values)}" for one in line.where]
    met += [f"{name} {'none' if value is None else value}" for name, value in line.group]
    return (breakable(f"Only events of {', '.join(met)}"),) if met else ()


def _usage(line: InvoiceLine, evidence: Evidence) -> tuple[str, ...]:
    if not evidence.event_count or evidence.first_event_id is None:
        return (f"No events of meter {line.meter_key}",)
    first, last = shorten(evidence.first_event_id), shorten(evidence.last_event_id or "")
    count = f"{evidence.event_count:,} event{'s' if evidence.event_count > 1 else ''}"
    return (
        f"{count} of meter {line.meter_key}, first {first}, last {last}",
        f"SHA-256 of their ids {evidence.digest}",
    )


def shorten(text: str) -> str:
    """Return a long id with its middle left out."""
    half = ID_LENGTH_SHOWN // 2
    return text if len(text) <= ID_LENGTH_SHOWN else f"{text[:half]}…{text[-half:]}"


def day(at: datetime, zone: ZoneInfo) -> str:
    """Return a date as people write it, for example `1 December 2026`."""
    local = at.astimezone(zone)
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}"


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Return a moment to the second, for example `2026-12-01 00:00:00`."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def number(value: Decimal) -> str:
    """Return a number with its thousands set apart and no needless zeros."""
    text = f"{value.normalize(EXACT):,f}"
    return text.replace("-", MINUS)


def rate(exact_minor: Decimal, currency: str) -> str:
    """Return a rate or unrounded amount in the major unit, with all of its decimals."""
    whole, _, decimals = number(EXACT.scaleb(exact_minor, -exponent(currency))).partition(".")
    decimals = decimals.ljust(exponent(currency), "0")
    return f"{whole}.{decimals}" if decimals else whole


def plain(amount_minor: int, currency: str) -> str:
    """Return an amount without its currency, for a column headed by it."""
    return money(amount_minor, currency).removesuffix(f" {currency}")


def money(amount_minor: int, currency: str) -> str:
    """Return an amount with its currency."""
    return format_money(Money(amount_minor, currency)).replace("-", MINUS)
