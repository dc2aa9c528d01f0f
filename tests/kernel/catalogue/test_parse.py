"""Is a catalogue's text read strictly, and is everything wrong with it told with its place?"""

from __future__ import annotations

import json
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.lines import locate
from solvent.kernel.catalogue.model import (
    CatalogueSpec,
    Feature,
    FeatureKind,
    OnOutage,
    Price,
    PriceModel,
    Product,
    ProviderPrice,
    Tier,
)
from solvent.kernel.catalogue.parse import Loaded, parse, reload_if_changed
from solvent.kernel.catalogue.source import TEXT_BYTES_MAX
from solvent.kernel.metering.model import Aggregation, MeterSpec

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = (ROOT / "examples/catalogue.toml").read_bytes()

GOOD = """\
[meters.log_gb]
aggregation = "sum"
unit = "GB"

[products.logs]
name = "Logbook"

[plans.pro]
product = "logs"
name = "Pro"
currency = "USD"
interval = "month"
provider_prices = { stripe = "price_1", paddle = ["pri_1", "pri_2"] }

[plans.pro.prices.base]
model = "flat"
amount = "29.00"

[plans.pro.prices.use]
model = "graduated"
meter = "log_gb"
tiers = [
    { up_to = 10, unit_price = 0 },  # free
    { from = 10, up_to = 100, unit_price = 0.10 },
    { unit_price = "0.05", flat = 1 },
]

[plans.pro.features.export]
kind = "switch"

[plans.pro.features.ingest]
kind = "quota"
meter = "log_gb"
limit = 100
overage = true
on_outage = "open"
"""


def read(text: str, **options) -> CatalogueSpec:
    return parse(text.encode(), file="shop.toml", **options)


def problems(text: str | bytes, **options) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(CatalogueInvalid) as refused:
        parse(content, file="/somewhere/shop.toml", **options)
    assert refused.value.code == "catalogue.invalid"
    return refused.value.problems


def test_a_catalogue_is_read() -> None:
    spec = read(GOOD)
    assert spec.meters == (
        MeterSpec(key="log_gb", name="log_gb", aggregation=Aggregation.SUM, unit="GB"),
    )
    assert spec.products == (Product("logs", "Logbook"),)
    plan = spec.plans[0]
    assert plan.provider_prices == (
        ProviderPrice("stripe", "price_1"),
        ProviderPrice("paddle", "pri_1"),
        ProviderPrice("paddle", "pri_2"),
    )
    assert plan.terms.prices == (
        Price("base", PriceModel.FLAT, amount_minor=2900),
        Price(
            "use",
            PriceModel.GRADUATED,
            meter_key="log_gb",
            tiers=(
                Tier(Decimal(10), Decimal(0)),
                Tier(Decimal(100), Decimal(10)),
                Tier(None, Decimal(5), flat_minor=100),
            ),
        ),
    )
    assert plan.terms.features == (
        Feature("export", FeatureKind.SWITCH),
        Feature(
            "ingest",
            FeatureKind.QUOTA,
            OnOutage.OPEN,
            meter_key="log_gb",
            limit=Decimal(100),
            overage=True,
        ),
    )


def test_the_example_is_read() -> None:
    spec = parse(EXAMPLE, file="catalogue.toml")
    assert [plan.key for plan in spec.plans] == ["pro", "team"]
    assert ProviderPrice("stripe", "price_demo_pro_monthly") in spec.plans[0].provider_prices


def test_json_says_the_same() -> None:
    tree = tomllib.loads(GOOD, parse_float=str)
    assert read(json.dumps(tree), json_text=True) == read(GOOD)


