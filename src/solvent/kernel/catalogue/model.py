"""What are products, plans, prices and features made of?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from solvent.kernel.metering.model import Condition, MeterSpec, Selection

LATER: Final = {"later": True}
"""Marks a field that came after plans were sold: its default is no part of a digest."""


class Interval(StrEnum):
    """The calendar unit of a plan's period."""

    MONTH = "month"
    YEAR = "year"


class PriceModel(StrEnum):
    """How a price turns a quantity into an amount."""

    FLAT = "flat"
    """A fixed amount a period."""
    PER_UNIT = "per_unit"
    """Each unit costs the same."""
    GRADUATED = "graduated"
    """Each unit costs what the tier it falls into says."""
    VOLUME = "volume"
    """All units cost what the tier of the whole quantity says."""
    PACKAGE = "package"
    """Units are sold in packages of a size; a started package counts whole."""
    PERCENTAGE = "percentage"
    """A share of a metered amount, which is in the currency's major unit."""
    GRADUATED_PERCENTAGE = "graduated_percentage"
    """Each part of a metered amount pays the share that the tier it falls into says."""
    DYNAMIC = "dynamic"
    """The events say their own prices, in the major unit; a markup may be added."""


AMOUNT_MODELS = frozenset(
    {PriceModel.PERCENTAGE, PriceModel.GRADUATED_PERCENTAGE, PriceModel.DYNAMIC}
)
"""Models that read a meter of money."""

SEAT_MODELS = frozenset(
    {
        PriceModel.FLAT,
        PriceModel.PER_UNIT,
        PriceModel.PACKAGE,
        PriceModel.GRADUATED,
        PriceModel.VOLUME,
    }
)
"""Models that can charge the seats of a subscription."""

TIERED = frozenset({PriceModel.GRADUATED, PriceModel.VOLUME, PriceModel.GRADUATED_PERCENTAGE})


class RoundingMode(StrEnum):
    """Which way a quantity is rounded before it is charged."""

    UP = "up"
    DOWN = "down"
    NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class QuantityRounding:
    """A quantity is charged as a multiple of `step`."""

    mode: RoundingMode
    step: Decimal


@dataclass(frozen=True, slots=True)
class Tier:
    """Units above the tier before and up to `up_to`, inclusive (None: without end).

    `unit_rate` is in minor units; `flat_minor` is charged once when the tier is entered.
    """

    up_to: Decimal | None
    unit_rate: Decimal
    flat_minor: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """One charge of a plan. Which fields are set depends on the model, as the parser ensures.

    flat: amount_minor. per_unit: meter_key, unit_rate. graduated, volume: meter_key, tiers.
    package: meter_key, amount_minor (of one package), package_size. percentage, dynamic: meter_key,
    unit_rate. graduated_percentage: meter_key, tiers. Rates and amounts are in minor units of the
    plan version's currency; the rates of a share are minor units for each major unit metered.
    """

    key: str
    model: PriceModel
    description: str = ""
    meter_key: str | None = None
    amount_minor: int = 0
    unit_rate: Decimal = Decimal(0)
    package_size: Decimal = Decimal(1)
    tiers: tuple[Tier, ...] = ()
    free_units: Decimal = field(default=Decimal(0), metadata=LATER)
    """The first units of a period cost nothing; tiers begin after them."""
    event_rate: Decimal = field(default=Decimal(0), metadata=LATER)
    """What each event costs beside its share."""
    free_events: int = field(default=0, metadata=LATER)
    minimum_minor: int | None = field(default=None, metadata=LATER)
    """The least the charge comes to in a period, used or not."""
    maximum_minor: int | None = field(default=None, metadata=LATER)
    rounding: QuantityRounding | None = field(default=None, metadata=LATER)
    where: tuple[Condition, ...] = field(default=(), metadata=LATER)
    """Only events whose properties meet all of these are charged."""
    otherwise: bool = field(default=False, metadata=LATER)
    """Charges the events that no other price of the plan and meter takes by its `where`."""
    group_by: tuple[str, ...] = field(default=(), metadata=LATER)
    """Each combination of these properties' values is rated by itself, on a line of its own."""
    in_advance: bool = field(default=False, metadata=LATER)
    """A fee is charged when its period begins."""
    every: int = field(default=1, metadata=LATER)
    """A fee is charged in each so-many-th period: yearly on a plan that is metered monthly."""
    per_seat: bool = field(default=False, metadata=LATER)
    """The quantity is that of the subscription's seats rather than a meter's; a flat fee is for
    each of them."""


