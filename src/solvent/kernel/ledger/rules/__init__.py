"""What does an invoice come to, and which entries does each movement of money make?"""

from solvent.kernel.ledger.rules.crediting import credit, credit_entries, everything
from solvent.kernel.ledger.rules.drafting import (
    advanced_by,
    discount_of,
    draft,
    event_count,
    partial_credit,
    tax_lines,
)
from solvent.kernel.ledger.rules.entries import (
    dispute_entries,
    expiry_entries,
    invoice_entries,
    is_for,
    payment_entries,
    refund_entries,
    refund_from_credit,
    reversed_entries,
    settle,
    settlement_entries,
)
from solvent.kernel.ledger.rules.prorating import fee_of, seconds

__all__ = [
    "advanced_by",
    "credit",
    "credit_entries",
    "discount_of",
    "dispute_entries",
    "draft",
    "event_count",
    "everything",
    "expiry_entries",
    "fee_of",
    "invoice_entries",
    "is_for",
    "partial_credit",
    "payment_entries",
    "refund_entries",
    "refund_from_credit",
    "reversed_entries",
    "seconds",
    "settle",
    "settlement_entries",
    "tax_lines",
]
