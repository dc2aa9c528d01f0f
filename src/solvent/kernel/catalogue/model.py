"""What are products, plans, prices and features made of?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from solvent.kernel.metering.model import MeterSpec


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
    package: meter_key, amount_minor (of one package), package_size.
    Rates and amounts are in minor units of the plan version's currency.
    """

    key: str
    model: PriceModel
    description: str = ""
    meter_key: str | None = None
    amount_minor: int = 0
    unit_rate: Decimal = Decimal(0)
    package_size: Decimal = Decimal(1)
    tiers: tuple[Tier, ...] = ()


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


@dataclass(frozen=True, slots=True)
class ProviderPrice:
    """The name of a plan at a payment provider, for example stripe and `price_…`."""

    provider: str
    price_id: str


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


@dataclass(frozen=True, slots=True)
class RatedCharge:
    """What a price charges for a quantity, and how that comes about."""

    price_key: str
    model: PriceModel
    quantity: Decimal
    lines: tuple[RatedLine, ...]
    amount_minor: int
