"""What does an invoice come to?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

from solvent.kernel.catalogue.model import (
    Price,
    PriceModel,
    Proration,
    RatedCharge,
    RatedLine,
    StepKind,
)
from solvent.kernel.catalogue.rules import bounds_passed, rate, rate_fee
from solvent.kernel.ledger.errors import DraftMalformed, RefundExceedsPayment
from solvent.kernel.ledger.model import (
    AddonHeld,
    Advanced,
    Discount,
    DraftInput,
    Evidence,
    InvoiceDraft,
    InvoiceKind,
    InvoiceLine,
    Item,
    LineKind,
    Part,
    Stretch,
    TaxLine,
    TaxRule,
    TierLine,
)
from solvent.kernel.ledger.rules import correcting
from solvent.kernel.ledger.rules.prorating import (
    WIDE,
    bound_share,
    days_of,
    fee_of,
    fee_shares,
    seconds,
)
from solvent.kernel.metering.model import Measure
from solvent.kit.money import multiply, round_minor


class FeeStated(TypedDict, total=False):
    """The fields of a draft that say what its fees are for."""

    fee_start: datetime
    fee_end: datetime
    period_index: int
    quantity: int
    time_zone: str
    addons: tuple[AddonHeld, ...]


def draft(given: DraftInput) -> InvoiceDraft:
    """Return the invoice of a period: base fees and usage of that same period, in arrears.

    Each line is rounded once. A base fee is split over the stretches of a period by their seconds
    (or as the plan says), so that a plan held for all of it costs exactly its price, however many
    hours the period has; of a period that is a part of the calendar's, the fee is that part. A fee
    per seat has a line for each stretch of seats. Each stretch's usage is rated by itself. Tax is
    computed once, on the sum of the lines.

    Raises:
        DraftMalformed: stretches leave the period, overlap or mix currencies; a measure is missing.
    """
    _must_fit(given)
    own = _lines(given)
    corrections = _corrections(given, own)
    lines = (*own, *corrections)
    gross_minor = sum(line.amount_minor for line in lines)
    taxes = tax_lines(gross_minor, given.tax)
    tax_minor = sum(tax.amount_minor for tax in taxes)
    net_minor = taxes[0].net_minor if taxes else gross_minor
    return InvoiceDraft(
        kind=given.kind,
        customer_id=given.customer_id,
        subscription_id=given.subscription_id,
        product_key=given.headline.product_key,
        plan_key=given.headline.plan_key,
        plan_version=given.headline.version,
        plan_name=given.headline.name,
        currency=given.headline.currency,
        period_start=given.period.start,
        period_end=given.period.end,
        period_seconds=seconds(given.period),
        usage_up_to=given.usage_up_to,
        lines=lines,
        taxes=taxes,
        net_minor=net_minor,
        tax_minor=tax_minor,
        total_minor=net_minor + tax_minor,
        tax=given.tax,
        advanced=given.advanced,
        discounts=given.discounts,
        places=given.places,
        corrected=correcting.carried_for(given.late, corrections) if given.late else (),
        late_from=correcting.late_from(given.late, corrections) if given.late else None,
        **_fee_stated(given),
    )


def _corrections(given: DraftInput, own: Sequence[InvoiceLine]) -> list[InvoiceLine]:
    """Return what earlier invoices are corrected by; coupons and bounds do not touch it."""
    if given.late is None:
        return []
    gross_minor = sum(line.amount_minor for line in own)
    tax_rate = given.tax.rate if given.tax else None
    return correcting.correction_lines(given.late, gross_minor, tax_rate=tax_rate)


def _fee_stated(given: DraftInput) -> FeeStated:
    """Return what an invoice must say of its fees to be derived again; little where it is plain."""
    fee = fee_of(given)
    said: FeeStated = {"period_index": fee.index}
    if fee.whole != given.period:
        said |= {"fee_start": fee.whole.start, "fee_end": fee.whole.end}
    if given.stretches:
        said["quantity"] = given.stretches[-1].parts_held[-1].quantity
    every = (*given.stretches, *given.addons)
    if any(one.version.terms.proration is Proration.DAY for one in every):
        said["time_zone"] = given.time_zone
    if given.kind is InvoiceKind.ADVANCE:
        said["addons"] = tuple(_held(addon) for addon in given.addons)
    return said


def _held(addon: Stretch) -> AddonHeld:
    return AddonHeld(
        id=addon.addon_id or "",
        plan_key=addon.version.plan_key,
        plan_version=addon.version.version,
        quantity=addon.parts_held[0].quantity,
        start=addon.period.start,
        end=addon.period.end,
    )


def _lines(given: DraftInput) -> tuple[InvoiceLine, ...]:
    charged = [
        line for index in range(len(given.stretches)) for line in _stretch_lines(given, index)
    ]
    charged += [line for addon in given.addons for line in _addon_lines(given, addon)]
    if given.trial:
        charged.append(_trial_line(given))
    lines = [*charged, *(_item_line(given, item) for item in given.items)]
    return (*lines, *_discount_lines(given, sum(line.amount_minor for line in lines)))


def _trial_line(given: DraftInput) -> InvoiceLine:
    version = given.headline
    told = f"Trial of {version.name}"
    return _own_line(given, LineKind.TRIAL, told, version.terms.trial_minor)


def _item_line(given: DraftInput, item: Item) -> InvoiceLine:
    charge = RatedCharge("item", PriceModel.PER_UNIT, item.quantity, (), item.amount_minor)
    line = _own_line(given, LineKind.ITEM, item.description, item.amount_minor)
    return replace(line, quantity=charge.quantity, price_model=charge.model.value, item_id=item.id)


def _discount_lines(given: DraftInput, gross_minor: int) -> list[InvoiceLine]:
    """Return what each coupon takes off of what those before it left: shares first."""
    lines: list[InvoiceLine] = []
    for one in sorted(given.discounts, key=lambda one: (one.percent is None, one.code)):
        off_minor = discount_of(one, gross_minor)
        if off_minor:
            lines.append(_own_line(given, LineKind.DISCOUNT, one.name, -off_minor, key=one.code))
            gross_minor -= off_minor
    return lines


def discount_of(discount: Discount, amount_minor: int) -> int:
    """Return what a discount takes off an amount, never more than all of it."""
    if discount.percent is None:
        return min(discount.amount_minor or 0, amount_minor)
    return round_minor(multiply(discount.percent.scaleb(-2), Decimal(amount_minor)))


def _own_line(
    given: DraftInput, kind: LineKind, description: str, amount_minor: int, *, key: str = ""
) -> InvoiceLine:
    """Return a line that belongs to the invoice rather than to a price of the plan."""
    stretch = Stretch(given.headline, given.period, ())
    price = Price(key or kind.value, PriceModel.FLAT, description)
    charge = RatedCharge(price.key, price.model, Decimal(1), (), amount_minor)
    line = _line(given, stretch, price, charge, amount_minor=amount_minor)
    return replace(line, kind=kind)


def _stretch_lines(given: DraftInput, index: int) -> list[InvoiceLine]:
    in_advance = _base_lines(given, given.stretches[index], in_advance=True)
    if given.kind is InvoiceKind.ADVANCE:
        return in_advance
    lines = _base_lines(given, given.stretches[index], in_advance=False)
    lines += _usage_lines(given, given.stretches[index])
    charged_minor = sum(line.amount_minor for line in (*lines, *in_advance))
    return [*lines, *_adjustment_lines(given, index), *_bound_lines(given, index, charged_minor)]


def _bound_lines(given: DraftInput, index: int, amount_minor: int) -> list[InvoiceLine]:
    """Return the line that brings a stretch to its part of the plan's minimum or maximum."""
    stretch = given.stretches[index]
    terms = stretch.version.terms
    least, most = (
        None if bound is None else bound_share(given, index, bound)
        for bound in (terms.minimum_minor, terms.maximum_minor)
    )
    lines: list[InvoiceLine] = []
    for kind, bound in bounds_passed(Decimal(amount_minor), least, most):
        word = "Minimum" if kind is StepKind.MINIMUM else "Maximum"
        price = Price(kind.value, PriceModel.FLAT, f"{word} of {stretch.version.name}")
        charge = RatedCharge(price.key, price.model, Decimal(1), (), 0)
        line = _line(given, stretch, price, charge, amount_minor=bound - amount_minor)
        lines.append(replace(line, kind=LineKind(kind.value)))
    return lines


