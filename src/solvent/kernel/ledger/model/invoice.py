"""What is an invoice made of?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from solvent.kernel.catalogue.model import LATER, Proration, StepKind
from solvent.kernel.ledger.model.books import InvoiceId
from solvent.kernel.ledger.model.letterhead import Letterhead
from solvent.kernel.metering.model import Condition, Group, Period
from solvent.kernel.subscriptions.model import FeePeriod


@dataclass(frozen=True, slots=True)
class TaxRule:
    """A tax on every line; `rate` is a fraction (0.23), `included` says prices contain it.

    `category` is EN 16931's (UNCL 5305): S standard, Z zero, E exempt, AE reverse charge, G export,
    O outside of scope; `reason` is what the law wants said where nothing is charged.
    """

    name: str
    rate: Decimal
    included: bool = False
    category: str = "S"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TaxLine:
    """A tax of an invoice: one per rate, computed on the sum of its lines."""

    name: str
    rate: Decimal
    net_minor: int
    amount_minor: int
    category: str = field(default="S", metadata=LATER)
    reason: str = field(default="", metadata=LATER)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Which usage a line charges: enough to find the events again and to see one missing."""

    event_count: int
    first_event_id: str | None
    last_event_id: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class LineEvent:
    """A usage event of a line: when it happened, and what it counted as on the invoice."""

    event_id: str
    at: datetime
    counted: Decimal | str | None
    """None where the meter counts events, and on a line that corrects another."""
    what: str
    """`counted`; on a line that corrects another `late`, or what was said of it: `void`, `amend`
    or `undo`."""


@dataclass(frozen=True, slots=True)
class TierLine:
    """One step of the rating of a line: `quantity` units at `rate_minor` each, plus `flat_minor`.

    `first` and `last` bound the tier in units (last None: unbounded). The exact amounts of a line's
    tiers, with every digit, sum to what the line rounds once.
    """

    first: Decimal
    last: Decimal | None
    quantity: Decimal
    rate_minor: Decimal
    flat_minor: int
    amount: Decimal
    kind: StepKind = field(default=StepKind.UNITS, metadata=LATER)


class LineKind(StrEnum):
    """What a line charges for."""

    BASE = "base"
    TRIAL = "trial"
    """What a trial costs."""
    USAGE = "usage"
    MINIMUM = "minimum"
    """What lifts a period to the least that its plan comes to."""
    MAXIMUM = "maximum"
    """What takes a period down to the most that its plan comes to."""
    ADVANCED = "advanced"
    """What an earlier invoice has charged of these fees in advance."""
    ITEM = "item"
    """Something charged once."""
    DISCOUNT = "discount"
    """What a coupon takes off."""
    CORRECTION = "correction"
    """What usage that came late, or was put right, makes of a line of an earlier invoice."""


@dataclass(frozen=True, slots=True)
class LineCorrection:
    """Which line of which final invoice a line corrects, and what that comes to.

    The amount of the correction is the difference, unless a part of it waits for a later invoice,
    because no invoice comes to less than nothing.
    """

    invoice_id: str
    reference: str
    """The number of that invoice, as people write it."""
    kind: LineKind
    before_minor: int
    """What was charged, earlier corrections included."""
    after_minor: int
    """What the whole period comes to, rated anew."""
    before_quantity: Decimal
    after_quantity: Decimal
    event_ids: tuple[str, ...]
    """The first of the events that came, or were put right, since then; all are the evidence."""


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One charge that explains itself: which price, which usage, which seconds, which tiers."""

    kind: LineKind
    price_key: str
    price_model: str
    plan_key: str
    plan_version: int
    description: str
    meter_key: str | None
    quantity: Decimal
    period_start: datetime
    period_end: datetime
    period_seconds: int
    amount_minor: int
    tax_rate: Decimal | None
    tiers: tuple[TierLine, ...]
    evidence: Evidence | None
    group: Group = field(default=(), metadata=LATER)
    """The properties that the line's events have in common, where the price tells them apart."""
    where: tuple[Condition, ...] = field(default=(), metadata=LATER)
    """The conditions that the line's events meet."""
    item_id: str | None = field(default=None, metadata=LATER)
    proration: Proration = field(default=Proration.SECOND, metadata=LATER)
    """How the part of a fee is counted that the line charges."""
    days: tuple[int, int] | None = field(default=None, metadata=LATER)
    """How many days of how many, where they are what counts."""
    addon_id: str | None = field(default=None, metadata=LATER)
    """The add-on that the line charges."""
    corrects: LineCorrection | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Item:
    """Something charged once, on the next invoice: a set-up fee, an add-on, an hour of help."""

    id: str
    customer_id: str
    subscription_id: str | None
    source: str
    """The caller's own name of it, which counts once."""
    description: str
    quantity: Decimal
    unit_minor: int
    amount_minor: int
    currency: str
    created_at: datetime
    invoice_id: str | None = None


