"""What are a seller, a buyer and a tax rate?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from solvent.kernel.ledger.model import LegalEntity


class Regime(StrEnum):
    """How the seller is taxed."""

    STANDARD = "standard"
    """Charges the rate of a country, as the rules say."""
    SMALL_BUSINESS = "small_business"
    """Exempt for its size; says so on each invoice."""
    UNTAXED = "untaxed"
    """Charges no tax and says nothing of it: outside the scope of VAT."""


@dataclass(frozen=True, slots=True)
class Paper:
    """How the seller's documents look; `logo` is a picture's SHA-256, or empty."""

    footer: str = ""
    accent: str = ""
    """As `#1f4e79`; empty: the layout's own."""
    logo: str = ""


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sells, and how it is taxed.

    `one_stop_shop`: consumers in other countries of the EU pay their own country's rate.
    """

    entity: LegalEntity
    regime: Regime = Regime.STANDARD
    exempt_reason: str = ""
    """What a small business says; empty: a plain sentence."""
    tax_included: bool = False
    one_stop_shop: bool = False
    paper: Paper = Paper()


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys: an address, a tax id that makes it a business, a reason to charge no tax."""

    entity: LegalEntity
    exempt_reason: str = ""


@dataclass(frozen=True, slots=True)
class TaxRate:
    """The rate of a country from a day on, until the next; None: no tax from then on."""

    country: str
    valid_from: date
    rate: Decimal | None
    name: str = "VAT"
