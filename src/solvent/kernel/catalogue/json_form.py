"""How do products, plans and changes look as JSON?

Amounts are integers of the minor unit; rates, quantities and limits are decimal texts, so that no
reader turns them into floats.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel

from solvent.kernel.catalogue.model import (
    Change,
    ChangeKind,
    Diff,
    Feature,
    FeatureKind,
    Interval,
    OnOutage,
    PlanVersion,
    Price,
    PriceModel,
    Product,
    Proration,
    RoundingMode,
    Tier,
    TrialWithoutCard,
)
from solvent.kit.money import plain_number


class ProductShown(BaseModel):
    """A product."""

    key: str
    name: str
    description: str
    archived: bool


class ConditionShown(BaseModel):
    """A property that must have one of these values."""

    property: str
    values: list[str]


class TierShown(BaseModel):
    """A tier: units up to and with `up_to` (null: without end), at a rate in minor units."""

    up_to: str | None
    unit_rate_minor: str
    flat_minor: int


class PriceShown(BaseModel):
    """A charge of a plan; what its model does not use is null or empty."""

    key: str
    model: PriceModel
    description: str
    meter: str | None
    amount_minor: int | None
    unit_rate_minor: str | None
    package_size: str | None
    tiers: list[TierShown]
    free_units: str | None
    event_rate_minor: str | None
    free_events: int
    minimum_minor: int | None
    maximum_minor: int | None
    round: RoundingMode | None
    round_to: str | None
    where: list[ConditionShown]
    otherwise: bool
    group_by: list[str]
    in_advance: bool
    every: int
    per_seat: bool


class FeatureShown(BaseModel):
    """Something a plan lets its customers do; a quota's limit null means without limit."""

    key: str
    kind: FeatureKind
    on_outage: OnOutage
    meter: str | None
    limit: str | None
    overage: bool
    per_seat: bool


class SeatTermsShown(BaseModel):
    """How many seats a subscription may have; `maximum` null is without limit."""

    minimum: int
    maximum: int | None


class CreditShown(BaseModel):
    """Credit that each period brings, and how much of its rest the next one keeps."""

    key: str
    name: str
    amount_minor: int
    rollover_minor: int
    priority: int


class PlanShown(BaseModel):
    """One version of a plan."""

    key: str
    version: int
    product: str
    name: str
    currency: str
    interval: Interval
    interval_count: int
    trial_days: int
    trial_without_card: TrialWithoutCard
    trial_minor: int
    grace_days: int
    minimum_minor: int | None
    maximum_minor: int | None
    calendar: bool
    seats: SeatTermsShown | None
    proration: Proration
    addon: bool
    draft_days: int
    credits: list[CreditShown]
    prices: list[PriceShown]
    features: list[FeatureShown]
    provider_prices: dict[str, list[str]]
    archived: bool
    digest: str
    created_at: datetime


class ChangeShown(BaseModel):
    """What applying does to one meter, product or plan."""

    subject: str
    key: str
    change: ChangeKind
    version: int | None
    detail: list[str]


class DiffShown(BaseModel):
    """What applying did or, in a dry run, would do."""

    dry_run: bool
    changes: list[ChangeShown]


def show_product(one: Product) -> ProductShown:
    """Return a product's JSON form."""
    return ProductShown(
        key=one.key, name=one.name, description=one.description, archived=one.archived
    )


def show_plan(one: PlanVersion) -> PlanShown:
    """Return a plan version's JSON form."""
    named: dict[str, list[str]] = {}
    for price in one.provider_prices:
        named.setdefault(price.provider, []).append(price.price_id)
    return PlanShown(
        key=one.plan_key,
        version=one.version,
        product=one.product_key,
        name=one.name,
        currency=one.currency,
        interval=one.interval,
        interval_count=one.interval_count,
        trial_days=one.trial_days,
        trial_without_card=one.terms.trial_without_card,
        trial_minor=one.terms.trial_minor,
        grace_days=one.grace_days,
        minimum_minor=one.terms.minimum_minor,
        maximum_minor=one.terms.maximum_minor,
        calendar=one.terms.calendar,
        seats=SeatTermsShown(**asdict(one.terms.seats)) if one.terms.seats else None,
        proration=one.terms.proration,
        addon=one.terms.addon,
        draft_days=one.terms.draft_days,
        credits=[CreditShown(**asdict(credit)) for credit in one.terms.credits],
        prices=[_show_price(price) for price in one.prices],
        features=[_show_feature(feature) for feature in one.features],
        provider_prices=named,
        archived=one.archived,
        digest=one.digest,
        created_at=one.created_at,
    )


def _show_price(one: Price) -> PriceShown:
    whole = one.model in {PriceModel.FLAT, PriceModel.PACKAGE}
    rated = one.meter_key is not None and not one.tiers and one.model is not PriceModel.PACKAGE
    return PriceShown(
        key=one.key,
        model=one.model,
        description=one.description,
        meter=one.meter_key,
        amount_minor=one.amount_minor if whole else None,
        unit_rate_minor=plain_number(one.unit_rate) if rated else None,
        package_size=plain_number(one.package_size) if one.model is PriceModel.PACKAGE else None,
        tiers=[_show_tier(tier) for tier in one.tiers],
        free_units=_text(one.free_units or None),
        event_rate_minor=_text(one.event_rate or None),
        free_events=one.free_events,
        minimum_minor=one.minimum_minor,
        maximum_minor=one.maximum_minor,
        round=one.rounding.mode if one.rounding else None,
        round_to=plain_number(one.rounding.step) if one.rounding else None,
        where=[ConditionShown(property=c.property, values=list(c.values)) for c in one.where],
        otherwise=one.otherwise,
        group_by=list(one.group_by),
        in_advance=one.in_advance,
        every=one.every,
        per_seat=one.per_seat,
    )


def _show_tier(one: Tier) -> TierShown:
    return TierShown(
        up_to=_text(one.up_to),
        unit_rate_minor=plain_number(one.unit_rate),
        flat_minor=one.flat_minor,
    )


def _show_feature(one: Feature) -> FeatureShown:
    return FeatureShown(
        key=one.key,
        kind=one.kind,
        on_outage=one.on_outage,
        meter=one.meter_key,
        limit=_text(one.limit),
        overage=one.overage,
        per_seat=one.per_seat,
    )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain_number(value)


def show_diff(one: Diff) -> DiffShown:
    """Return the JSON form of what applying did or would do."""
    return DiffShown(dry_run=one.dry_run, changes=[_show_change(change) for change in one.changes])


def _show_change(one: Change) -> ChangeShown:
    return ChangeShown(
        subject=one.subject,
        key=one.key,
        change=one.kind,
        version=one.version,
        detail=list(one.detail),
    )
