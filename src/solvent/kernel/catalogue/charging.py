"""Which charges does a table of prices specify?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations

from solvent.kernel.catalogue.model import (
    AMOUNT_MODELS,
    SEAT_MODELS,
    Interval,
    PlanCredit,
    Price,
    PriceModel,
    QuantityRounding,
    RoundingMode,
    SeatTerms,
    Tier,
)
from solvent.kernel.catalogue.source import Table
from solvent.kernel.metering.model import Aggregation, Condition, MeterSpec
from solvent.kit.money import EXACT, exponent, plain_number

MONTHS: Mapping[Interval, int] = {Interval.MONTH: 1, Interval.YEAR: 12}
CONDITIONS_MAX = 5
VALUES_MAX = 50
GROUPED_MAX = 3
FREE_EVENTS_MAX = 1_000_000_000
PERCENT_MAX = 1_000
SEATS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalogue has defined before its plans."""

    meters: Mapping[str, MeterSpec]
    products: frozenset[str]


@dataclass(frozen=True, slots=True)
class PlanGiven:
    """What a price must know of its plan: one currency, and how many months a period has."""

    currency: str
    months: int


def price(key: str, table: Table, plan: PlanGiven, known: Known) -> Price:
    """Return the charge that a table specifies; what is wrong is noted."""
    model = table.choice("model", PriceModel)
    found = Price(key, model, description=table.text("description", default=""))
    if table.data.get("model") != model:
        return found
    if table.has("currency") and table.text("currency") != plan.currency:
        table.note("currency", f"expected {plan.currency} or nothing: a plan has one currency")
    table.asked.append("currency")
    if model in SEAT_MODELS:
        found = replace(found, per_seat=table.boolean("per_seat", default=False))
    is_fee = found.per_seat or model is PriceModel.FLAT
    found = _fee(found, table, plan) if is_fee else _metered(found, table, known)
    found = _charge(found, table, plan.currency)
    found = _bounded(found, table, plan.currency)
    table.close()
    return found


def _fee(price: Price, table: Table, plan: PlanGiven) -> Price:
    in_advance = table.boolean("in_advance", default=False)
    price = replace(price, in_advance=in_advance, every=_every(table, plan))
    return price if price.model is PriceModel.FLAT else _free_of(price, table)


def _every(table: Table, plan: PlanGiven) -> int:
    """Return how many periods of the plan the fee's own interval has."""
    if not table.has("interval"):
        table.asked.append("interval")
        return 1
    periods, rest = divmod(MONTHS[table.choice("interval", Interval)], plan.months)
    if rest or not periods:
        table.note("interval", "expected an interval that is a whole number of the plan's periods")
        return 1
    return periods


def _metered(price: Price, table: Table, known: Known) -> Price:
    price = replace(
        price,
        meter_key=meter_key(table, known),
        rounding=_rounding(table),
        where=_where(table),
        otherwise=table.boolean("otherwise", default=False),
        group_by=tuple(_names(table)),
    )
    if price.where and price.otherwise:
        table.note("otherwise", "expected either where or otherwise")
    if price.model in AMOUNT_MODELS:
        _must_sum(price, table, known)
    return price if price.model is PriceModel.DYNAMIC else _free_of(price, table)


def _free_of(price: Price, table: Table) -> Price:
    table.asked.append("free_units")
    return (
        replace(price, free_units=table.number("free_units")) if table.has("free_units") else price
    )


def _must_sum(price: Price, table: Table, known: Known) -> None:
    meter = known.meters.get(price.meter_key or "")
    if meter is not None and meter.aggregation is not Aggregation.SUM:
        table.note(
            "meter", f'expected a meter that sums amounts: {meter.key} does "{meter.aggregation}"'
        )


def _rounding(table: Table) -> QuantityRounding | None:
    table.asked += ["round", "round_to"]
    if not table.has("round"):
        if table.has("round_to"):
            table.note("round", "expected up, down or nearest beside round_to")
        return None
    mode = table.choice("round", RoundingMode)
    step = table.number("round_to", above=Decimal(0)) if table.has("round_to") else Decimal(1)
    return QuantityRounding(mode, step)


