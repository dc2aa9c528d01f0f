"""What may be done with money: draw and settle invoices, record payments, post, prove?"""

from solvent.kernel.ledger.service.grants import (
    JOB_GRANT_EXPIRED,
    expire_grant,
    get_grant,
    grant_credit,
    list_grants,
    take_back,
)
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
    "JOB_GRANT_EXPIRED",
    "Refund",
    "balances",
    "draw_invoice",
    "expire_grant",
    "finalize_invoice",
    "find_invoice",
    "get_grant",
    "get_invoice",
    "get_payment",
    "grant_credit",
    "invoiced_until",
    "list_grants",
    "list_invoices",
    "post",
    "preview_invoice",
    "rebuild_invoice",
    "record_payment",
    "record_purchase",
    "record_refund",
    "reverse",
    "settlements",
    "take_back",
    "verify",
    "void_invoice",
]