def event_count(said: InvoiceDraft) -> int:
    """Return how many usage events of its own period an invoice counts, on all of its lines."""
    own = [line for line in said.lines if line.kind is LineKind.USAGE]
    return sum(line.evidence.event_count for line in own if line.evidence)


def _must_fit(given: DraftInput) -> None:
    last_end = given.period.start
    for stretch in given.stretches:
        if stretch.period.start < last_end or stretch.period.end > given.period.end:
            raise DraftMalformed(field="stretches")
        if stretch.version.currency != given.headline.currency:
            raise DraftMalformed(field="currency", given=stretch.version.currency)
        last_end = stretch.period.end
    for addon in given.addons:
        if addon.period.start < given.period.start or addon.period.end > given.period.end:
            raise DraftMalformed(field="addons")
        if addon.version.currency != given.headline.currency:
            raise DraftMalformed(field="currency", given=addon.version.currency)


def _adjustment_lines(given: DraftInput, index: int) -> list[InvoiceLine]:
    """Return what fees charged in advance come to beyond what was charged; nothing is given back.

    They are told with the last stretch, over all stretches: the fees in full, then what was paid.
    """
    last = index == len(given.stretches) - 1
    if not last:
        return []
    lines = [
        line
        for stretch in (*given.stretches, *given.addons)
        for line in _base_lines(given, stretch, in_advance=True)
    ]
    keys = {_advance_key(line) for line in lines}
    due_minor = sum(line.amount_minor for line in lines)
    advanced_minor = sum(amount for key, amount in given.advanced if key in keys)
    if due_minor <= advanced_minor:
        return []
    if advanced_minor:
        told = "Charged in advance"
        lines.append(_own_line(given, LineKind.ADVANCED, told, -advanced_minor))
    return lines


