"""Which tax does a sale carry?

For services that are supplied over the internet, as software is: Council Directive 2006/112/EC,
articles 44, 58, 59 and 196. Territories with rules of their own (the Canary Islands, Northern
Ireland for goods) are not told apart from their country.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from solvent.kernel.ledger.model import LegalEntity, Letterhead, TaxRule
from solvent.systems.billing.errors import TaxRateMissing
from solvent.systems.billing.taxes.eu import MEMBERS, STANDARD_RATES
from solvent.systems.billing.taxes.model import Buyer, Regime, Seller, TaxRate

NOTHING = Decimal(0)
TAX_NAME = "VAT"
SMALL_BUSINESS = "No tax is charged: the seller is exempt as a small business."
REVERSE_CHARGE = (
    "Reverse charge: the recipient owes the tax (articles 44 and 196, Directive 2006/112/EC)."
)
EXPORT = "No tax is charged: the service is supplied outside of the seller's tax territory."


def decide(
    seller: Seller | None, buyer: Buyer, rates: Sequence[TaxRate], *, on: date
) -> TaxRule | None:
    """Return the tax on a sale; None where none is to be told of.

    In this order: an untaxed seller, a small business, an exempt buyer, a sale at home, a business
    in another country of the EU (reverse charge), a consumer there (that country's rate in the
    one-stop shop, else the seller's), a sale abroad. A buyer of no known country is at home.

    Raises:
        TaxRateMissing: no rate is known for the country on that day.
    """
    if seller is None or seller.regime is Regime.UNTAXED:
        return None
    if seller.regime is Regime.SMALL_BUSINESS:
        return _free(seller, "E", seller.exempt_reason or SMALL_BUSINESS)
    if buyer.exempt_reason:
        return _free(seller, "E", buyer.exempt_reason)
    home = seller.entity.country
    country = buyer.entity.country or home
    if country == home:
        return _rated(seller, home, rates, on=on)
    if not {home, country} <= MEMBERS:
        return _free(seller, "G", EXPORT)
    if buyer.entity.tax_id:
        return _free(seller, "AE", REVERSE_CHARGE)
    return _rated(seller, country if seller.one_stop_shop else home, rates, on=on)


def _free(seller: Seller, category: str, reason: str) -> TaxRule:
    return TaxRule(TAX_NAME, NOTHING, seller.tax_included, category, reason)


def _rated(seller: Seller, country: str, rates: Sequence[TaxRate], *, on: date) -> TaxRule | None:
    found = rate_on(country, rates, on=on)
    if found is None:
        raise TaxRateMissing(field="country", given=country, day=on.isoformat())
    if found.rate is None:
        return None
    category = "S" if found.rate else "Z"
    return TaxRule(found.name, found.rate, seller.tax_included, category)


def rate_on(country: str, rates: Sequence[TaxRate], *, on: date) -> TaxRate | None:
    """Return a country's rate on a day: what the tenant states goes before what we know."""
    for table in (rates, STANDARD_RATES.get(country, ())):
        held = [one for one in table if one.country == country and one.valid_from <= on]
        if held:
            return max(held, key=lambda one: one.valid_from)
    return None


def letterhead(seller: Seller | None, buyer: Buyer) -> Letterhead | None:
    """Return what an invoice freezes of its parties; None where nothing is known of the seller."""
    if seller is None:
        return None
    paper = seller.paper
    return Letterhead(
        seller=seller.entity,
        buyer=buyer.entity,
        footer=paper.footer,
        accent=paper.accent,
        logo=paper.logo,
    )


def told_of(entity: LegalEntity) -> tuple[str, ...]:
    """Return a party's address as it is printed, line by line, without its name."""
    place = f"{entity.postal_code} {entity.city}".strip()
    ids = (
        (entity.tax_id, "VAT id"),
        (entity.tax_number, "Tax number"),
        (entity.registration, "Registration"),
    )
    numbers = [f"{word} {number}".strip() for number, word in ids if number]
    parts = (*entity.lines, place, entity.country, *numbers, entity.email)
    return tuple(part for part in parts if part)