class FeatureKind(StrEnum):
    """What kind of answer a feature gives."""

    SWITCH = "switch"
    """Held or not."""
    QUOTA = "quota"
    """Held up to a limit of a meter's quantity a period."""


class OnOutage(StrEnum):
    """What a guard answers while it can reach nobody who knows."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that a plan lets its customers do; `limit` None on a quota means without limit."""

    key: str
    kind: FeatureKind
    on_outage: OnOutage = OnOutage.CLOSED
    meter_key: str | None = None
    limit: Decimal | None = None
    overage: bool = False
    """Whether use beyond the limit is allowed (and charged by the prices of the meter)."""
    per_seat: bool = field(default=False, metadata=LATER)
    """Whether the limit is that of one seat."""


@dataclass(frozen=True, slots=True)
class ProviderPrice:
    """The name of a plan at a payment provider, for example stripe and `price_…`."""

    provider: str
    price_id: str


@dataclass(frozen=True, slots=True)
class PlanCredit:
    """Credit that each period of the plan brings, and how much of its rest the next one keeps."""

    key: str
    name: str
    amount_minor: int
    rollover_minor: int = 0
    priority: int = 5


class TrialWithoutCard(StrEnum):
    """What becomes of a trial at whose end no card is on file."""

    CONVERT = "convert"
    """A paid period, invoiced like any other."""
    EXPIRE = "expire"
    """The end."""
    PEND = "pend"
    """It waits for a card, for one period, without access."""


class Proration(StrEnum):
    """How the fees of a part of a period are counted."""

    SECOND = "second"
    """By the seconds that the part has."""
    DAY = "day"
    """By the days, in the subscription's zone, that the part has begun; the day of a change counts
    as what was held after it."""
    NONE = "none"
    """A period that was begun costs all of the most that was held in it."""