def advanced_by(said: InvoiceDraft) -> Advanced:
    """Return what an invoice has charged in advance, by price."""
    sums: dict[str, int] = {}
    for line in said.lines:
        if line.kind is LineKind.BASE:
            key = _advance_key(line)
            sums[key] = sums.get(key, 0) + line.amount_minor
    return tuple(sorted(sums.items()))


def _advance_key(line: InvoiceLine) -> str:
    """Return what a fee in advance is known by: its price, and its plan where that is an add-on."""
    return line.price_key if line.addon_id is None else f"{line.plan_key}/{line.price_key}"


def _addon_lines(given: DraftInput, addon: Stretch) -> list[InvoiceLine]:
    """Return the fees of an add-on; those in advance are told with the plan's once it is over."""
    return _base_lines(given, addon, in_advance=given.kind is InvoiceKind.ADVANCE)


def _base_lines(given: DraftInput, stretch: Stretch, *, in_advance: bool) -> list[InvoiceLine]:
    fee = fee_of(given)
    lines: list[InvoiceLine] = []
    for price in stretch.version.fees:
        if fee.index % price.every == 0 and price.in_advance is in_advance:
            lines += [
                _fee_line(given, stretch, price, paid=paid)
                for paid in fee_shares(given, stretch, price)
                if stretch.period.start <= paid[0].period.start < stretch.period.end
            ]
    return lines


def _fee_line(
    given: DraftInput, stretch: Stretch, price: Price, *, paid: tuple[Part, int]
) -> InvoiceLine:
    part, amount_minor = paid
    charge = rate_fee(price, part.quantity)
    of_part = replace(stretch, period=part.period)
    line = _line(given, of_part, price, charge, amount_minor=amount_minor)
    return replace(
        line,
        proration=Proration.NONE if price.every > 1 else stretch.version.terms.proration,
        addon_id=stretch.addon_id,
        days=None if price.every > 1 else days_of(given, stretch.version, part.period),
    )