def _where(table: Table) -> tuple[Condition, ...]:
    given = table.table("where")
    if len(given.data) > CONDITIONS_MAX:
        table.note("where", f"expected at most {CONDITIONS_MAX} properties")
    found: list[Condition] = []
    for name in sorted(given.data)[:CONDITIONS_MAX]:
        values = tuple(sorted(set(given.texts(name))))
        if len(values) > VALUES_MAX:
            given.note(name, f"expected at most {VALUES_MAX} values")
        found.append(Condition(name, values))
    return tuple(found)


def _names(table: Table) -> list[str]:
    if not table.has("group_by"):
        table.asked.append("group_by")
        return []
    names = sorted(set(table.texts("group_by", length_max=64)))
    if len(names) > GROUPED_MAX:
        table.note("group_by", f"expected at most {GROUPED_MAX} properties")
    return names[:GROUPED_MAX]


def _charge(price: Price, table: Table, currency: str) -> Price:
    """Return the price with what its model needs."""
    match price.model:
        case PriceModel.FLAT:
            return replace(price, amount_minor=table.amount_minor("amount", currency))
        case PriceModel.PER_UNIT:
            return replace(price, unit_rate=table.rate_minor("unit_price", currency))
        case PriceModel.PACKAGE:
            size = table.number("package_size", above=Decimal(0))
            amount_minor = table.amount_minor("amount", currency)
            return replace(price, amount_minor=amount_minor, package_size=size)
        case PriceModel.GRADUATED | PriceModel.VOLUME:
            return replace(price, tiers=_tiers(table, currency, share=False))
        case PriceModel.PERCENTAGE:
            price = replace(price, unit_rate=_share(table, "percent", currency))
            return _fee_of_events(price, table, currency)
        case PriceModel.GRADUATED_PERCENTAGE:
            price = replace(price, tiers=_tiers(table, currency, share=True))
            return _fee_of_events(price, table, currency)
        case PriceModel.DYNAMIC:
            whole = Decimal(1).scaleb(exponent(currency))
            markup = _share(table, "markup_percent", currency) if table.has("markup_percent") else 0
            table.asked.append("markup_percent")
            return replace(price, unit_rate=EXACT.add(whole, markup))


def _share(table: Table, key: str, currency: str) -> Decimal:
    """Return minor units for each major unit: 2.9 percent of a dollar are 2.9 cents."""
    percent = table.number(key)
    if percent > PERCENT_MAX:
        table.note(key, f"expected at most {PERCENT_MAX}", percent)
        percent = Decimal(0)
    return Decimal(plain_number(EXACT.scaleb(percent, exponent(currency) - 2)))


def _fee_of_events(price: Price, table: Table, currency: str) -> Price:
    table.asked.append("per_event")
    return replace(
        price,
        event_rate=table.rate_minor("per_event", currency)
        if table.has("per_event")
        else Decimal(0),
        free_events=table.whole("free_events", default=0, least=0, most=FREE_EVENTS_MAX),
    )


def _bounded(price: Price, table: Table, currency: str) -> Price:
    """Return the price with its least and most; a flat fee has none."""
    if price.model is PriceModel.FLAT:
        return price
    minimum_minor = optional_amount(table, "minimum", currency)
    maximum_minor = optional_amount(table, "maximum", currency)
    check_bounds(table, minimum_minor, maximum_minor)
    return replace(price, minimum_minor=minimum_minor, maximum_minor=maximum_minor)


def seat_terms(plan: Table, prices: Sequence[Price]) -> SeatTerms | None:
    """Return how many seats the plan sells; None where nothing of it is per seat."""
    table = plan.table("seats")
    minimum = table.whole("minimum", default=1, least=1, most=SEATS_MAX)
    maximum = table.whole("maximum", default=SEATS_MAX, least=1, most=SEATS_MAX)
    if table.has("maximum") and maximum < minimum:
        table.note("maximum", "expected no less than the minimum", maximum)
    table.close()
    if plan.has("seats") or any(price.per_seat for price in prices):
        return SeatTerms(minimum, maximum if table.has("maximum") else None)
    return None


