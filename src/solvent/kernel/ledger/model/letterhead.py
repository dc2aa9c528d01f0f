"""Who are the seller and the buyer of an invoice to the law, and how does its paper look?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """A party as an invoice must name it (EN 16931 BG-4 to BG-8); an empty text is not known.

    `tax_id` is the VAT identifier with its country's letters, `tax_number` another number at the
    tax office, `registration` the number in the register of companies.
    """

    name: str
    lines: tuple[str, ...] = ()
    postal_code: str = ""
    city: str = ""
    country: str = ""
    tax_id: str = ""
    tax_number: str = ""
    registration: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What an invoice carries of its parties, frozen with it; `logo` is a picture's SHA-256."""

    seller: LegalEntity | None = None
    buyer: LegalEntity | None = None
    footer: str = ""
    accent: str = ""
    logo: str = ""
