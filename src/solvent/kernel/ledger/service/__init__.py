"""What may be done with money: draw and settle invoices, record payments, post, prove?"""

from solvent.kernel.ledger.service.invoices import (
    draw_invoice,
    finalize_invoice,
    find_invoice,
    get_invoice,
    invoiced_until,
    list_invoices,
    preview_invoice,
    rebuild_invoice,
    void_invoice,
)
from solvent.kernel.ledger.service.journal import balances, post, reverse
from solvent.kernel.ledger.service.payments import (
    Refund,
    get_payment,
    record_payment,
    record_purchase,
    record_refund,
    settlements,
)
from solvent.kernel.ledger.service.proof import verify

__all__ = [
    "Refund",
    "balances",
    "draw_invoice",
    "finalize_invoice",
    "find_invoice",
    "get_invoice",
    "get_payment",
    "invoiced_until",
    "list_invoices",
    "post",
    "preview_invoice",
    "rebuild_invoice",
    "record_payment",
    "record_purchase",
    "record_refund",
    "reverse",
    "settlements",
    "verify",
    "void_invoice",
]