@dataclass(frozen=True, slots=True)
class SeatTerms:
    """How many seats a subscription may have; `maximum` None is without limit."""

    minimum: int = 1
    maximum: int | None = None

    def allow(self, quantity: int) -> bool:
        """Return whether a subscription may have so many seats."""
        return quantity == self.fitted(quantity)

    def fitted(self, quantity: int) -> int:
        """Return the number of seats nearest to this one that a subscription may have."""
        most = quantity if self.maximum is None else min(quantity, self.maximum)
        return max(most, self.minimum)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan promises; immutable once applied: other terms are another version."""

    product_key: str
    name: str
    currency: str
    interval: Interval
    interval_count: int
    prices: tuple[Price, ...]
    features: tuple[Feature, ...]
    trial_days: int = 0
    grace_days: int = 0
    minimum_minor: int | None = field(default=None, metadata=LATER)
    """The least a period comes to, before tax."""
    maximum_minor: int | None = field(default=None, metadata=LATER)
    credits: tuple[PlanCredit, ...] = field(default=(), metadata=LATER)
    calendar: bool = field(default=False, metadata=LATER)
    """Periods begin on the first of a month or year rather than on the subscription's day."""
    seats: SeatTerms | None = field(default=None, metadata=LATER)
    """How many seats are sold; None: the plan is not sold by the seat."""
    proration: Proration = field(default=Proration.SECOND, metadata=LATER)
    trial_without_card: TrialWithoutCard = field(default=TrialWithoutCard.CONVERT, metadata=LATER)
    trial_minor: int = field(default=0, metadata=LATER)
    """What the trial costs, charged when it begins."""
    addon: bool = field(default=False, metadata=LATER)
    """Sold only beside another plan of the product."""
    draft_days: int = field(default=0, metadata=LATER)
    """For how many days after its period an invoice stays a draft, open to late usage."""


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """One version of a plan, as subscriptions hold it."""

    plan_key: str
    version: int
    terms: Terms
    digest: str
    """SHA-256 of the canonical terms, in hex: two versions with one digest promise the same."""
    created_at: datetime
    archived: bool = False
    """Whether the plan is no longer sold; those who have it keep it."""
    provider_prices: tuple[ProviderPrice, ...] = ()

    @property
    def product_key(self) -> str:
        """Return the key of the product that the plan sells."""
        return self.terms.product_key

    @property
    def name(self) -> str:
        """Return the plan's name for people."""
        return self.terms.name

    @property
    def currency(self) -> str:
        """Return the ISO 4217 code of all of the plan's prices."""
        return self.terms.currency

    @property
    def interval(self) -> Interval:
        """Return the calendar unit of the period."""
        return self.terms.interval

    @property
    def interval_count(self) -> int:
        """Return how many calendar units a period has."""
        return self.terms.interval_count

    @property
    def prices(self) -> tuple[Price, ...]:
        """Return the plan's charges in the order of the file."""
        return self.terms.prices

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return what the plan lets its customers do."""
        return self.terms.features

    @property
    def trial_days(self) -> int:
        """Return how many days a new customer tries the plan for nothing."""
        return self.terms.trial_days

    @property
    def grace_days(self) -> int:
        """Return for how many days access outlives a period that is not yet paid."""
        return self.terms.grace_days

    @property
    def fees(self) -> tuple[Price, ...]:
        """Return the charges that no usage changes: flat, and of seats."""
        return tuple(price for price in self.prices if price.meter_key is None)

    @property
    def seats(self) -> SeatTerms:
        """Return how many seats a subscription may have: one where none are sold."""
        return self.terms.seats or SeatTerms(1, 1)

    def selection(self, price: Price) -> Selection | None:
        """Return which events a price of this version charges; None for a flat fee."""
        if price.meter_key is None:
            return None
        others = tuple(
            one.where for one in self.prices if one.meter_key == price.meter_key and one.where
        )
        return Selection(
            price.meter_key,
            where=price.where,
            apart_from=others if price.otherwise else (),
            group_by=price.group_by,
        )

    @property
    def meter_keys(self) -> frozenset[str]:
        """Return the meters that the prices and features read."""
        used = [price.meter_key for price in self.prices]
        used += [feature.meter_key for feature in self.features]
        return frozenset(key for key in used if key is not None)


@dataclass(frozen=True, slots=True)
class Product:
    """Something that is sold under one or more plans; a customer has at most one of them."""

    key: str
    name: str
    description: str = ""
    archived: bool = False


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """A plan as the catalogue file states it."""

    key: str
    terms: Terms
    provider_prices: tuple[ProviderPrice, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogueSpec:
    """A whole catalogue as its file states it: what is not in it is not sold."""

    meters: tuple[MeterSpec, ...]
    products: tuple[Product, ...]
    plans: tuple[PlanSpec, ...]


class ChangeKind(StrEnum):
    """What applying a catalogue does to one thing."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Change:
    """What applying a catalogue does to one meter, product or plan."""

    subject: str
    """`meter`, `product` or `plan`."""
    key: str
    kind: ChangeKind
    version: int | None = None
    """The plan's version after the change."""
    new_version: bool = False
    """Whether that version is made by the change."""
    detail: tuple[str, ...] = ()
    """What differs, a line each, for people."""


@dataclass(frozen=True, slots=True)
class Diff:
    """What applying a catalogue did, or would do."""

    changes: tuple[Change, ...]
    dry_run: bool

    @property
    def empty(self) -> bool:
        """Return whether nothing changes."""
        return all(change.kind is ChangeKind.UNCHANGED for change in self.changes)


class StepKind(StrEnum):
    """What a step of a charge is for."""

    UNITS = "units"
    FREE = "free"
    """Units that cost nothing."""
    EVENTS = "events"
    """The fee of each event."""
    MINIMUM = "minimum"
    """What lifts the charge to its least."""
    MAXIMUM = "maximum"
    """What takes it down to its most."""


@dataclass(frozen=True, slots=True)
class RatedLine:
    """One step of a charge: `quantity` units (or packages) at `rate_minor`, plus `flat_minor`.

    `first` (exclusive) and `last` (inclusive, None: open) bound the step in units. `amount` is in
    minor units with every digit kept; a charge rounds once, over the sum of its lines.
    """

    tier: int
    first: Decimal
    last: Decimal | None
    quantity: Decimal
    rate_minor: Decimal
    flat_minor: int
    amount: Decimal
    kind: StepKind = StepKind.UNITS


@dataclass(frozen=True, slots=True)
class RatedCharge:
    """What a price charges for a quantity, and how that comes about."""

    price_key: str
    model: PriceModel
    quantity: Decimal
    lines: tuple[RatedLine, ...]
    amount_minor: int
