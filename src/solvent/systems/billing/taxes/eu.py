"""Which countries share the VAT of the European Union, and at which standard rates?

The rates are those in force on 1 January 2026 (European Commission, "VAT rates applied in the
Member States"; changes of 2024 and 2025 with their days). A rate that a tenant states itself goes
first, so a change of law needs no new version.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from solvent.systems.billing.taxes.model import TaxRate

_LONG_AGO = date(2021, 7, 1)
"""From when the table holds: the day on which the one-stop shop began."""

_STANDARD = """
AT 20 BE 21 BG 20 CY 19 CZ 21 DE 19 DK 25 ES 21 FR 20 GR 24 HR 25 HU 27 IE 23 IT 22 LT 21 LV 21
MT 18 NL 21 PL 23 PT 23 SE 25 SI 22
EE 20 2021-07-01 EE 22 2024-01-01 EE 24 2025-07-01
FI 24 2021-07-01 FI 25.5 2024-09-01
LU 17 2021-07-01 LU 16 2023-01-01 LU 17 2024-01-01
RO 19 2021-07-01 RO 21 2025-08-01
SK 20 2021-07-01 SK 23 2025-01-01
"""


def _table() -> Mapping[str, tuple[TaxRate, ...]]:
    words = _STANDARD.split()
    found: dict[str, tuple[TaxRate, ...]] = {}
    while words:
        country, percent = words.pop(0), words.pop(0)
        dated = bool(words) and "-" in words[0]
        since = date.fromisoformat(words.pop(0)) if dated else _LONG_AGO
        rate = TaxRate(country, since, Decimal(percent).scaleb(-2))
        found[country] = (*found.get(country, ()), rate)
    return MappingProxyType(found)


STANDARD_RATES: Final = _table()
MEMBERS: Final = frozenset(STANDARD_RATES)