@dataclass(frozen=True, slots=True)
class Discount:
    """What a coupon takes off an invoice: a share, or an amount of it at most."""

    code: str
    name: str
    percent: Decimal | None = None
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Coupon:
    """A discount that customers redeem for a subscription, for some of its periods or for ever."""

    discount: Discount
    currency: str | None
    periods: int | None
    """For how many periods it counts; None: for ever."""
    plan_keys: tuple[str, ...]
    """The plans that it is for; none: for all."""
    redemptions_max: int | None
    redeem_by: datetime | None
    redeemed: int
    closed: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Redemption:
    """A coupon that a subscription has."""

    id: str
    coupon: Coupon
    subscription_id: str
    redeemed_at: datetime
    ended_at: datetime | None
    used_in: tuple[datetime, ...]
    """The starts of the periods in which it has taken something off."""


class InvoiceKind(StrEnum):
    """Why an invoice is drawn; a subscription's period is invoiced once per kind."""

    PERIOD = "period"
    ADVANCE = "advance"
    """Fees of the period that begins."""


Places: TypeAlias = tuple[tuple[str, int], ...]
"""How far the usage of a meter is seen in its order of arrival, by the meter's key."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """How far usage was seen when an earlier invoice was rated anew.

    `seen_up_to` is how far it had been charged: what came after that is the evidence.
    """

    invoice_id: str
    seen_up_to: int
    places: Places


Advanced: TypeAlias = tuple[tuple[str, int], ...]
"""What has been charged in advance, by the price's key, in minor units."""


