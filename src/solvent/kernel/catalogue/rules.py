"""What does a price charge for a quantity, and what does applying a catalogue change?"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields, is_dataclass, replace
from decimal import Decimal, Inexact
from typing import cast

from solvent.kernel.catalogue.errors import AmountTooLarge, PlanNotFound, QuantityInvalid
from solvent.kernel.catalogue.model import (
    CatalogueSpec,
    Change,
    ChangeKind,
    PlanSpec,
    PlanVersion,
    Price,
    PriceModel,
    Product,
    ProviderPrice,
    QuantityRounding,
    RatedCharge,
    RatedLine,
    RoundingMode,
    StepKind,
    Terms,
    Tier,
)
from solvent.kernel.metering.model import Meter, MeterSpec
from solvent.kit.money import AMOUNT_MINOR_MAX, EXACT, multiply, plain_number, round_minor

QUANTITY_DIGITS_MAX = 32
KEY = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
ZERO = Decimal(0)
ONE = Decimal(1)
TWO = Decimal(2)


def rate(price: Price, quantity: Decimal, *, events: int = 0) -> RatedCharge:
    """Return what the price charges for a quantity that `events` made, rounded once.

    A flat price charges its amount whatever the quantity, or for each seat. A tier's flat amount is
    charged when a unit falls into the tier, so zero units cost nothing, unless the price has a
    minimum. The quantity is first rounded as the price says, then its free units are taken off.

    Raises:
        QuantityInvalid: negative, not finite, or of more than 32 digits.
        AmountTooLarge: the amount is past what money can be here.
    """
    if not quantity.is_finite() or quantity < 0 or digits_of(quantity) > QUANTITY_DIGITS_MAX:
        raise QuantityInvalid(field="quantity", given=str(quantity)[:64])
    try:
        lines = [*_unit_steps(price, round_quantity(quantity, price.rounding))]
        lines += _event_steps(price, events)
        lines += _bound_steps(price, sum_exact(line.amount for line in lines))
        exact = sum_exact(line.amount for line in lines)
    except Inexact:
        raise AmountTooLarge(field=price.key) from None
    if exact > AMOUNT_MINOR_MAX:
        raise AmountTooLarge(field=price.key)
    return RatedCharge(price.key, price.model, quantity, tuple(lines), round_minor(exact))


def rate_fee(price: Price, seats: int) -> RatedCharge:
    """Return what a charge that no usage changes comes to in a whole period, of so many seats.

    Raises:
        AmountTooLarge: as `rate`.
    """
    return rate(price, Decimal(seats if price.per_seat else 1))


def fees_minor(version: PlanVersion, seats: int) -> int:
    """Return what the charges that no usage changes come to in a period in which all are due."""
    return sum(rate_fee(price, seats).amount_minor for price in version.fees)


def round_quantity(quantity: Decimal, rounding: QuantityRounding | None) -> Decimal:
    """Return the multiple of the rounding's step that is charged; half a step rounds up."""
    if rounding is None:
        return quantity
    whole, rest = EXACT.divmod(quantity, rounding.step)
    match rounding.mode:
        case RoundingMode.UP:
            steps = whole + bool(rest)
        case RoundingMode.DOWN:
            steps = whole
        case RoundingMode.NEAREST:
            steps = whole + (EXACT.multiply(rest, TWO) >= rounding.step)
    return EXACT.multiply(steps, rounding.step)


def _unit_steps(price: Price, quantity: Decimal) -> Iterator[RatedLine]:
    """Yield the free units, then the steps of the rest, bounded after them."""
    free = min(quantity, price.free_units)
    if free:
        line = _line(0, ZERO, price.free_units, quantity=free, rate_minor=ZERO)
        yield replace(line, kind=StepKind.FREE)
    for line in _steps(price, EXACT.subtract(quantity, free)):
        yield _after(line, price.free_units)


def _after(line: RatedLine, free_units: Decimal) -> RatedLine:
    last = None if line.last is None else EXACT.add(line.last, free_units)
    return replace(line, first=EXACT.add(line.first, free_units), last=last)


def _event_steps(price: Price, events: int) -> Iterator[RatedLine]:
    charged = max(events - price.free_events, 0)
    if price.event_rate and charged:
        line = _line(1, ZERO, None, quantity=Decimal(charged), rate_minor=price.event_rate)
        yield replace(line, kind=StepKind.EVENTS)


def _bound_steps(price: Price, exact: Decimal) -> Iterator[RatedLine]:
    """Yield the step that lifts a charge to its minimum or takes it down to its maximum."""
    for kind, bound in bounds_passed(exact, price.minimum_minor, price.maximum_minor):
        missing = EXACT.subtract(Decimal(bound), exact)
        yield replace(_line(1, ZERO, None, quantity=ONE, rate_minor=missing), kind=kind)


