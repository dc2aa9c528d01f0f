"""What are a meter, a usage event, a period and a measured quantity?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from solvent.kit.errors import SolventError

PropertyValue: TypeAlias = str | int | bool | Decimal | None

NO_PROPERTIES: Mapping[str, PropertyValue] = MappingProxyType({})

EVENTS_PER_BATCH_MAX = 1_000
NAME_LENGTH_MAX = 100
UNIT_LENGTH_MAX = 40
EVENT_ID_LENGTH_MAX = 200
CUSTOMER_REF_LENGTH_MAX = 200
UNIQUE_VALUE_LENGTH_MAX = 200
PROPERTIES_MAX = 20
KNOWN_PROPERTIES_MAX = 50
PROPERTY_NAME_LENGTH_MAX = 64
PROPERTY_TEXT_LENGTH_MAX = 500
VALUE_WHOLE_DIGITS_MAX = 20
VALUE_DECIMALS_MAX = 12
ACCEPT_DAYS_MAX = 3650
AHEAD_MAX = timedelta(hours=24)
"""An event may be dated this far ahead of the tenant's clock: devices' clocks run fast."""


class Aggregation(StrEnum):
    """How a meter makes one quantity of a period's events."""

    SUM = "sum"
    COUNT = "count"
    MIN = "min"
    MAX = "max"
    AVERAGE = "average"
    UNIQUE = "unique"
    LATEST = "latest"
    WEIGHTED = "weighted_sum"
    """Events raise and lower a level; the quantity is its average over the period's seconds."""


class Late(StrEnum):
    """What becomes of usage that arrives when its period's invoice has been drawn."""

    REOPEN = "reopen"
    """It is in the invoice for as long as that is a draft; after that it is told, not charged."""
    CORRECT = "correct"
    """As reopen; of a final invoice it is charged by a line of the next one."""
    IGNORE = "ignore"
    """It is told and never charged, not even while the invoice is a draft."""


