"""What are accounts, transactions, invoices and payments made of?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NewType

from solvent.kernel.catalogue.model import LATER, PlanVersion, StepKind
from solvent.kernel.ledger.errors import AccountMalformed, TransactionUnbalanced
from solvent.kernel.metering.model import Condition, Group, Measure, Period
from solvent.kernel.subscriptions.model import FeePeriod

TransactionId = NewType("TransactionId", str)
InvoiceId = NewType("InvoiceId", str)
PaymentId = NewType("PaymentId", str)


class AccountKind(StrEnum):
    """The accounts there are; debits are positive, credits negative, on every one."""

    CASH = "cash"
    """The tenant's: what arrived through payment providers."""
    RECEIVABLE = "receivable"
    """A customer's: what they owe on final invoices."""
    CREDIT = "credit"
    """A customer's: money of theirs that no invoice has used yet (negative: we owe it)."""
    REVENUE = "revenue"
    """The tenant's: what invoices earned, before tax."""
    TAX = "tax"
    """The tenant's: what was charged for a tax authority."""
    REFUND = "refund"
    """The tenant's: invoiced money given back, until a credit note takes it off the revenue."""
    GRANT = "grant"
    """A customer's: credit given to them that no invoice has used yet (negative: we owe it)."""
    PROMOTION = "promotion"
    """The tenant's: what credit given away has cost."""


CUSTOMER_KINDS = frozenset({AccountKind.RECEIVABLE, AccountKind.CREDIT, AccountKind.GRANT})


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a tenant, or of one of its customers."""

    kind: AccountKind
    customer_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse a customer's account without its customer and the other way round."""
        if (self.kind in CUSTOMER_KINDS) != (self.customer_id is not None):
            raise AccountMalformed(field="account", given=self.kind.value)

    def __str__(self) -> str:
        """Return the account's key, for example `receivable:cus_…` or `cash`."""
        return self.kind.value if self.customer_id is None else f"{self.kind}:{self.customer_id}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a transaction; a debit is positive, a credit negative."""

    account: Account
    amount_minor: int
    currency: str


class SourceKind(StrEnum):
    """What can cause a transaction."""

    INVOICE = "invoice"
    PAYMENT = "payment"
    SETTLEMENT = "settlement"
    REFUND = "refund"
    GRANT = "grant"
    EXPIRY = "expiry"
    REVERSAL = "reversal"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True)
class Source:
    """What caused a transaction; each source is posted once."""

    kind: SourceKind
    id: str


@dataclass(frozen=True, slots=True)
class Posting:
    """A transaction to be written."""

    source: Source
    description: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        """Refuse entries that do not sum to zero."""
        must_balance(self.entries)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A movement of money that happened; never changed, corrected by a reversal only."""

    id: TransactionId
    source: Source
    at: datetime
    description: str
    entries: tuple[Entry, ...]
    reverses_id: TransactionId | None = None

    def __post_init__(self) -> None:
        """Refuse to exist unbalanced, so that a damaged one is noticed when it is read."""
        must_balance(self.entries)


def must_balance(entries: tuple[Entry, ...]) -> None:
    """Pass if there are entries and those of each currency sum to zero.

    Raises:
        TransactionUnbalanced: there is none, or a currency's sum is not zero.
    """
    sums: defaultdict[str, int] = defaultdict(int)
    for entry in entries:
        sums[entry.currency] += entry.amount_minor
    off = sorted(f"{total} {currency}" for currency, total in sums.items() if total)
    if off or not entries:
        raise TransactionUnbalanced(field="entries", sums=off)


@dataclass(frozen=True, slots=True)
class Balance:
    """What the entries of an account sum to in one currency."""

    account: Account
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class TaxRule:
    """A tax on every line; `rate` is a fraction (0.23), `included` says prices contain it."""

    name: str
    rate: Decimal
    included: bool = False


@dataclass(frozen=True, slots=True)
class TaxLine:
    """A tax of an invoice: one per rate, computed on the sum of its lines."""

    name: str
    rate: Decimal
    net_minor: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Which usage a line charges: enough to find the events again and to see one missing."""

    event_count: int
    first_event_id: str | None
    last_event_id: str | None
    digest: str


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
    USAGE = "usage"
    MINIMUM = "minimum"
    """What lifts a period to the least that its plan comes to."""
    MAXIMUM = "maximum"
    """What takes a period down to the most that its plan comes to."""


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