def bounds_passed(
    exact: Decimal, minimum_minor: int | None, maximum_minor: int | None
) -> list[tuple[StepKind, int]]:
    """Return the bound that an amount is below or above, if any."""
    if minimum_minor is not None and exact < minimum_minor:
        return [(StepKind.MINIMUM, minimum_minor)]
    if maximum_minor is not None and exact > maximum_minor:
        return [(StepKind.MAXIMUM, maximum_minor)]
    return []


def digits_of(value: Decimal) -> int:
    """Return how many digits it takes to write a finite number out, zeros included."""
    _, digits, exponent = value.as_tuple()
    places = int(exponent)
    return max(len(digits), -places) if places < 0 else len(digits) + places


def sum_exact(amounts: Iterable[Decimal]) -> Decimal:
    """Return the sum with every digit kept."""
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _steps(price: Price, quantity: Decimal) -> Iterator[RatedLine]:
    match price.model:
        case PriceModel.FLAT:
            units = quantity if price.per_seat else ONE
            yield _line(1, ZERO, None, quantity=units, rate_minor=Decimal(price.amount_minor))
        case PriceModel.PER_UNIT | PriceModel.PERCENTAGE | PriceModel.DYNAMIC:
            yield _line(1, ZERO, None, quantity=quantity, rate_minor=price.unit_rate)
        case PriceModel.PACKAGE:
            packages = packages_for(quantity, price.package_size)
            yield _line(1, ZERO, None, quantity=packages, rate_minor=Decimal(price.amount_minor))
        case PriceModel.VOLUME:
            yield _volume(price.tiers, quantity)
        case PriceModel.GRADUATED | PriceModel.GRADUATED_PERCENTAGE:
            yield from _graduated(price.tiers, quantity)


def packages_for(quantity: Decimal, size: Decimal) -> Decimal:
    """Return how many packages of a size hold the quantity; a started one counts whole."""
    whole, rest = EXACT.divmod(quantity, size)
    return whole + 1 if rest else whole


def bounded(tiers: tuple[Tier, ...]) -> Iterator[tuple[int, Decimal, Tier]]:
    """Yield each tier with its number from one and the bound that it begins after."""
    first = ZERO
    for number, tier in enumerate(tiers, start=1):
        yield number, first, tier
        first = first if tier.up_to is None else tier.up_to


def _graduated(tiers: tuple[Tier, ...], quantity: Decimal) -> Iterator[RatedLine]:
    for number, first, tier in bounded(tiers):
        if quantity > first or number == 1:
            last = quantity if tier.up_to is None else min(quantity, tier.up_to)
            yield _tier_line(number, first, tier, quantity=EXACT.subtract(last, first))


def _volume(tiers: tuple[Tier, ...], quantity: Decimal) -> RatedLine:
    number, first, tier = next(
        found for found in bounded(tiers) if found[2].up_to is None or quantity <= found[2].up_to
    )
    return _tier_line(number, first, tier, quantity=quantity)


def _tier_line(number: int, first: Decimal, tier: Tier, *, quantity: Decimal) -> RatedLine:
    flat_minor = tier.flat_minor if quantity else 0
    return _line(
        number,
        first,
        tier.up_to,
        quantity=quantity,
        rate_minor=tier.unit_rate,
        flat_minor=flat_minor,
    )


def _line(
    tier: int,
    first: Decimal,
    last: Decimal | None,
    *,
    quantity: Decimal,
    rate_minor: Decimal,
    flat_minor: int = 0,
) -> RatedLine:
    amount = EXACT.add(multiply(rate_minor, quantity), Decimal(flat_minor))
    return RatedLine(tier, first, last, quantity, rate_minor, flat_minor, amount)


