"""Is this text a tax identifier of a country, judged by its form and check digits alone?

No register is asked: whether the number is in force only the tax office's own service can tell.
"""

from __future__ import annotations

import re
from typing import Final, Protocol, cast

from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

from solvent.systems.billing.errors import TaxIdInvalid
from solvent.systems.billing.taxes.eu import MEMBERS

_COUNTRIES: Final = {"EL": "GR", "XI": "GB"}
"""Where a VAT identifier does not begin with the letters of its country."""

_LEADS: Final = {"GR": "EL", "MC": "FR"}


class _Form(Protocol):
    def validate(self, number: str) -> str: ...


def check_tax_id(text: str, *, country: str) -> str:
    """Return an identifier in its compact form; a European one led by its country's letters.

    Raises:
        TaxIdInvalid: it is none of that country; where we know no form, letters and digits pass.
    """
    number = re.sub(r"[\s.-]", "", text).upper()
    lead = "XI" if country == "GB" and number.startswith("XI") else _LEADS.get(country, country)
    led = country in MEMBERS or country == "GB"
    form = _form(country)
    try:
        if form is not None:
            number = form.validate(number.removeprefix(lead) if led else number)
    except ValidationError:
        raise TaxIdInvalid(field="tax_id", given=text[:32], country=country) from None
    if not (number.isascii() and number.isalnum()):
        raise TaxIdInvalid(field="tax_id", given=text[:32], country=country)
    return lead + number if led else number


def country_of(text: str) -> str:
    """Return the country whose letters lead an identifier, or an empty text."""
    lead = text.strip()[:2].upper()
    country = _COUNTRIES.get(lead, lead)
    return country if country.isalpha() and _form(country) is not None else ""


def _form(country: str) -> _Form | None:
    return cast("_Form | None", get_cc_module(country.lower(), "vat"))
