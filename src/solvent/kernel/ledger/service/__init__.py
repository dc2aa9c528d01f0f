"""What may be done with money: draw and settle invoices, record payments, post, prove?"""

from solvent.kernel.ledger.service.invoices import (
    draw_invoice,
    finalize_invoice,
    find_invoice,
    get_invoice,
    list_invoices,
    preview_invoice,
    rebuild_invoice,
    void_invoice,
)
from solvent.kernel.ledger.service.journal import balances, post, reverse
from solvent.kernel.ledger.service.payments import get_payment, record_payment, record_refund
from solvent.kernel.ledger.service.proof import verify

__all__ = [
    "balances",
    "draw_invoice",
    "finalize_invoice",
    "find_invoice",
    "get_invoice",
    "get_payment",
    "list_invoices",
    "post",
    "preview_invoice",
    "rebuild_invoice",
    "record_payment",
    "record_refund",
    "reverse",
    "verify",
    "void_invoice",
]