WRONG = [
    # what to replace, by what, the line, the key, what was expected
    ("from = 10", "from = 11", 24, "prices.use.tiers[2].from", "expected 10, or the tiers leave a"),
    ("from = 10", "from = 9", 24, "prices.use.tiers[2].from", "expected 10, or the tiers overlap"),
    ("up_to = 100", "up_to = 10", 24, "prices.use.tiers[2].up_to", "a number above 10, or the"),
    ("up_to = 100", "up_to = -1", 24, "prices.use.tiers[2].up_to", "expected a number of 0 or"),
    ("up_to = 100, ", "", 24, "prices.use.tiers[2].up_to", "expected a number of 0 or more"),
    (
        '{ unit_price = "0.05"',
        "{ up_to = 5, unit_price = 1",
        25,
        "prices.use.tiers[3].up_to",
        "open",
    ),
    ("0.10", "-0.10", 24, "prices.use.tiers[2].unit_price", "an amount of 0 or more"),
    ("0.10", "nan", 24, "prices.use.tiers[2].unit_price", "not NaN"),
    ("0.10", "inf", 24, "prices.use.tiers[2].unit_price", "not Infinity"),
    ("0.10", "1e400", 24, "prices.use.tiers[2].unit_price", "an amount of 0 or more"),
    ("0.10", "true", 24, "prices.use.tiers[2].unit_price", "not true"),
    ("0.10", "0.1234567890123", 24, "prices.use.tiers[2].unit_price", "at most 12 decimals"),
    ("flat = 1 ", "flat = 0.001 ", 25, "prices.use.tiers[3].flat", "at most 2 decimals in USD"),
    ('"29.00"', '"29.001"', 17, "prices.base.amount", "at most 2 decimals in USD"),
    ('"29.00"', '"29,00"', 17, "prices.base.amount", 'not "29,00"'),
    ('"29.00"', '"1e3"', 17, "prices.base.amount", 'not "1e3"'),
    ('"29.00"', "99999999999999", 17, "prices.base.amount", "expected"),
    ('"29.00"', '"29.00"\ncurrency = "EUR"', 18, "prices.base.currency", "a plan has one currency"),
    ('model = "flat"', 'model = "tiered"', 16, "prices.base.model", '"graduated", "volume"'),
    (
        'meter = "log_gb"\ntiers',
        'meter = "gb"\ntiers',
        21,
        "prices.use.meter",
        "a meter of this file",
    ),
    ('product = "logs"', 'product = "mail"', 9, "product", 'a product of this file: "logs"'),
    ('"USD"', '"usd"', 11, "currency", "an ISO 4217 code"),
    ('"month"', '"week"', 12, "interval", '"month", "year"'),
    ('name = "Pro"', 'nmae = "Pro"', 10, "nmae", "this key is not known here"),
    ('name = "Pro"', "name = 3", 10, "name", "a text of 1 to 200 printable characters"),
    ('name = "Pro"', 'name = "a\\u0000"', 10, "name", "printable"),
    ('name = "Pro"', "trial_days = -1", 10, "trial_days", "a whole number from 0 to 730"),
    ('name = "Pro"', "grace_days = 1.5", 10, "grace_days", "a whole number from 0 to 90"),
    ('name = "Pro"', "interval_count = 0", 10, "interval_count", "from 1 to 36"),
    ("stripe =", "strype =", 13, "provider_prices.strype", "one of paddle, stripe"),
    ('"pri_1", "pri_2"', "", 13, "provider_prices.paddle", "expected texts of"),
    ('kind = "quota"', 'kind = "limit"', 32, "features.ingest.kind", '"switch", "quota"'),
    ("limit = 100", "limit = -5", 34, "features.ingest.limit", "a number of 0 or more"),
    ("limit = 100", "limit = nan", 34, "features.ingest.limit", "not NaN"),
    ("limit = 100\n", "", 31, "features.ingest.limit", '"unlimited"'),
    ("overage = true", 'overage = "yes"', 35, "features.ingest.overage", "expected true or false"),
    ('"open"', '"maybe"', 36, "features.ingest.on_outage", '"open", "closed"'),
    ("[plans.pro.prices.use]", "[plans.pro.prices.'b c']", 19, "prices.b c", "a key of 1 to 64"),
]


@pytest.mark.parametrize("old, new, line, key, expected", WRONG)
def test_every_error_names_file_line_key_and_what_was_expected(
    old: str, new: str, line: int, key: str, expected: str
) -> None:
    assert old in GOOD
    told = problems(GOOD.replace(old, new))
    place = f"shop.toml:{line}: plans.pro.{key}: "
    assert any(one.startswith(place) and expected in one for one in told), told


@pytest.mark.parametrize(
    "text, told",
    [
        (GOOD + "overage = false", r"shop\.toml:37: expected valid TOML: Cannot overwrite a value"),
        (GOOD + "[plans.pro]", r"shop\.toml:37: expected valid TOML: Cannot declare"),
        ("a = [1, 2", r"shop\.toml:1: expected valid TOML"),
        ("a = '\x01'", r"shop\.toml:1: expected valid TOML"),
        ("=", r"shop\.toml:1: expected valid TOML"),
        ("a = 1e99999999999999999999", r"shop\.toml:1: expected valid TOML"),
        ("a = " + "9" * 5000, r"shop\.toml:1: expected valid TOML"),
        ("a = " + "[" * 20_000, r"shop\.toml: expected fewer nested brackets"),
        (b"[a]\nb = '\xff'", r"shop\.toml:2: expected UTF-8 text"),
        ("a = 1\n".encode("utf-16"), r"shop\.toml:1: expected"),
        (b"#" * (TEXT_BYTES_MAX + 1), r"shop\.toml: expected at most 262144 bytes"),
        ("", r"shop\.toml: products: expected at least one product"),
        ("plans = 3", r"shop\.toml:1: plans: expected a table, not 3"),
        ("[products]\nlogs = 3", r"shop\.toml:2: products\.logs: expected a table, not 3"),
        ("[[products]]\na = 1", r"shop\.toml:1: products: expected a table, not an array"),
        ("x = 1979-05-27", r"shop\.toml:1: x: .*not known here"),
    ],
)
def test_what_is_no_catalogue_is_refused(text: str | bytes, told: str) -> None:
    assert re.match(told, problems(text)[0])


