"""How does an invoice or a credit note become a PDF, and an e-invoice's XML?"""

from __future__ import annotations

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import CreditNote, Invoice, InvoiceStatus, Parties
from solvent.kit.ctx import Ctx
from solvent.systems.billing import rules
from solvent.systems.billing.documents import bill, cii
from solvent.systems.billing.documents.bill import Bill
from solvent.systems.billing.documents.credit_sheet import note_sheet
from solvent.systems.billing.documents.logo import as_svg
from solvent.systems.billing.documents.typeset import typeset
from solvent.systems.billing.errors import InvoiceStillDraft, NoElectronicInvoice
from solvent.systems.billing.taxes import service as taxes
from solvent.systems.billing.taxes.model import Seller

VOID = "It has been taken back."


async def print_invoice(ctx: Ctx, invoice: Invoice) -> bytes:
    """Return the PDF of a numbered invoice; as it stands, the same invoice is the same bytes.

    It holds the e-invoice's XML where the invoice is one.

    Raises:
        InvoiceStillDraft: it has no number yet.
        TypesettingFailed: the layout has a fault.
    """
    parties = _parties(invoice)
    settled = await ledger.settlements(ctx, invoice.id)
    logo = await taxes.logo_of(ctx, parties.letterhead)
    sheet = rules.sheet(invoice, parties, settled, logo=logo)
    return await typeset(sheet, at=invoice.finalized_at or invoice.drawn_at, xml=_xml(invoice))


async def print_note(ctx: Ctx, note: CreditNote) -> bytes:
    """Return the PDF of a credit note, with the XML where it is an electronic one.

    Raises:
        TypesettingFailed: the layout has a fault.
    """
    invoice = await ledger.get_invoice(ctx, note.said.invoice_id)
    parties = _parties(invoice)
    logo = await taxes.logo_of(ctx, parties.letterhead)
    said = bill.of_note(note, invoice, parties)
    xml = None if bill.faults(said) else cii.write(said)
    sheet = note_sheet(note, invoice, parties, logo=logo)
    return await typeset(sheet, at=note.issued_at, xml=xml)


async def set_logo(ctx: Ctx, picture: bytes | None) -> Seller:
    """Set the picture on documents from the next invoice on, or take it off.

    Raises:
        SellerUnknown: who sells has not been stated.
        LogoMalformed: it is neither an SVG nor a PNG, too large, or cannot be set on a page.
    """
    ctx.require(taxes.SCOPE_WRITE)
    await taxes.get_seller(ctx)
    return await taxes.set_logo(ctx, None if picture is None else await as_svg(picture))


def invoice_xml(invoice: Invoice) -> bytes:
    """Return an invoice as XML by EN 16931, Cross Industry Invoice.

    Raises:
        InvoiceStillDraft: it has no number yet.
        NoElectronicInvoice: it cannot be one; `reasons` says why.
    """
    if invoice.status is InvoiceStatus.VOID:
        raise NoElectronicInvoice(reasons=[VOID])
    return _written(bill.of_invoice(invoice, _parties(invoice)))


async def note_xml(ctx: Ctx, note: CreditNote) -> bytes:
    """Return a credit note as XML by EN 16931. Raises `NoElectronicInvoice`."""
    invoice = await ledger.get_invoice(ctx, note.said.invoice_id)
    return _written(bill.of_note(note, invoice, _parties(invoice)))


def _xml(invoice: Invoice) -> bytes | None:
    try:
        return invoice_xml(invoice)
    except NoElectronicInvoice:
        return None


def _written(said: Bill) -> bytes:
    reasons = bill.faults(said)
    if reasons:
        raise NoElectronicInvoice(" ".join(reasons), reasons=list(reasons))
    return cii.write(said)


def _parties(invoice: Invoice) -> Parties:
    if invoice.parties is None or invoice.finalized_at is None:
        raise InvoiceStillDraft(field="invoice_id")
    return invoice.parties