def terms_digest(terms: Terms) -> str:
    """Return the SHA-256, in hex, of the canonical terms, whatever order the file has them in.

    What came to the terms later counts only where it is used: plans sold before keep their digest.
    """
    ordered = replace(
        terms,
        prices=tuple(sorted(terms.prices, key=lambda price: price.key)),
        features=tuple(sorted(terms.features, key=lambda feature: feature.key)),
    )
    text = json.dumps(stated(ordered), default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def stated(value: object) -> object:
    """Return a value of the model as plain dicts and lists, without later fields left at rest."""
    if isinstance(value, tuple):
        return [stated(item) for item in cast("tuple[object, ...]", value)]
    if not is_dataclass(value):
        return value
    return {
        one.name: stated(given)
        for one in fields(value)
        for given in [getattr(value, one.name)]
        if not (one.metadata.get("later") and given == one.default)
    }


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return plain_number(value)
    msg = f"terms cannot hold a {type(value).__name__}"
    raise TypeError(msg)


def known_key(plan_key: str) -> str:
    """Return the text if it can be a plan's key.

    Raises:
        PlanNotFound: it cannot, so there is no such plan.
    """
    if not KEY.match(plan_key):
        raise PlanNotFound(field="plan", given=ascii(plan_key)[1:65])
    return plan_key


TOUCHED = frozenset({ChangeKind.CREATED, ChangeKind.CHANGED})


def catalogue_digest(spec: CatalogueSpec) -> str:
    """Return the SHA-256, in hex, of a whole catalogue."""
    text = json.dumps(stated(spec), default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def compare_meter(old: Meter | None, new: MeterSpec) -> Change:
    """Return what applying does to a meter of the file."""
    if old is None:
        return Change("meter", new.key, ChangeKind.CREATED)
    shape = ("aggregation", "unit", "value_property", "carries", "known_properties")
    taken = ("late", "accept_days")
    detail = _differences(old, new, "name", *shape, *taken)
    return _change("meter", new.key, detail)


def compare_products(old: Iterable[Product], new: Iterable[Product]) -> list[Change]:
    """Return what applying does to each product of the file."""
    known = {product.key: product for product in old}
    return [_compare_product(known.get(product.key), product) for product in new]


def _compare_product(old: Product | None, new: Product) -> Change:
    if old is None:
        return Change("product", new.key, ChangeKind.CREATED)
    again = ["sold again"] if old.archived else []
    return _change("product", new.key, [*_differences(old, new, "name", "description"), *again])


def _differences(old: object, new: object, *names: str) -> list[str]:
    pairs = [(name, getattr(old, name), getattr(new, name)) for name in names]
    return [f"{name}: {before} -> {after}" for name, before, after in pairs if before != after]


def _change(subject: str, key: str, detail: Iterable[str]) -> Change:
    told = tuple(detail)
    return Change(subject, key, ChangeKind.CHANGED if told else ChangeKind.UNCHANGED, detail=told)


def compare_plans(old: Iterable[PlanVersion], new: Iterable[PlanSpec]) -> list[Change]:
    """Return what applying does to each plan of the file."""
    known = {plan.plan_key: plan for plan in old}
    return [compare_plan(known.get(plan.key), plan) for plan in new]


def compare_plan(old: PlanVersion | None, new: PlanSpec) -> Change:
    """Return what applying does to a plan of the file: other terms make the next version."""
    if old is None:
        return Change("plan", new.key, ChangeKind.CREATED, version=1, new_version=True)
    differs = terms_digest(new.terms) != old.digest
    change = _change(
        "plan",
        new.key,
        (
            *compare_terms(old.terms, new.terms),
            *(["sold again"] if old.archived else []),
            *(f"provider price added: {one.provider} {one.price_id}" for one in _added(old, new)),
            *(f"provider price dropped: {one.provider} {one.price_id}" for one in _gone(old, new)),
        ),
    )
    return replace(change, version=old.version + differs, new_version=differs)


def _added(old: PlanVersion, new: PlanSpec) -> list[ProviderPrice]:
    return [one for one in new.provider_prices if one not in old.provider_prices]


def _gone(old: PlanVersion, new: PlanSpec) -> list[ProviderPrice]:
    return [one for one in old.provider_prices if one not in new.provider_prices]


def compare_terms(old: Terms, new: Terms) -> tuple[str, ...]:
    """Return a line for each difference, as `prices.base.amount_minor: 2900 -> 3900`."""
    before, after = dict(_flatten(asdict(old))), dict(_flatten(asdict(new)))
    return tuple(
        f"{key}: {before.get(key, 'none')} -> {after.get(key, 'none')}"
        for key in [*before, *(key for key in after if key not in before)]
        if before.get(key) != after.get(key)
    )


def _flatten(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each leaf with its dotted path; lists are walked by their items' keys or numbers."""
    if isinstance(value, dict):
        for name, item in cast("dict[str, object]", value).items():
            yield from _flatten(item, f"{path}.{name}" if path else name)
    elif isinstance(value, tuple):
        for number, item in enumerate(cast("tuple[object, ...]", value), start=1):
            yield from _flatten(item, f"{path}.{_name_of(item, number)}")
    elif not path.endswith(".key"):
        yield path, plain_number(value) if isinstance(value, Decimal) else str(value)


def _name_of(item: object, number: int) -> object:
    """Return what an item of a list is told by: its key, its property, or its place from one."""
    told = cast("dict[str, object]", item) if isinstance(item, dict) else {}
    return told.get("key") or told.get("property") or number


def archived(
    spec: CatalogueSpec, products: Iterable[Product], plans: Iterable[PlanVersion]
) -> list[Change]:
    """Return a change for each product and plan that is sold now and that the file leaves out."""
    kept_products = {product.key for product in spec.products}
    kept_plans = {plan.key for plan in spec.plans}
    gone = [
        Change("product", product.key, ChangeKind.ARCHIVED)
        for product in products
        if product.key not in kept_products and not product.archived
    ]
    gone += [
        Change("plan", plan.plan_key, ChangeKind.ARCHIVED, version=plan.version)
        for plan in plans
        if plan.plan_key not in kept_plans and not plan.archived
    ]
    return gone
