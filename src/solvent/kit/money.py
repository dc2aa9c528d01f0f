"""How is money counted, rounded, split and written down?

Amounts are integers of the currency's minor unit (ISO 4217: cents, yen, fils). Rates are `Decimal`
in minor units. The one rounding rule is commercial rounding: half away from zero, applied once
per invoice line. No float ever enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation

from solvent.kit.errors import Invalid

AMOUNT_MINOR_MAX = 10**15
"""Ten thousand billion dollars; anything above is a mistake, and bigint holds its sums."""

RATE_DECIMALS_MAX = 12

EXACT = Context(prec=60, rounding=ROUND_HALF_UP, traps=[InvalidOperation, Inexact])
"""Raises instead of losing a digit: for products and sums on the money path."""

_EXPONENT_OTHER = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
}
_EXPONENT_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD "
    "CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ "
    "GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL "
    "MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR "
    "PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT "
    "TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG"
)
EXPONENTS: dict[str, int] = dict.fromkeys(_EXPONENT_TWO.split(), 2) | {
    code: digits for digits, codes in _EXPONENT_OTHER.items() for code in codes.split()
}
"""Decimals of each currency, ISO 4217 list one."""


class CurrencyUnknown(Invalid):
    """This is not a currency code of ISO 4217, for example USD, EUR or JPY."""

    code = "kit.currency_unknown"


class CurrencyMixed(Invalid):
    """Amounts of different currencies cannot be added."""

    code = "kit.currency_mixed"


class AmountMalformed(Invalid):
    """An amount is a plain decimal number with no more digits than its currency has."""

    code = "kit.amount_malformed"


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount of one currency in its minor unit."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse an unknown currency and an amount past the limit."""
        exponent(self.currency)
        if abs(self.amount_minor) > AMOUNT_MINOR_MAX:
            raise AmountMalformed(field="amount_minor")

    def __add__(self, other: Money) -> Money:
        """Return the sum; both must be of one currency."""
        self._must_match(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Return the difference; both must be of one currency."""
        self._must_match(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> Money:
        """Return the opposite amount."""
        return Money(-self.amount_minor, self.currency)

    def _must_match(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMixed(given=other.currency, expected=self.currency)


def exponent(currency: str) -> int:
    """Return how many decimals the currency has (ISO 4217): 2 for USD, 0 for JPY, 3 for KWD.

    Raises:
        CurrencyUnknown: there is no such code; lower case is not accepted.
    """
    if currency not in EXPONENTS:
        raise CurrencyUnknown(field="currency", given=currency[:16])
    return EXPONENTS[currency]


def round_minor(amount: Decimal) -> int:
    """Round an amount in minor units to a whole number of them, half away from zero."""
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP, context=Context(prec=60)))


def multiply(rate_minor: Decimal, quantity: Decimal) -> Decimal:
    """Return rate times quantity with every digit kept.

    Raises:
        decimal.Inexact: the product needs more than 60 digits; limits on both make that a bug.
    """
    return EXACT.multiply(rate_minor, quantity)


def allocate(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weights so that the parts sum to it exactly (largest remainder).

    Ties go to the earlier part. Raises `ValueError` for no, negative or all-zero weights.
    """
    total = sum(weights)
    if total <= 0 or min(weights) < 0:
        msg = "weights must not be negative and must not all be zero"
        raise ValueError(msg)
    sign = -1 if amount_minor < 0 else 1
    shares = [divmod(abs(amount_minor) * weight, total) for weight in weights]
    left = abs(amount_minor) - sum(whole for whole, _ in shares)
    by_remainder = sorted(range(len(shares)), key=lambda i: -shares[i][1])
    extra = set(by_remainder[:left])
    return [sign * (whole + (i in extra)) for i, (whole, _) in enumerate(shares)]


def parse_amount(text: str, currency: str, *, field: str) -> int:
    """Return the minor units of a major-unit text: "29.00" USD is 2900.

    Raises:
        AmountMalformed: no plain number, more decimals than the currency has, or past the limit.
    """
    minor = parse_rate(text, currency, field=field)
    if minor != minor.to_integral_value() or abs(minor) > AMOUNT_MINOR_MAX:
        raise AmountMalformed(field=field, given=text[:64], decimals=exponent(currency))
    return int(minor)


def parse_rate(text: str, currency: str, *, field: str) -> Decimal:
    """Return a rate in minor units of a major-unit text: "0.10" USD is Decimal(10).

    Raises:
        AmountMalformed: no plain number, or more than 12 decimals.
    """
    plain = text.strip()
    digits = plain.removeprefix("-").replace(".", "", 1)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 40:  # noqa: PLR2004 - bound
        raise AmountMalformed(field=field, given=text[:64])
    value = Decimal(plain)
    if -int(value.as_tuple().exponent) > RATE_DECIMALS_MAX:
        raise AmountMalformed(field=field, given=text[:64], decimals=RATE_DECIMALS_MAX)
    return EXACT.scaleb(value, exponent(currency))


def plain_number(value: Decimal) -> str:
    """Return the one text of a number: no exponent, no needless zeros (`0.50` is `0.5`)."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_rate(rate_minor: Decimal, currency: str) -> str:
    """Return a rate in major units with all of its decimals, for example `0.0125 USD`."""
    return f"{plain_number(EXACT.scaleb(rate_minor, -exponent(currency)))} {currency}"


def format_money(money: Money) -> str:
    """Return the amount for people and logs, for example `1,234.50 USD` or `-5 JPY`."""
    digits = exponent(money.currency)
    major = Decimal(money.amount_minor).scaleb(-digits)
    return f"{major:,.{digits}f} {money.currency}"