class InvoiceKind(StrEnum):
    """Why an invoice is drawn; a subscription's period is invoiced once per kind."""

    PERIOD = "period"


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
    period_index: int = field(default=0, metadata=LATER)
    """How many periods after the subscription's anchor, which says when a yearly fee is due."""

    @property
    def fee_period(self) -> FeePeriod:
        """Return what a fee of the period is for."""
        start, end = self.fee_start or self.period_start, self.fee_end or self.period_end
        return FeePeriod(Period(start, end), self.period_index)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a price of a plan charges in a stretch: one measure, or one for each group."""

    price_key: str
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a period under one version of a plan, with the usage that each price charges."""

    version: PlanVersion
    period: Period
    usage: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class DraftInput:
    """All that an invoice is made of: nothing here can change after the period is over.

    `headline` is the version whose name stands on the invoice: the last of the period. `fee` says
    what a fee is for; None: for this period.
    """

    kind: InvoiceKind
    customer_id: str
    subscription_id: str
    period: Period
    headline: PlanVersion
    stretches: tuple[Stretch, ...]
    usage_up_to: int
    tax: TaxRule | None = None
    fee: FeePeriod | None = None


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
    finalized_at: datetime | None = None
    due_at: datetime | None = None
    paid_at: datetime | None = None
    voided_at: datetime | None = None

    @property
    def due_minor(self) -> int:
        """Return what is left to pay; nothing before it is final and after it is void."""
        live = self.status in {InvoiceStatus.FINAL, InvoiceStatus.PAID}
        return self.draft.total_minor - self.paid_minor if live else 0

    @property
    def reference(self) -> str:
        """Return the number as people write it, for example `INV-000042`."""
        return "DRAFT" if self.number is None else f"INV-{self.number:06d}"


class Purpose(StrEnum):
    """What a payment was made for."""

    ACCOUNT = "account"
    """What is, or will be, due on invoices."""
    PURCHASE = "purchase"
    """Something sold once, outside of invoices: earned when it is paid."""
    GRANT = "grant"
    """Credit that was given; invoices use it before money."""


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that arrived from a customer, and how much of it no invoice has used yet.

    `subscription_id` with `covers_from` earmarks it for that subscription's invoice of the period
    that contains the moment: a provider's charge of a base fee in advance waits for its invoice.
    """

    id: PaymentId
    provider: str
    provider_payment_id: str
    purpose: Purpose
    customer_id: str
    currency: str
    amount_minor: int
    unapplied_minor: int
    refunded_minor: int
    received_at: datetime
    subscription_id: str | None = None
    covers_from: datetime | None = None
    description: str = ""
    """What a grant is called."""
    priority: int = 0
    """Which grant is used first: 0 before 9, then what expires soonest."""
    expires_at: datetime | None = None

    @property
    def held_on(self) -> Account:
        """Return the account of what is left of it."""
        kind = AccountKind.GRANT if self.purpose is Purpose.GRANT else AccountKind.CREDIT
        return Account(kind, self.customer_id)


@dataclass(frozen=True, slots=True)
class Available:
    """A payment with money left; `waiting` while the invoice it is earmarked for is not final."""

    payment: Payment
    waiting: bool


@dataclass(frozen=True, slots=True)
class Settlement:
    """A part of a payment used for an invoice; negative where a voided invoice gave it back."""

    payment_id: PaymentId
    invoice_id: InvoiceId
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What one payment has put into an invoice."""

    payment: Payment
    amount_minor: int


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


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that verification found wrong."""

    code: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """What verification of a tenant's whole ledger looked at, and what it found."""

    transactions: int
    invoices: int
    payments: int
    problems: tuple[Problem, ...]

    @property
    def sound(self) -> bool:
        """Return whether nothing is wrong."""
        return not self.problems