@pytest.mark.parametrize(
    "text, told",
    [
        ("{", r"shop\.toml:1: expected valid JSON"),
        ("[]", r"shop\.toml:1: expected an object"),
        ('{"products": {"a": {}}, "products": {"b": {}}}', r"shop\.toml: products: .*once"),
        ('{"products": {"a": {"name": NaN}}}', r"shop\.toml: products\.a\.name: .*not NaN"),
        ('{"x": ' + "[" * 100_000, r"shop\.toml: expected fewer nested brackets"),
        ('{"x": ' + "9" * 5000 + "}", r"shop\.toml: expected numbers of fewer digits"),
        ('{"products": {"a\\ud800": {}}}', r"shop\.toml: products\.a\\ud800: expected a key"),
    ],
)
def test_what_is_no_json_catalogue_is_refused(text: str, told: str) -> None:
    assert re.match(told, problems(text, json_text=True)[0])


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace('"USD"', '"XXX"').replace('"29.00"', '"-1"').replace("= 100", "= nan")
    lines = [int(one.split(":")[1]) for one in problems(text)]
    assert lines == sorted(lines)
    assert {11, 17, 24, 34} <= set(lines)


def test_one_price_id_leads_to_one_plan() -> None:
    second = GOOD.split("[plans.pro]")[1].split("[plans.pro.prices.base]", maxsplit=1)[0]
    told = problems(f"{GOOD}\n[plans.more]{second}")
    assert len(told) == 3
    assert "plans.more.provider_prices.stripe: expected each price id once" in told[0]


@pytest.mark.parametrize(
    "currency, amount, amount_minor",
    [("JPY", "2900", 2900), ("USD", "29", 2900), ("KWD", "29.001", 29_001)],
)
def test_amounts_have_the_digits_of_their_currency(
    currency: str, amount: str, amount_minor: int
) -> None:
    text = GOOD.replace("USD", currency).replace('"29.00"', amount)
    assert read(text).plans[0].terms.prices[0].amount_minor == amount_minor


def test_a_bare_number_is_taken_exactly() -> None:
    assert read(GOOD.replace('"29.00"', "1.10")).plans[0].terms.prices[0].amount_minor == 110


# ---------------------------------------------------------------------------------------- places

STRANGE = '''\
"quoted key" = """
a = 1 # no key
"""
b.'c.d' = [ # a comment with ] and }
    "x]", {e = "}", f = [1,
    2]},
]
[[t]]
g = \'\'\'\'it\'\'s\'\'\'\'
[[t]]
[t.u]
h = 1979-05-27 07:32:00
[[t.v]]
[[t.v]]
i = "\\"#"
'''


def test_each_key_has_its_line() -> None:
    tomllib.loads(STRANGE)
    lines = locate(STRANGE)
    assert lines["quoted key",] == 1
    assert ("a",) not in lines
    assert lines["b", "c.d", 0] == 5
    assert lines["b", "c.d", 1, "f", 1] == 6
    assert (lines["t", 0], lines["t", 0, "g"], lines["t", 1]) == (8, 9, 10)
    assert lines["t", 1, "u", "h"] == 12
    assert lines["t", 1, "v", 1, "i"] == 15


@given(st.text(alphabet="ab=\"[]{}#\n', .1\\", max_size=60))
def test_every_valid_text_can_be_walked(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    locate(text)


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(content: bytes) -> None:
    with pytest.raises(CatalogueInvalid):
        parse(content, file="x")
    with pytest.raises(CatalogueInvalid):
        parse(content, file="x", json_text=True)


# ---------------------------------------------------------------------------------------- reload


def test_a_bad_text_keeps_the_last_good_catalogue() -> None:
    good = reload_if_changed(Loaded(), GOOD.encode(), file="shop.toml")
    assert good.changed
    assert good.spec == read(GOOD)

    half = reload_if_changed(good, GOOD[:300].encode(), file="shop.toml")
    assert not half.changed
    assert half.spec == good.spec
    assert half.error is not None
    assert "shop.toml:" in str(half.error)

    again = reload_if_changed(half, GOOD[:300].encode(), file="shop.toml")
    assert again.error is half.error
    healed = reload_if_changed(again, GOOD.encode(), file="shop.toml")
    assert healed.error is None
    assert not healed.changed


def test_a_comment_changes_nothing_that_is_sold() -> None:
    first = reload_if_changed(Loaded(), GOOD.encode(), file="shop.toml")
    second = reload_if_changed(first, f"{GOOD}# more".encode(), file="shop.toml")
    assert not second.changed
    assert second.digest != first.digest
