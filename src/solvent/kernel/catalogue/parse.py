"""Which catalogue does a text specify?"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePath

from solvent.kernel.catalogue import charging
from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.model import (
    CatalogueSpec,
    Feature,
    FeatureKind,
    Interval,
    OnOutage,
    PlanSpec,
    Product,
    Proration,
    ProviderPrice,
    Terms,
    TrialWithoutCard,
)
from solvent.kernel.catalogue.source import Notes, Table, decode
from solvent.kernel.metering.model import ACCEPT_DAYS_MAX, CARRYING, Aggregation, Late, MeterSpec
from solvent.kit.money import EXPONENTS

TRIAL_DAYS_MAX = 730
GRACE_DAYS_MAX = 90
DRAFT_DAYS_MAX = 27
"""Less than any period has: drafts of one subscription never wait for each other."""
INTERVAL_COUNT_MAX = 36
LENIENT_CURRENCY = "KWD"
"""Stands in for a currency that was refused, so that its amounts are not refused as well."""
UNLIMITED = "unlimited"


class Anchor(StrEnum):
    """What a plan's periods are counted from."""

    ANNIVERSARY = "anniversary"
    CALENDAR = "calendar"


class Provider(StrEnum):
    """The payment providers whose prices a plan may name."""

    STRIPE = "stripe"
    PADDLE = "paddle"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The last good catalogue of a file, and what is wrong with the text that came after it."""

    digest: str = ""
    spec: CatalogueSpec | None = None
    error: CatalogueInvalid | None = None
    changed: bool = False
    """Whether this reading brought another catalogue: then it is to be applied."""


def reload_if_changed(last: Loaded, content: bytes, *, file: str) -> Loaded:
    """Return what a file's text means after a look at it; a bad text keeps the last good catalogue.

    Call it with the file's bytes as often as you like: only a changed text is read again.
    """
    digest = hashlib.sha256(content).hexdigest()
    if digest == last.digest:
        return Loaded(digest, last.spec, last.error)
    try:
        spec = parse(content, file=file)
    except CatalogueInvalid as error:
        return Loaded(digest, last.spec, error)
    return Loaded(digest, spec, changed=spec != last.spec)


def parse(
    content: bytes, *, file: str = "catalogue.toml", json_text: bool = False
) -> CatalogueSpec:
    """Return the catalogue that a TOML (or JSON) text specifies.

    Raises:
        CatalogueInvalid: with every problem found: file, line, key and what was expected.
    """
    tree, notes = decode(content, file=PurePath(file).name, json_text=json_text)
    root = Table(tree, (), notes)
    meters = tuple(_meter(key, table) for key, table in root.keyed("meters"))
    products = tuple(_product(key, table) for key, table in root.keyed("products"))
    known = charging.Known(
        {meter.key: meter for meter in meters}, frozenset(product.key for product in products)
    )
    plans = tuple(_plan(key, table, known) for key, table in root.keyed("plans"))
    root.close()
    if not products:
        notes.add(("products",), "expected at least one product")
    _each_price_once(plans, notes)
    notes.close()
    return CatalogueSpec(meters, products, plans)


def _meter(key: str, table: Table) -> MeterSpec:
    aggregation = table.choice("aggregation", Aggregation)
    reads_value = table.has("value_property")
    closed = table.has("known_properties")
    spec = MeterSpec(
        key=key,
        name=table.text("name", default=key),
        aggregation=aggregation,
        unit=table.text("unit", default="unit", length_max=32),
        value_property=table.text("value_property", length_max=64) if reads_value else None,
        carries=table.boolean("carries", default=False),
        known_properties=tuple(table.texts("known_properties", length_max=64)) if closed else None,
        late=table.choice("late", Late, default=Late.REOPEN),
        accept_days=_accept_days(table),
    )
    if spec.carries and aggregation not in CARRYING:
        expected = ", ".join(sorted(f'"{one.value}"' for one in CARRYING))
        table.note("carries", f"expected true only where the aggregation is one of {expected}")
    if reads_value and aggregation is Aggregation.COUNT:
        table.note("value_property", "expected no property: a meter that counts events reads none")
    if closed and reads_value and spec.value_property not in (spec.known_properties or ()):
        table.note("known_properties", "expected value_property among them")
    table.asked.extend(("value_property", "known_properties"))
    table.close()
    return spec


def _accept_days(table: Table) -> int | None:
    days = table.whole("accept_days", default=0, least=1, most=ACCEPT_DAYS_MAX)
    return days or None


def _product(key: str, table: Table) -> Product:
    product = Product(
        key,
        name=table.text("name", default=key),
        description=table.text("description", default="", length_max=1000),
    )
    table.close()
    return product


def _plan(key: str, table: Table, known: charging.Known) -> PlanSpec:
    product_key = table.text("product")
    if product_key not in known.products and table.has("product"):
        table.note("product", charging.expected_key("product", known.products), product_key)
    currency = _currency(table)
    interval = table.choice("interval", Interval)
    interval_count = table.whole("interval_count", default=1, least=1, most=INTERVAL_COUNT_MAX)
    months = charging.MONTHS[interval] * interval_count
    prices = tuple(
        charging.price(name, row, charging.PlanGiven(currency, months), known)
        for name, row in table.keyed("prices")
    )
    charging.each_event_once(prices, table)
    features = tuple(_feature(name, row, known) for name, row in table.keyed("features"))
    terms = Terms(
        product_key=product_key,
        name=table.text("name", default=key),
        currency=currency,
        interval=interval,
        interval_count=interval_count,
        prices=prices,
        features=features,
        trial_days=table.whole("trial_days", default=0, least=0, most=TRIAL_DAYS_MAX),
        grace_days=table.whole("grace_days", default=0, least=0, most=GRACE_DAYS_MAX),
        minimum_minor=charging.optional_amount(table, "minimum", currency),
        maximum_minor=charging.optional_amount(table, "maximum", currency),
        credits=tuple(
            charging.plan_credit(name, row, currency) for name, row in table.keyed("credits")
        ),
        calendar=table.choice("anchor", Anchor, default=Anchor.ANNIVERSARY) is Anchor.CALENDAR,
        seats=charging.seat_terms(table, prices),
        proration=table.choice("proration", Proration, default=Proration.SECOND),
        trial_without_card=table.choice(
            "trial_without_card", TrialWithoutCard, default=TrialWithoutCard.CONVERT
        ),
        trial_minor=charging.optional_amount(table, "trial_price", currency) or 0,
        addon=table.boolean("addon", default=False),
        draft_days=table.whole("draft_days", default=0, least=0, most=DRAFT_DAYS_MAX),
    )
    charging.check_bounds(table, terms.minimum_minor, terms.maximum_minor)
    _must_sell_seats(terms, table)
    _must_have_trial(terms, table)
    if terms.addon:
        _must_be_extra(terms, table)
    provider_prices = _provider_prices(table.table("provider_prices"))
    table.close()
    return PlanSpec(key, terms, provider_prices)


def _must_sell_seats(terms: Terms, table: Table) -> None:
    for feature in terms.features:
        if feature.per_seat and terms.seats is None:
            expected = 'expected true only where the plan has "seats" or a price "per_seat"'
            table.notes.add((*table.path, "features", feature.key, "per_seat"), expected)


def _must_have_trial(terms: Terms, table: Table) -> None:
    for key in ("trial_price", "trial_without_card"):
        if table.has(key) and not terms.trial_days:
            table.note(key, "expected none where the plan has no trial_days")


def _must_be_extra(terms: Terms, table: Table) -> None:
    """Note what an add-on cannot have: it follows the periods and the usage of the other plan."""
    for key in ("trial_days", "credits", "minimum", "maximum", "anchor", "provider_prices"):
        if table.has(key):
            table.note(key, "expected none in an add-on: it follows the plan that it is added to")
    for price in terms.prices:
        if price.meter_key is not None or price.every > 1:
            expected = "expected a fee of each period: an add-on charges neither usage nor years"
            table.notes.add((*table.path, "prices", price.key), expected)


def _currency(table: Table) -> str:
    currency = table.text("currency", length_max=3)
    if currency in EXPONENTS:
        return currency
    if table.has("currency") and currency != "?":
        table.note("currency", 'expected an ISO 4217 code such as "USD"', currency)
    return LENIENT_CURRENCY


def _provider_prices(table: Table) -> tuple[ProviderPrice, ...]:
    found = tuple(
        ProviderPrice(provider.value, price_id)
        for provider in Provider
        if table.has(provider.value)
        for price_id in table.texts(provider.value)
    )
    table.asked.extend(Provider)
    table.close()
    return found


def _each_price_once(plans: Iterable[PlanSpec], notes: Notes) -> None:
    """Note each provider price id that stands twice: a payment must lead to one plan."""
    owners: defaultdict[ProviderPrice, list[str]] = defaultdict(list)
    for plan in plans:
        for one in plan.provider_prices:
            owners[one].append(plan.key)
    for one, keys in owners.items():
        if len(keys) > 1:
            path = ("plans", keys[-1], "provider_prices", one.provider)
            notes.add(path, f"expected each price id once: {one.price_id} is plan {keys[0]}'s too")


def _feature(key: str, table: Table, known: charging.Known) -> Feature:
    kind = table.choice("kind", FeatureKind)
    on_outage = table.choice("on_outage", OnOutage, default=OnOutage.CLOSED)
    if table.data.get("kind") != kind:
        return Feature(key, kind)
    feature = Feature(key, kind, on_outage)
    if kind is FeatureKind.QUOTA:
        feature = replace(
            feature,
            meter_key=charging.meter_key(table, known),
            limit=_limit(table),
            overage=table.boolean("overage", default=False),
            per_seat=table.boolean("per_seat", default=False),
        )
    table.close()
    return feature


def _limit(table: Table) -> Decimal | None:
    if table.data.get("limit") == UNLIMITED:
        table.asked.append("limit")
        return None
    if not table.has("limit"):
        table.note("limit", f'expected a number of 0 or more, or "{UNLIMITED}"')
        return None
    return table.number("limit")