def plan_credit(key: str, table: Table, currency: str) -> PlanCredit:
    """Return the credit that a table specifies."""
    amount_minor = table.amount_minor("amount", currency)
    if table.has("amount") and amount_minor == 0:
        table.note("amount", "expected an amount above 0")
    found = PlanCredit(
        key,
        name=table.text("name", default=key, length_max=100),
        amount_minor=amount_minor,
        rollover_minor=optional_amount(table, "rollover", currency) or 0,
        priority=table.whole("priority", default=5, least=0, most=9),
    )
    table.close()
    return found


def optional_amount(table: Table, key: str, currency: str) -> int | None:
    """Return an amount's minor units, or None where the key is not there."""
    if table.has(key):
        return table.amount_minor(key, currency)
    table.asked.append(key)
    return None


def check_bounds(table: Table, minimum_minor: int | None, maximum_minor: int | None) -> None:
    """Note a minimum above the maximum."""
    if minimum_minor is not None and maximum_minor is not None and minimum_minor > maximum_minor:
        table.note("minimum", "expected no more than the maximum")


def each_event_once(prices: Sequence[Price], plan: Table) -> None:
    """Note prices of one meter that would charge an event twice, where any of them filters."""
    for one, other in combinations(prices, 2):
        filtered = one.where or other.where or one.otherwise or other.otherwise
        if (
            one.meter_key
            and one.meter_key == other.meter_key
            and filtered
            and _may_meet(one, other)
        ):
            expected = (
                f"expected filters that share no event: {one.key} charges some of these too "
                '(give one property other values, or say "otherwise = true")'
            )
            plan.notes.add((*plan.path, "prices", other.key), expected)


def _may_meet(one: Price, other: Price) -> bool:
    """Return whether an event could be charged by both; only different values keep it from that."""
    if one.otherwise != other.otherwise and (one.where or other.where):
        return False
    values = {condition.property: set(condition.values) for condition in one.where}
    return all(
        values.get(condition.property, set(condition.values)) & set(condition.values)
        for condition in other.where
    )


def expected_key(what: str, keys: Iterable[str]) -> str:
    """Return the words that name the keys there are."""
    names = ", ".join(f'"{key}"' for key in sorted(keys)[:10])
    return f"expected a {what} of this file: {names or 'it defines none'}"


def meter_key(table: Table, known: Known) -> str:
    """Return the key of a meter that the file defines."""
    key = table.text("meter")
    if key not in known.meters and table.has("meter"):
        table.note("meter", expected_key("meter", known.meters), key)
    return key


def _tiers(table: Table, currency: str, *, share: bool) -> tuple[Tier, ...]:
    rows = table.rows("tiers")
    tiers: list[Tier] = []
    bound = Decimal(0)
    for number, row in enumerate(rows, start=1):
        _begins_at(row, bound)
        up_to = _up_to(row, bound, last=number == len(rows))
        rate = _share(row, "percent", currency) if share else row.rate_minor("unit_price", currency)
        flat_minor = row.amount_minor("flat", currency) if row.has("flat") else 0
        row.asked.append("flat")
        row.close()
        tiers.append(Tier(up_to, rate, flat_minor))
        bound = bound if up_to is None else up_to
    return tuple(tiers)


def _begins_at(row: Table, bound: Decimal) -> None:
    """Check the optional `from`: a tier begins where the one before it ends."""
    row.asked.append("from")
    if row.has("from"):
        begins = row.number("from")
        if begins != bound:
            fault = "overlap" if begins < bound else "leave a gap"
            row.note("from", f"expected {plain_number(bound)}, or the tiers {fault}", begins)


def _up_to(row: Table, bound: Decimal, *, last: bool) -> Decimal | None:
    if last:
        row.asked.append("up_to")
        if row.has("up_to"):
            row.note("up_to", "expected no up_to in the last tier: it must be open")
        return None
    up_to = row.number("up_to")
    if up_to <= bound and row.has("up_to"):
        expected = f"expected a number above {plain_number(bound)}, or the tiers overlap"
        row.note("up_to", expected, up_to)
    return max(up_to, bound)
