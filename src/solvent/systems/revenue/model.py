"""What are movements, rates, months, cohorts and stretches of earning made of?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """Why MRR moved, judged by what a customer had when the day began and when it ended."""

    NEW = "new"
    """A customer who never had any has some."""
    EXPANSION = "expansion"
    """A customer who had some has more."""
    CONTRACTION = "contraction"
    """A customer who had some has less."""
    CHURN = "churn"
    """A customer who had some has none."""
    REACTIVATION = "reactivation"
    """A customer who had some once, and then none, has some again."""
    UNCHANGED = "unchanged"
    """What went up and down within the day, or from one plan to another of the same price."""


GAINS = (Kind.NEW, Kind.EXPANSION, Kind.REACTIVATION)
LOSSES = (Kind.CONTRACTION, Kind.CHURN)


class Key(NamedTuple):
    """Which part of a customer's MRR moved when: one plan version of one subscription."""

    subscription_id: str
    at: datetime
    plan_key: str
    plan_version: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a subscription was worth so much a month; `until` None: it goes on."""

    customer_id: str
    subscription_id: str
    plan_key: str
    plan_version: int
    currency: str
    since: datetime
    until: datetime | None
    monthly_minor: int


class Movement(NamedTuple):
    """A row that is never changed: from this moment on a plan is worth more or less to us.

    `seq` counts the corrections of one key: their amounts add up. `noted_at` says when we knew.
    """

    customer_id: str
    subscription_id: str
    at: datetime
    plan_key: str
    plan_version: int
    seq: int
    currency: str
    delta_minor: int
    noted_at: datetime

    @property
    def key(self) -> Key:
        """Return which part of MRR it moves."""
        return Key(self.subscription_id, self.at, self.plan_key, self.plan_version)

    @property
    def place(self) -> Place:
        """Return its place in the order of all movements."""
        return Place(self.at, self.subscription_id, self.plan_key, self.plan_version, self.seq)


class Place(NamedTuple):
    """A place in the order of all movements."""

    at: datetime
    subscription_id: str
    plan_key: str
    plan_version: int
    seq: int


class Moved(NamedTuple):
    """What a customer's day came to in one currency."""

    day: date
    customer_id: str
    currency: str
    kind: Kind
    amount_minor: int
    after_minor: int


@dataclass(frozen=True, slots=True)
class Told:
    """A movement with the kind that its customer's day has."""

    movement: Movement
    day: date
    kind: Kind


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of `base` is in `quote` from a day on, as the founder told it."""

    base: str
    quote: str
    day: date
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Policy:
    """In whose days a business counts, and in which currency it reports."""

    time_zone: str = "UTC"
    currency: str | None = None
    """None: each currency by itself."""


class Step(StrEnum):
    """How long each row of a report is."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Span:
    """A row's days, from the first to before the last; `label` is 2026-11 or 2026-11-23."""

    label: str
    start: date
    end: date


@dataclass(slots=True)
class Row:
    """What happened to MRR in one span and currency; it adds up."""

    span: Span
    currency: str
    opening_minor: int = 0
    moved: dict[Kind, int] = field(default_factory=dict[Kind, int])
    counted: dict[Kind, int] = field(default_factory=dict[Kind, int])
    """How many customers' days were of each kind."""
    customers_before: int = 0
    customers: int = 0
    closing_minor: int = 0

    @property
    def gained_minor(self) -> int:
        """Return what new, grown and returned customers brought."""
        return sum(self.moved.get(kind, 0) for kind in GAINS)

    @property
    def lost_minor(self) -> int:
        """Return what shrunken and lost customers took, as a positive amount."""
        return -sum(self.moved.get(kind, 0) for kind in LOSSES)

    @property
    def adds_up(self) -> bool:
        """Return whether the movements are what MRR changed by."""
        moved_minor = sum(self.moved.values())
        return self.opening_minor + moved_minor == self.closing_minor


class PlanSum(NamedTuple):
    """What a plan's rows of a day come to."""

    plan_key: str
    currency: str
    day: date
    delta_minor: int


@dataclass(frozen=True, slots=True)
class PlanLevel:
    """What a plan came to at the end of each span."""

    plan_key: str
    currency: str
    spans: tuple[Span, ...]
    levels_minor: tuple[int, ...]


