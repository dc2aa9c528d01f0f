"""What are accounts, transactions and payments made of?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from solvent.kernel.ledger.errors import AccountMalformed, TransactionUnbalanced

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
    DISPUTED = "disputed"
    """The tenant's: what banks have taken back while nobody has decided who keeps it."""


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
    CREDIT_NOTE = "credit_note"
    DISPUTE = "dispute"
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
