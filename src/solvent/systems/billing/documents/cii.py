"""How is a bill written as UN/CEFACT Cross Industry Invoice, the XML of Factur-X and ZUGFeRD?

Syntax D22B in the binding of EN 16931-3-3; terms (BT-…, BG-…) are those of EN 16931-1.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import date
from decimal import Decimal
from typing import Final

from solvent.kernel.ledger.model import LegalEntity, TaxLine
from solvent.kit.money import exponent, plain_number
from solvent.systems.billing.documents.bill import Adjustment, Bill, BillLine, vat_id

GUIDELINE: Final = "urn:cen.eu:en16931:2017"
ONE: Final = "C62"
"""The unit "one" of UN/ECE recommendation 20: quantities are counted in the seller's own units."""

_SPACE: Final = "urn:un:unece:uncefact:data:standard:"
_SPACES: Final = {
    "rsm": _SPACE + "CrossIndustryInvoice:100",
    "ram": _SPACE + "ReusableAggregateBusinessInformationEntity:100",
    "udt": _SPACE + "UnqualifiedDataType:100",
    "qdt": _SPACE + "QualifiedDataType:100",
}
_FORBIDDEN: Final = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold (section 2.2)."""

for _prefix, _uri in _SPACES.items():
    ET.register_namespace(_prefix, _uri)


def write(bill: Bill) -> bytes:
    """Return the XML of a bill, UTF-8; the same bill is the same bytes."""
    root = ET.Element(_tag("rsm:CrossIndustryInvoice"))
    context = _add(root, "rsm:ExchangedDocumentContext")
    guideline = _add(context, "ram:GuidelineSpecifiedDocumentContextParameter")
    _add(guideline, "ram:ID", GUIDELINE)
    _head(root, bill)
    deal = _add(root, "rsm:SupplyChainTradeTransaction")
    for line in bill.lines:
        _line(deal, bill, line)
    _agreement(deal, bill)
    delivery = _add(deal, "ram:ApplicableHeaderTradeDelivery")
    supplied = _add(delivery, "ram:ActualDeliverySupplyChainEvent")
    _day(_add(supplied, "ram:OccurrenceDateTime"), bill.last_day)
    _settlement(deal, bill)
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True)


def _head(root: ET.Element, bill: Bill) -> None:
    head = _add(root, "rsm:ExchangedDocument")
    _add(head, "ram:ID", bill.number)
    _add(head, "ram:TypeCode", bill.type_code)
    _day(_add(head, "ram:IssueDateTime"), bill.issued)
    for note in bill.notes:
        _add(_add(head, "ram:IncludedNote"), "ram:Content", note)


def _line(deal: ET.Element, bill: Bill, line: BillLine) -> None:
    item = _add(deal, "ram:IncludedSupplyChainTradeLineItem")
    _add(_add(item, "ram:AssociatedDocumentLineDocument"), "ram:LineID", line.id)
    product = _add(item, "ram:SpecifiedTradeProduct")
    _add(product, "ram:Name", line.name)
    _told(product, "ram:Description", line.detail)
    price = _add(_add(item, "ram:SpecifiedLineTradeAgreement"), "ram:NetPriceProductTradePrice")
    _add(price, "ram:ChargeAmount", plain_number(line.price))
    delivery = _add(item, "ram:SpecifiedLineTradeDelivery")
    _add(delivery, "ram:BilledQuantity", plain_number(line.quantity), unitCode=ONE)
    settled = _add(item, "ram:SpecifiedLineTradeSettlement")
    _category(_add(settled, "ram:ApplicableTradeTax"), bill.tax)
    _period(settled, line.first_day, line.last_day)
    summed = _add(settled, "ram:SpecifiedTradeSettlementLineMonetarySummation")
    _amount(summed, "ram:LineTotalAmount", line.net_minor, bill)


def _agreement(deal: ET.Element, bill: Bill) -> None:
    agreed = _add(deal, "ram:ApplicableHeaderTradeAgreement")
    _party(_add(agreed, "ram:SellerTradeParty"), bill.seller, bill.tax)
    buyer = _add(agreed, "ram:BuyerTradeParty")
    _add(buyer, "ram:ID", bill.buyer_ref)
    _party(buyer, bill.buyer, bill.tax)


def _party(node: ET.Element, entity: LegalEntity, tax: TaxLine) -> None:
    """Write a party; outside the scope of VAT nobody's VAT id may stand (BR-O-02)."""
    _add(node, "ram:Name", entity.name)
    if entity.registration:
        _add(_add(node, "ram:SpecifiedLegalOrganization"), "ram:ID", entity.registration)
    address = _add(node, "ram:PostalTradeAddress")
    _told(address, "ram:PostcodeCode", entity.postal_code)
    for name, line in zip(("One", "Two", "Three"), entity.lines, strict=False):
        _told(address, f"ram:Line{name}", line)
    _told(address, "ram:CityName", entity.city)
    _add(address, "ram:CountryID", entity.country)
    if entity.email:
        reached = _add(node, "ram:URIUniversalCommunication")
        _add(reached, "ram:URIID", entity.email, schemeID="EM")
    if tax.category != "O":
        for scheme, number in (("VA", vat_id(entity)), ("FC", entity.tax_number)):
            if number:
                registered = _add(node, "ram:SpecifiedTaxRegistration")
                _add(registered, "ram:ID", number, schemeID=scheme)


