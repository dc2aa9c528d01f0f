"""Do the pages about pricing models hold catalogues that charge what their tables say?"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from solvent.kernel.catalogue.model import Price
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.catalogue.rules import rate

PAGES = Path(__file__).resolve().parents[3] / "docs/howto"
NAMES = ("per-seat", "by-usage", "in-tiers", "with-credits", "hybrid")


def prices(page: str) -> dict[tuple[str, str], Price]:
    text = (PAGES / f"price-{page}.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    plans = parse(block.encode(), file=f"{page}.toml").plans
    return {(plan.key, price.key): price for plan in plans for price in plan.terms.prices}


@pytest.mark.parametrize("page", NAMES)
def test_each_page_holds_a_catalogue(page: str) -> None:
    assert prices(page)


@pytest.mark.parametrize(
    "page, plan, price, quantity, events, minor",
    [
        ("per-seat", "team", "seats", "1", 1, 1800),
        ("per-seat", "team", "seats", "3", 3, 1800),
        ("per-seat", "team", "seats", "5", 5, 3600),
        ("by-usage", "payg", "europe", "12.5", 1, 26),
        ("by-usage", "payg", "elsewhere", "30", 1, 100),
        ("by-usage", "payg", "sales", "200", 1, 310),
        ("in-tiers", "fair", "calls", "100", 100, 10_000),
        ("in-tiers", "fair", "calls", "101", 101, 10_050),
        ("in-tiers", "bulk", "calls", "100", 100, 10_000),
        ("in-tiers", "bulk", "calls", "101", 101, 5_550),
        ("in-tiers", "packs", "calls", "100", 100, 6_000),
        ("in-tiers", "packs", "calls", "101", 101, 12_000),
        ("in-tiers", "packs", "calls", "0", 0, 0),
        ("hybrid", "yearly", "events", "1000001", 1, 400),
        ("hybrid", "yearly", "storage", "12.5", 1, 50),
    ],
)
def test_each_table_says_what_is_charged(page, plan, price, quantity, events, minor) -> None:
    found = prices(page)[plan, price]
    assert rate(found, Decimal(quantity), events=events).amount_minor == minor