CARRYING = frozenset({Aggregation.SUM, Aggregation.COUNT, Aggregation.UNIQUE, Aggregation.LATEST})
"""What can go on from period to period without beginning anew; a weighted sum always does."""


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The half-open time from `start` to before `end`, both aware: `end` belongs to the next."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse times without a zone and periods that end before they start."""
        if self.start.utcoffset() is None or self.end.utcoffset() is None:
            msg = "a period needs times with an offset from UTC"
            raise ValueError(msg)
        if self.end < self.start:
            msg = "a period cannot end before it starts"
            raise ValueError(msg)

    def __contains__(self, moment: datetime) -> bool:
        """Return whether the moment lies in the period."""
        return self.start <= moment < self.end

    @property
    def duration(self) -> timedelta:
        """Return how long the period is."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSpec:
    """A meter as its owner describes it.

    `value_property` names the property that holds an event's value; None takes the event's own
    `value`. Events dated before `counts_from` are kept and never measured; None means from now on.
    One that `carries` never begins anew: a period's quantity is what all events up to its end come
    to, as seats held or gigabytes stored. Where `known_properties` are named an event may have no
    others; None lets it have any.
    """

    key: str
    name: str
    aggregation: Aggregation
    unit: str
    value_property: str | None = None
    counts_from: datetime | None = None
    carries: bool = False
    known_properties: tuple[str, ...] | None = None
    late: Late = field(default=Late.REOPEN, metadata={"later": True})
    accept_days: int | None = field(default=None, metadata={"later": True})
    """Older events are refused unless a window is open for them; None: all are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A meter as it stands; what it measures is fixed by its first event."""

    key: str
    name: str
    aggregation: Aggregation
    unit: str
    value_property: str | None
    counts_from: datetime
    created_at: datetime
    carries: bool = False
    known_properties: tuple[str, ...] | None = None
    late: Late = Late.REOPEN
    accept_days: int | None = None

    @property
    def looks_back(self) -> bool:
        """Return whether a period's quantity rests on events before the period too."""
        return self.carries or self.aggregation is Aggregation.WEIGHTED

    @property
    def signed(self) -> bool:
        """Return whether an event may take away: a level goes up and down."""
        sums = self.carries and self.aggregation is Aggregation.SUM
        return sums or self.aggregation is Aggregation.WEIGHTED

    def counted(self, period: Period) -> Period:
        """Return the time whose events count for the period."""
        start = self.counts_from if self.looks_back else max(period.start, self.counts_from)
        return Period(start, max(start, period.end))


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEvent:
    """One use, told by the tenant's application; `id` is the caller's and counts once, for ever."""

    id: str
    customer_ref: str
    meter_key: str
    at: datetime
    value: Decimal | str | None = None
    properties: Mapping[str, PropertyValue] = field(default_factory=lambda: NO_PROPERTIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A usage event that its meter has accepted: what is stored and compared."""

    id: str
    customer_ref: str
    meter_key: str
    at: datetime
    value: Decimal | None
    unique_value: str | None
    properties_json: str | None
    fingerprint: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of a batch: how many are new, were known, and are new but before their meter."""

    accepted: int
    duplicates: int
    uncounted: int

    def __add__(self, other: Recorded) -> Recorded:
        """Return what became of both batches."""
        return Recorded(
            accepted=self.accepted + other.accepted,
            duplicates=self.duplicates + other.duplicates,
            uncounted=self.uncounted + other.uncounted,
        )


class Fate(StrEnum):
    """What became of one event that was not refused."""

    RECORDED = "recorded"
    UNCOUNTED = "uncounted"
    """Recorded, and dated before its meter counts."""
    DUPLICATE = "duplicate"


EventFate: TypeAlias = Fate | SolventError
"""What became of one event: its fate, or why it was refused."""


class UsageState(StrEnum):
    """What became of an event since it was recorded."""

    RECORDED = "recorded"
    AMENDED = "amended"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A usage event as it was kept, with its place in the order of arrival."""

    seq: int
    id: str
    customer_ref: str
    meter_key: str
    at: datetime
    value: Decimal | None
    unique_value: str | None
    properties: Mapping[str, PropertyValue]
    received_at: datetime
    state: UsageState = UsageState.RECORDED
    counted: Decimal | str | None = None
    """What it counts as now; the same as `value` or `unique_value` while nobody amended it."""
    counted_properties: Mapping[str, PropertyValue] = field(default_factory=lambda: NO_PROPERTIES)


class OverlayKind(StrEnum):
    """What is said of an event after it was recorded."""

    VOID = "void"
    """It never happened."""
    AMEND = "amend"
    """It was another value, or had other properties."""
    UNDO = "undo"
    """What was said of it last does not hold: it counts as before that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What an event counts as from a place in the order of arrival on, by whom, when and why.

    Each says the whole of it, so that the latest by a place is all that counts there.
    """

    id: str
    seq: int
    event_id: str
    meter_key: str
    customer_ref: str
    at: datetime
    """When the event happened."""
    kind: OverlayKind
    undoes_id: str | None
    voided: bool
    value: Decimal | None
    unique_value: str | None
    properties: Mapping[str, PropertyValue]
    reason: str
    actor: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What an event is to count as: another value, other properties, or both; None: as it is."""

    value: Decimal | str | None = None
    properties: Mapping[str, PropertyValue] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time for which usage is taken however old it is, until the window is finished.

    `customer_ref` None is for all customers. While it is open nothing of its time is corrected.
    """

    id: str
    meter_key: str
    customer_ref: str | None
    period: Period
    reason: str
    opened_at: datetime
    opened_by: str
    finished_at: datetime | None
    opened_seq: int
    """How far events had come in their order of arrival."""
    finished_seq: int | None

    def covers(self, customer_ref: str, at: datetime) -> bool:
        """Return whether an event of this customer and time belongs to it."""
        return self.customer_ref in {None, customer_ref} and at in self.period


@dataclass(frozen=True, slots=True)
class Condition:
    """A property has one of these values; numbers and booleans as JSON writes them."""

    property: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events of a meter are wanted, and by which properties they are told apart.

    An event is in it that meets all conditions of `where` and, for each entry of `apart_from`, not
    all of its conditions. Each combination of values of `group_by` is a group.
    """

    meter_key: str
    where: tuple[Condition, ...] = ()
    apart_from: tuple[tuple[Condition, ...], ...] = ()
    group_by: tuple[str, ...] = ()


Group: TypeAlias = tuple[tuple[str, str | None], ...]
"""The values of the properties that a group has in common, by name; None: they lack it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A quantity taken from the raw events, with what is needed to check it.

    `digest` is the SHA-256, in hex, of the events' ids sorted by byte, each followed by a newline.
    """

    meter_key: str
    customer_ref: str
    period: Period
    quantity: Decimal
    event_count: int
    first_event_id: str | None
    last_event_id: str | None
    digest: str
    group: Group = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureRequest:
    """Which quantity is wanted from the raw events; `up_to` None is as far as they have come."""

    selection: Selection
    customer_ref: str
    period: Period
    up_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedEvent:
    """An event that a measure counts, and what it counts as; None where events alone count."""

    event_id: str
    at: datetime
    counted: Decimal | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRequest:
    """Whose events, dated before a moment, are wanted that came after a place."""

    customer_ref: str
    before: datetime
    after: int
    all_of_it: bool = False
    """Whether something waits since that place, so that no day can be passed over."""


@dataclass(frozen=True, slots=True)
class LateDay:
    """A day (of UTC) for which something arrived late, and of which meter."""

    meter_key: str
    start: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Which events of a period arrived, or counted otherwise, between two places of arrival.

    `digest` is over all of their ids, as that of a measure; `event_ids` names the first of them.
    """

    event_count: int
    first_event_id: str | None
    last_event_id: str | None
    digest: str
    event_ids: tuple[str, ...]


class Outcome(StrEnum):
    """What becomes of usage that changes what an invoice comes to."""

    RUNNING = "charged at the end of the period"
    REDRAWN = "drawn anew"
    CORRECTED = "corrected on the next invoice"
    NOT_CHARGED = "not charged: told as late"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageEffect:
    """What an invoice would come to by changed usage, before tax, and what becomes of that."""

    customer_ref: str
    reference: str
    status: str
    period: Period
    currency: str
    before_minor: int
    after_minor: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class LateEvent:
    """An event that came, or came to count otherwise, after its period had been drawn."""

    event_id: str
    at: datetime
    seq: int
    """Its place in the order of arrival, or that of what was said of it."""
    came_at: datetime
    what: str
    """`late`, or what was said of it: `void`, `amend` or `undo`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyRequest:
    """Which quantity is wanted from the roll-ups."""

    meter_key: str
    customer_ref: str
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class HourSplit:
    """A period as what lies before its first whole hour, its whole hours, and what follows."""

    head: Period
    hours: Period
    tail: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A quantity to be read from the roll-ups, ready for the store."""

    meter: Meter
    customer_ref: str
    split: HourSplit
