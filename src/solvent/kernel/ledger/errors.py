"""In which ways can money be refused by the ledger?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound


class TransactionUnbalanced(Invalid):
    """The entries of a transaction must sum to zero in each currency."""

    code = "ledger.transaction_unbalanced"


class AccountMalformed(Invalid):
    """A customer's account names its customer, a tenant's account names none."""

    code = "ledger.account_malformed"


class AmountNotPositive(Invalid):
    """An amount of money that moves is greater than zero."""

    code = "ledger.amount_not_positive"


class DocumentMalformed(Invalid):
    """The stored document of this invoice cannot be read."""

    code = "ledger.document_malformed"


class DraftMalformed(Invalid):
    """What an invoice was to be made of contradicts itself."""

    code = "ledger.draft_malformed"


class SourceReused(Conflict):
    """This source has already been posted with other entries."""

    code = "ledger.source_reused"


class TransactionNotFound(NotFound):
    """There is no such ledger transaction."""

    code = "ledger.transaction_not_found"


class InvoiceNotFound(NotFound):
    """There is no such invoice."""

    code = "ledger.invoice_not_found"


class LineNotFound(NotFound):
    """The invoice has no such line: they are counted from 1."""

    code = "ledger.line_not_found"


class PaymentNotFound(NotFound):
    """There is no such payment."""

    code = "ledger.payment_not_found"


class InvoiceNotDraft(Conflict):
    """The invoice is no draft any more; it is corrected by a reversal, never changed."""

    code = "ledger.invoice_not_draft"


class InvoiceNotVoidable(Conflict):
    """Only a draft or an unpaid final invoice can be voided; for others there are credit notes."""

    code = "ledger.invoice_not_voidable"


class PeriodOverlaps(Conflict):
    """Part of this period has already been invoiced for this subscription."""

    code = "ledger.period_overlaps"


class PeriodNotOver(Conflict):
    """This is no period of the subscription that is over; preview a running one instead."""

    code = "ledger.period_not_over"


class PaymentChanged(Conflict):
    """This payment has already been recorded with another amount, currency or customer."""

    code = "ledger.payment_changed"


class RefundExceedsPayment(Conflict):
    """Refunds of a payment cannot exceed what was paid."""

    code = "ledger.refund_exceeds_payment"


class GrantMalformed(Invalid):
    """A grant has a name, a priority from 0 to 9, and expires in the future if it does."""

    code = "ledger.grant_malformed"


class GrantNotFound(NotFound):
    """There is no such grant of credit."""

    code = "ledger.grant_not_found"


class ItemMalformed(Invalid):
    """An item has a description, a source, and an amount above zero."""

    code = "ledger.item_malformed"


class ItemChanged(Conflict):
    """This source has already been charged with another content."""

    code = "ledger.item_changed"


class ItemNotFound(NotFound):
    """There is no such item that waits for an invoice."""

    code = "ledger.item_not_found"


class CouponMalformed(Invalid):
    """A coupon takes off either a share or an amount of a currency."""

    code = "ledger.coupon_malformed"


class CouponExists(Conflict):
    """There is a coupon of this code; codes are not used again."""

    code = "ledger.coupon_exists"


class CouponNotFound(NotFound):
    """There is no such coupon."""

    code = "ledger.coupon_not_found"


class CouponSpent(Conflict):
    """This coupon can no longer be redeemed."""

    code = "ledger.coupon_spent"


class CouponNotForThis(Conflict):
    """This coupon is for other plans."""

    code = "ledger.coupon_not_for_this"


class CouponRedeemed(Conflict):
    """This subscription has, or had, this coupon."""

    code = "ledger.coupon_redeemed"


class CreditMalformed(Invalid):
    """A credit note names a reason and which lines it takes back, each once."""

    code = "ledger.credit_malformed"


class CreditExceedsInvoice(Conflict):
    """Credit notes cannot take back more of a line than was charged."""

    code = "ledger.credit_exceeds_invoice"


class CreditNotRefunded(Conflict):
    """Less of the invoice's money has gone back to the customer than this would match."""

    code = "ledger.credit_not_refunded"


class CreditChanged(Conflict):
    """This source has already credited another invoice."""

    code = "ledger.credit_changed"


class CreditNoteNotFound(NotFound):
    """There is no such credit note."""

    code = "ledger.credit_note_not_found"


class InvoiceNotCreditable(Conflict):
    """Only a final or paid invoice can be credited; a draft is drawn anew or voided."""

    code = "ledger.invoice_not_creditable"
