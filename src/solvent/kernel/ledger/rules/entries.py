"""Which entries does each movement of money make, and what does an invoice use?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from solvent.kernel.ledger.errors import RefundExceedsPayment
from solvent.kernel.ledger.model import (
    Account,
    AccountKind,
    Available,
    Entry,
    Invoice,
    Payment,
    Purpose,
    Settlement,
)

FOREVER = datetime.max.replace(tzinfo=UTC)


def invoice_entries(invoice: Invoice) -> tuple[Entry, ...]:
    """Return what a final invoice moves: the customer owes, revenue is earned, tax is held."""
    said = invoice.draft
    return entries_of(
        said.currency,
        (Account(AccountKind.RECEIVABLE, said.customer_id), said.total_minor),
        (Account(AccountKind.REVENUE), -said.net_minor),
        (Account(AccountKind.TAX), -said.tax_minor),
    )


def payment_entries(payment: Payment) -> tuple[Entry, ...]:
    """Return what an arriving payment moves: cash is there, as customer's credit or as revenue.

    A grant brings no cash: it costs the tenant what it gives the customer.
    """
    granted = payment.purpose is Purpose.GRANT
    purchased = payment.purpose is Purpose.PURCHASE
    return entries_of(
        payment.currency,
        (Account(AccountKind.PROMOTION if granted else AccountKind.CASH), payment.amount_minor),
        (Account(AccountKind.REVENUE) if purchased else payment.held_on, -payment.amount_minor),
    )


def expiry_entries(grant: Payment) -> tuple[Entry, ...]:
    """Return what it moves that the rest of a grant is taken back."""
    return entries_of(
        grant.currency,
        (grant.held_on, grant.unapplied_minor),
        (Account(AccountKind.PROMOTION), -grant.unapplied_minor),
    )


def settlement_entries(settlement: Settlement, *, payment: Payment) -> tuple[Entry, ...]:
    """Return what using credit for an invoice moves; a negative settlement moves it back."""
    return entries_of(
        payment.currency,
        (payment.held_on, settlement.amount_minor),
        (Account(AccountKind.RECEIVABLE, payment.customer_id), -settlement.amount_minor),
    )


def refund_entries(payment: Payment, amount_minor: int) -> tuple[Entry, ...]:
    """Return what giving money back moves: unused credit first, then money that invoices used.

    Raises:
        RefundExceedsPayment: more than was paid and not yet refunded.
    """
    if amount_minor > payment.amount_minor - payment.refunded_minor:
        raise RefundExceedsPayment(
            field="amount_minor", left_minor=payment.amount_minor - payment.refunded_minor
        )
    unused = refund_from_credit(payment, amount_minor)
    return entries_of(
        payment.currency,
        (Account(AccountKind.CREDIT, payment.customer_id), unused),
        (Account(AccountKind.REFUND), amount_minor - unused),
        (Account(AccountKind.CASH), -amount_minor),
    )


def dispute_entries(currency: str, amount_minor: int) -> tuple[Entry, ...]:
    """Return what it moves that a bank takes money back, before it is decided who keeps it."""
    return entries_of(
        currency,
        (Account(AccountKind.DISPUTED), amount_minor),
        (Account(AccountKind.CASH), -amount_minor),
    )


def refund_from_credit(payment: Payment, amount_minor: int) -> int:
    """Return how much of a refund comes out of money that no invoice has used."""
    return min(payment.unapplied_minor, amount_minor)


def reversed_entries(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return the entries that undo these."""
    return tuple(Entry(e.account, -e.amount_minor, e.currency) for e in entries)


def entries_of(currency: str, *sides: tuple[Account, int]) -> tuple[Entry, ...]:
    """Return the sides that move something; an invoice over nothing moves nothing."""
    return tuple(Entry(account, amount, currency) for account, amount in sides if amount)


def settle(invoice: Invoice, available: Sequence[Available]) -> list[Settlement]:
    """Return which payments an invoice uses, until nothing is due.

    Payments earmarked for it come first, then grants (by priority, then by expiry), then free
    payments, the oldest first. A payment that waits for
    another invoice is left to it, so that a fee collected in advance is never used for this
    period's usage and then asked for again.
    """
    due_minor = invoice.due_minor
    chosen: list[Settlement] = []
    for item in sorted(available, key=lambda item: _preference(invoice, item)):
        payment = item.payment
        usable = is_for(invoice, payment) or not item.waiting
        amount = min(due_minor, payment.unapplied_minor)
        if usable and amount > 0 and _may_use(invoice, payment):
            chosen.append(Settlement(payment.id, invoice.id, amount))
            due_minor -= amount
    return chosen


def is_for(invoice: Invoice, payment: Payment) -> bool:
    """Return whether the payment is earmarked for this invoice."""
    said = invoice.draft
    return (
        payment.subscription_id == said.subscription_id
        and payment.covers_from is not None
        and said.period_start <= payment.covers_from < said.period_end
    )


def _may_use(invoice: Invoice, payment: Payment) -> bool:
    said = invoice.draft
    return (payment.customer_id, payment.currency) == (said.customer_id, said.currency)


def _preference(invoice: Invoice, item: Available) -> tuple[bool, bool, int, datetime, str]:
    one = item.payment
    granted = one.purpose is Purpose.GRANT
    return (
        not is_for(invoice, one),
        not granted,
        one.priority,
        one.expires_at or FOREVER,
        one.id,
    )