def _usage_lines(given: DraftInput, stretch: Stretch) -> list[InvoiceLine]:
    lines: list[InvoiceLine] = []
    for price in stretch.version.prices:
        if price.meter_key is not None:
            for measure in _measures(stretch, price):
                charge = rate(price, measure.quantity, events=measure.event_count)
                amount_minor = charge.amount_minor
                line = _line(given, stretch, price, charge, amount_minor=amount_minor)
                lines.append(_measured(line, price, measure))
    return lines


def _measures(stretch: Stretch, price: Price) -> tuple[Measure, ...]:
    for usage in stretch.usage:
        if usage.price_key == price.key:
            return usage.measures
    raise DraftMalformed(field="usage", price=price.key)


def _measured(line: InvoiceLine, price: Price, measure: Measure) -> InvoiceLine:
    return replace(
        line,
        kind=LineKind.USAGE,
        evidence=_evidence(measure),
        group=measure.group,
        where=price.where,
    )


def _line(
    given: DraftInput,
    stretch: Stretch,
    price: Price,
    charge: RatedCharge,
    *,
    amount_minor: int,
) -> InvoiceLine:
    return InvoiceLine(
        kind=LineKind.BASE,
        price_key=price.key,
        price_model=price.model.value,
        plan_key=stretch.version.plan_key,
        plan_version=stretch.version.version,
        description=price.description or f"{stretch.version.name}: {price.key}",
        meter_key=price.meter_key,
        quantity=charge.quantity,
        period_start=stretch.period.start,
        period_end=stretch.period.end,
        period_seconds=seconds(stretch.period),
        amount_minor=amount_minor,
        tax_rate=given.tax.rate if given.tax else None,
        tiers=tuple(_tier(line) for line in charge.lines),
        evidence=None,
    )


def _evidence(measure: Measure) -> Evidence:
    return Evidence(
        event_count=measure.event_count,
        first_event_id=measure.first_event_id,
        last_event_id=measure.last_event_id,
        digest=measure.digest,
    )


def tax_lines(gross_minor: int, tax: TaxRule | None) -> tuple[TaxLine, ...]:
    """Return the tax on the sum of the lines; none where none is configured.

    One computation per rate, on the sum (EN 16931 BR-CO-17). Where prices include the tax, net and
    tax sum to the price exactly.
    """
    if tax is None:
        return ()
    net_minor = gross_minor
    if tax.included:
        net_minor = round_minor(WIDE.divide(Decimal(gross_minor), 1 + tax.rate))
        amount_minor = gross_minor - net_minor
    else:
        amount_minor = round_minor(multiply(tax.rate, Decimal(net_minor)))
    line = TaxLine(tax.name, tax.rate, net_minor, amount_minor, tax.category, tax.reason)
    return (line,)


def partial_credit(
    amount_minor: int, *, quantity: Decimal, credited: Decimal, more: Decimal
) -> int:
    """Return what giving back `more` units of a line is worth, after `credited` were given back.

    Computed as a difference of rounded running totals, so that any sequence of parts sums to the
    line's amount exactly when all of it is given back, and never to more.

    Raises:
        RefundExceedsPayment: more units than the line has.
    """
    if more < 0 or credited < 0 or credited + more > quantity:
        raise RefundExceedsPayment(field="quantity")
    return _part(amount_minor, credited + more, quantity) - _part(amount_minor, credited, quantity)


def _part(amount_minor: int, units: Decimal, quantity: Decimal) -> int:
    return round_minor(WIDE.divide(multiply(Decimal(amount_minor), units), quantity))


def _tier(line: RatedLine) -> TierLine:
    return TierLine(
        first=line.first,
        last=line.last,
        quantity=line.quantity,
        rate_minor=line.rate_minor,
        flat_minor=line.flat_minor,
        amount=line.amount,
        kind=line.kind,
    )
