"""What may be done with money: draw and settle invoices, record payments, post, prove?"""

from solvent.kernel.ledger.service.coupons import (
    close_coupon,
    end_redemption,
    get_coupon,
    list_coupons,
    list_redemptions,
    make_coupon,
    redeem_coupon,
)
from solvent.kernel.ledger.service.crediting import (
    credit_notes_of,
    get_credit_note,
    issue_credit_note,
    list_credit_notes,
)
from solvent.kernel.ledger.service.drawing import draw_advance, draw_invoice, preview_invoice
from solvent.kernel.ledger.service.grants import (
    JOB_GRANT_EXPIRED,
    expire_grant,
    get_grant,
    grant_credit,
    list_grants,
    take_back,
)
from solvent.kernel.ledger.service.invoices import (
    finalize_invoice,
    find_invoice,
    get_invoice,
    invoiced_until,
    list_invoices,
    rebuild_invoice,
    void_invoice,
)
from solvent.kernel.ledger.service.items import add_item, list_items, remove_item
from solvent.kernel.ledger.service.journal import balances, post, reverse
from solvent.kernel.ledger.service.payments import (
    Receipt,
    Refund,
    get_payment,
    record_payment,
    record_payments,
    record_purchase,
    record_refund,
    settlements,
)
from solvent.kernel.ledger.service.proof import verify

__all__ = [
    "JOB_GRANT_EXPIRED",
    "Receipt",
    "Refund",
    "add_item",
    "balances",
    "close_coupon",
    "credit_notes_of",
    "draw_advance",
    "draw_invoice",
    "end_redemption",
    "expire_grant",
    "finalize_invoice",
    "find_invoice",
    "get_coupon",
    "get_credit_note",
    "get_grant",
    "get_invoice",
    "get_payment",
    "grant_credit",
    "invoiced_until",
    "issue_credit_note",
    "list_coupons",
    "list_credit_notes",
    "list_grants",
    "list_invoices",
    "list_items",
    "list_redemptions",
    "make_coupon",
    "post",
    "preview_invoice",
    "rebuild_invoice",
    "record_payment",
    "record_payments",
    "record_purchase",
    "record_refund",
    "redeem_coupon",
    "remove_item",
    "reverse",
    "settlements",
    "take_back",
    "verify",
    "void_invoice",
]