@dataclass(slots=True)
class Kept:
    """What became, in a span, of the customers who were there when it began."""

    customers: int = 0
    lost: int = 0
    opening_minor: int = 0
    closing_minor: int = 0
    """Of the same customers."""
    held_minor: int = 0
    """The lesser of what each had at the beginning and at the end."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Of the trials that ended in a span, how many were followed by a charged second."""

    ended: int
    converted: int


@dataclass(frozen=True, slots=True)
class Ratios:
    """The figures of a span that people compare; None where there is nothing to divide by."""

    row: Row
    kept: Kept
    trials: Trials
    arr_minor: int
    arpu_minor: int | None
    customer_churn: Decimal | None
    gross_churn: Decimal | None
    net_churn: Decimal | None
    grr: Decimal | None
    nrr: Decimal | None
    quick_ratio: Decimal | None
    ltv_minor: int | None
    trial_conversion: Decimal | None


@dataclass(frozen=True, slots=True)
class Cohort:
    """The customers who came in one month, and what was left of them at each month's end."""

    month: Span
    currency: str
    customers: int
    started_minor: int
    left: tuple[int, ...]
    left_minor: tuple[int, ...]


class LineOf(StrEnum):
    """What a line of revenue was charged for."""

    FEE = "fee"
    USAGE = "usage"
    ITEM = "item"
    PURCHASE = "purchase"


@dataclass(frozen=True, slots=True)
class Line:
    """What an invoice's line, or a purchase, earns: net of tax, and of what was taken off it."""

    document_id: str
    line: int
    of: LineOf
    customer_id: str
    subscription_id: str | None
    plan_key: str | None
    currency: str
    amount_minor: int
    since: datetime
    until: datetime
    """Served from `since` to before `until`; the same moment: at once."""
    billed_at: datetime


class Why(StrEnum):
    """What took revenue back."""

    CREDIT = "credit"
    REFUND = "refund"
    MATCHED = "matched"
    """A credit note about money that had gone back already."""
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Reversal:
    """A part of a line that was taken back at a moment, as a positive amount."""

    source_id: str
    why: Why
    document_id: str
    line: int
    amount_minor: int
    at: datetime


class Piece(NamedTuple):
    """An amount that is earned evenly over days, from `start` to before `end`."""

    start: date
    end: date
    amount_minor: int


class Alike(NamedTuple):
    """So many lines, of which nothing was taken back, with the same amount and days."""

    of: LineOf
    currency: str
    amount_minor: int
    start: date
    end: date
    billed_on: date
    lines: int


@dataclass(frozen=True, slots=True)
class Earning:
    """A line with all that became of it: when it was billed, and when it is earned."""

    line: Line
    billed: tuple[Piece, ...]
    earned: tuple[Piece, ...]


@dataclass(slots=True)
class Fall:
    """What was billed and earned in a span, and what is left between the two at its end.

    `deferred` was billed and is not earned yet (a contract liability of IFRS 15), `unbilled` was
    earned and is not billed yet (a contract asset).
    """

    span: Span
    currency: str
    billed_minor: int = 0
    earned_minor: int = 0
    by_kind: dict[LineOf, int] = field(default_factory=dict[LineOf, int])
    opening_deferred_minor: int = 0
    opening_unbilled_minor: int = 0
    deferred_minor: int = 0
    unbilled_minor: int = 0

    @property
    def adds_up(self) -> bool:
        """Return whether what stands between billed and earned moved by their difference."""
        opening = self.opening_deferred_minor - self.opening_unbilled_minor
        closing = self.deferred_minor - self.unbilled_minor
        return opening + self.billed_minor - self.earned_minor == closing


@dataclass(frozen=True, slots=True)
class Share:
    """What one line earned in a span, and what is left of it."""

    earning: Earning
    earned_minor: int
    left_minor: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a derivation from history found: rows that are missing, or say something else."""

    customers: int
    movements: int
    lines: int
    differences: tuple[str, ...]
    more: int = 0
    """How many differences are not listed."""

    @property
    def same(self) -> bool:
        """Return whether what is kept is what history gives."""
        return not self.differences and not self.more