@dataclass(frozen=True, slots=True)
class AddonHeld:
    """An add-on with the part of a period for which it was charged in advance."""

    id: str
    plan_key: str
    plan_version: int
    quantity: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """What an invoice says: a pure function of immutable events and a versioned plan.

    `usage_up_to` is the place in the events' order of arrival up to which usage was seen.
    """

    kind: InvoiceKind
    customer_id: str
    subscription_id: str
    product_key: str
    plan_key: str
    plan_version: int
    plan_name: str
    currency: str
    period_start: datetime
    period_end: datetime
    period_seconds: int
    usage_up_to: int
    lines: tuple[InvoiceLine, ...]
    taxes: tuple[TaxLine, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    fee_start: datetime | None = field(default=None, metadata=LATER)
    """With `fee_end`: the whole period that a fee is for, where this one is a part of it."""
    fee_end: datetime | None = field(default=None, metadata=LATER)
    tax: TaxRule | None = field(default=None, metadata=LATER)
    """What was decided when it was drawn."""
    advanced: Advanced = field(default=(), metadata=LATER)
    discounts: tuple[Discount, ...] = field(default=(), metadata=LATER)
    period_index: int = field(default=0, metadata=LATER)
    """How many periods after the subscription's anchor, which says when a yearly fee is due."""
    quantity: int = field(default=1, metadata=LATER)
    """How many seats were held at the end, or when it was drawn in advance."""
    time_zone: str = field(default="UTC", metadata=LATER)
    """In which zone days were counted, where they were."""
    addons: tuple[AddonHeld, ...] = field(default=(), metadata=LATER)
    """What was known of add-ons when it was drawn in advance."""
    places: Places = field(default=(), metadata=LATER)
    """How far the usage of meters is seen that is not seen up to `usage_up_to`."""
    corrected: tuple[Corrected, ...] = field(default=(), metadata=LATER)
    """Which earlier invoices were rated anew for its corrections."""
    late_from: int | None = field(default=None, metadata=LATER)
    """Since which place late usage still waits to be corrected; None: none does."""

    @property
    def adds_up(self) -> bool:
        """Return whether the lines, the tax and the totals agree."""
        gross_minor = sum(line.amount_minor for line in self.lines)
        tax_minor = sum(tax.amount_minor for tax in self.taxes)
        net_minor = self.taxes[0].net_minor if self.taxes else gross_minor
        return (
            self.total_minor == self.net_minor + self.tax_minor
            and self.tax_minor == tax_minor
            and self.net_minor == net_minor
            and gross_minor in {self.net_minor, self.total_minor}
        )

    @property
    def fee_period(self) -> FeePeriod:
        """Return what a fee of the period is for."""
        start, end = self.fee_start or self.period_start, self.fee_end or self.period_end
        return FeePeriod(Period(start, end), self.period_index)


class InvoiceStatus(StrEnum):
    """Where an invoice stands: draft -> final -> paid, or void."""

    DRAFT = "draft"
    FINAL = "final"
    PAID = "paid"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Parties:
    """Who sells to whom, as it stood when the invoice became final."""

    seller_name: str
    buyer_ref: str
    buyer_name: str | None
    buyer_email: str | None
    buyer_country: str | None
    time_zone: str
    test_mode: bool
    letterhead: Letterhead | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice; its document is frozen by its digest and, once final, by its number."""

    id: InvoiceId
    status: InvoiceStatus
    draft: InvoiceDraft
    digest: str
    drawn_at: datetime
    number: int | None = None
    parties: Parties | None = None
    paid_minor: int = 0
    credited_minor: int = 0
    """What credit notes have taken off of what was due."""
    finalized_at: datetime | None = None
    due_at: datetime | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None

    @property
    def due_minor(self) -> int:
        """Return what is left to pay; nothing before it is final and after it is void."""
        live = self.status in {InvoiceStatus.FINAL, InvoiceStatus.PAID}
        settled_minor = self.paid_minor + self.credited_minor
        return self.draft.total_minor - settled_minor if live else 0

    @property
    def reference(self) -> str:
        """Return the number as people write it, for example `INV-000042`."""
        return "DRAFT" if self.number is None else f"INV-{self.number:06d}"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Whether an invoice, derived again from events and prices, is the same bytes.

    `late_events` counts usage of its period that arrived after it was drawn and is not charged.
    """

    invoice_id: InvoiceId
    reference: str
    digest: str
    rebuilt_digest: str
    differences: tuple[str, ...]
    late_events: int

    @property
    def identical(self) -> bool:
        """Return whether nothing differs."""
        return self.digest == self.rebuilt_digest


class CreditTo(StrEnum):
    """Where a credit note puts what had been paid."""

    BALANCE = "balance"
    """To the customer's credit, for their next invoices."""
    REFUNDED = "refunded"
    """It has gone back to the customer already: takes the refund off the revenue."""


@dataclass(frozen=True, slots=True)
class CreditPart:
    """How much of which line (from 1) is taken back: so many units, or an amount of the line."""

    line: int
    quantity: Decimal | None = None
    amount_minor: int | None = None


@dataclass(frozen=True, slots=True)
class CreditLine:
    """A part of an invoice's line that a credit note takes back."""

    line: int
    description: str
    quantity: Decimal
    amount_minor: int


@dataclass(frozen=True, slots=True)
class CreditDraft:
    """What a credit note says."""

    invoice_id: str
    invoice_number: int
    customer_id: str
    currency: str
    reason: str
    to: CreditTo
    lines: tuple[CreditLine, ...]
    taxes: tuple[TaxLine, ...]
    net_minor: int
    tax_minor: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class CreditNote:
    """A correction of a final invoice, with a number of its own series."""

    id: str
    number: int
    said: CreditDraft
    source: str
    digest: str
    off_due_minor: int
    """What it took off of what was still due; the rest had been paid."""
    issued_at: datetime

    @property
    def reference(self) -> str:
        """Return the number as people write it, for example `CN-000007`."""
        return f"CN-{self.number:06d}"