def _settlement(deal: ET.Element, bill: Bill) -> None:
    settled = _add(deal, "ram:ApplicableHeaderTradeSettlement")
    _add(settled, "ram:PaymentReference", bill.number)
    _add(settled, "ram:InvoiceCurrencyCode", bill.currency)
    tax = _add(settled, "ram:ApplicableTradeTax")
    _amount(tax, "ram:CalculatedAmount", bill.tax.amount_minor, bill)
    _add(tax, "ram:TypeCode", "VAT")
    _told(tax, "ram:ExemptionReason", bill.tax.reason)
    _amount(tax, "ram:BasisAmount", bill.tax.net_minor, bill)
    _category_code(tax, bill.tax)
    _period(settled, bill.first_day, bill.last_day)
    for one in bill.adjustments:
        _adjustment(settled, bill, one)
    if bill.due_day is not None:
        terms = _add(settled, "ram:SpecifiedTradePaymentTerms")
        _day(_add(terms, "ram:DueDateDateTime"), bill.due_day)
    _sums(settled, bill)
    if bill.preceding is not None:
        number, issued = bill.preceding
        before = _add(settled, "ram:InvoiceReferencedDocument")
        _add(before, "ram:IssuerAssignedID", number)
        _day(_add(before, "ram:FormattedIssueDateTime"), issued, space="qdt")


def _adjustment(settled: ET.Element, bill: Bill, one: Adjustment) -> None:
    put = _add(settled, "ram:SpecifiedTradeAllowanceCharge")
    indicator = "true" if one.net_minor > 0 else "false"
    _add(_add(put, "ram:ChargeIndicator"), "udt:Indicator", indicator)
    _amount(put, "ram:ActualAmount", abs(one.net_minor), bill)
    _add(put, "ram:Reason", one.reason)
    _category(_add(put, "ram:CategoryTradeTax"), bill.tax)


def _sums(settled: ET.Element, bill: Bill) -> None:
    node = _add(settled, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    _amount(node, "ram:LineTotalAmount", bill.lines_minor, bill)
    _amount(node, "ram:ChargeTotalAmount", bill.charges_minor, bill)
    _amount(node, "ram:AllowanceTotalAmount", bill.allowances_minor, bill)
    _amount(node, "ram:TaxBasisTotalAmount", bill.net_minor, bill)
    tax = _amount(node, "ram:TaxTotalAmount", bill.tax.amount_minor, bill)
    tax.set("currencyID", bill.currency)
    _amount(node, "ram:GrandTotalAmount", bill.total_minor, bill)
    _amount(node, "ram:TotalPrepaidAmount", bill.paid_minor, bill)
    _amount(node, "ram:DuePayableAmount", bill.total_minor - bill.paid_minor, bill)


def _category(node: ET.Element, tax: TaxLine) -> None:
    _add(node, "ram:TypeCode", "VAT")
    _category_code(node, tax)


def _category_code(node: ET.Element, tax: TaxLine) -> None:
    """Write the category with its rate; one outside the scope of VAT has none (BR-O-05)."""
    _add(node, "ram:CategoryCode", tax.category)
    if tax.category != "O":
        _add(node, "ram:RateApplicablePercent", plain_number(tax.rate * 100))


def _period(node: ET.Element, first: date, last: date) -> None:
    period = _add(node, "ram:BillingSpecifiedPeriod")
    _day(_add(period, "ram:StartDateTime"), first)
    _day(_add(period, "ram:EndDateTime"), max(first, last))


def _day(node: ET.Element, day: date, *, space: str = "udt") -> None:
    _add(node, f"{space}:DateTimeString", f"{day:%Y%m%d}", format="102")


def _amount(node: ET.Element, name: str, amount_minor: int, bill: Bill) -> ET.Element:
    major = Decimal(amount_minor).scaleb(-exponent(bill.currency))
    return _add(node, name, plain_number(major))


def _told(node: ET.Element, name: str, text: str) -> None:
    if text:
        _add(node, name, text)


def _add(node: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    child = ET.SubElement(node, _tag(name), attributes)
    if text:
        child.text = _FORBIDDEN.sub("\ufffd", text)
    return child


def _tag(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{_SPACES[prefix]}}}{local}"
