"""Do the pages about changing and migrating subscriptions show what the terminal shows?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from solvent.kernel.catalogue.parse import parse
from solvent.kernel.tenants import service as tenants
from solvent.systems.billing.testing import Shop

PAGES = Path(__file__).resolve().parents[3] / "docs/howto"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ID = re.compile(r"\b(sub|add|chg|mig|cus)_[0-9a-z]{26}\b")


def blocks(page: str, language: str) -> list[str]:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return [body for kind, body in FENCE.findall(text) if kind == language]


def steps(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a page with the lines that it shows."""
    for body in blocks(page, "console"):
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            typed, _, shown = part.partition("\n")
            yield typed, [line for line in shown.splitlines() if line.strip()]


def plain(line: str) -> str:
    return " ".join(line.split())


def shows(printed: str, wanted: str) -> bool:
    """Say whether a line was printed; `…` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in plain(wanted).split("…"))
    return any(re.fullmatch(pattern, plain(line)) for line in printed.splitlines())


@pytest.fixture
async def slug(shop: Shop) -> str:
    await shop.customer("alice")
    (catalogue,) = blocks("change-a-subscription", "toml")
    await shop.stock(catalogue.encode())
    return (await shop.do(tenants.current)).slug


@pytest.fixture
async def migrating(shop: Shop) -> str:
    await shop.customer("alice")
    (catalogue,) = blocks("migrate-subscriptions", "toml")
    await shop.stock(catalogue.encode())
    await shop.subscribe("alice", "team")
    await shop.stock(catalogue.replace("20.00", "25.00").encode())
    return (await shop.do(tenants.current)).slug


def follow(solvent, page: str, tenant: str) -> None:
    """Type what a page shows, with the ids that were told last, and see what it shows."""
    known: dict[str, str] = {}
    for typed, shown in steps(page):
        filled = re.sub(r"\b(sub|add|chg|mig)_…", lambda found: known[found[1]], typed)
        printed = solvent.ok(*shlex.split(filled)[1:], "--tenant", tenant)
        known.update({found[1]: found[0] for found in ID.finditer(printed)})
        missing = [line for line in shown if not shows(printed, line)]
        assert not missing, f"{typed}\n{printed}"


def test_a_subscription_is_changed_as_the_page_says(solvent, slug: str) -> None:
    follow(solvent, "change-a-subscription", slug)


def test_subscriptions_are_migrated_as_the_page_says(solvent, migrating: str) -> None:
    follow(solvent, "migrate-subscriptions", migrating)


def test_the_table_of_seats_says_what_is_charged() -> None:
    (text,) = blocks("change-a-subscription", "toml")
    team = next(plan for plan in parse(text.encode()).plans if plan.key == "team")
    (seats,) = [price for price in team.terms.prices if price.per_seat]
    page = (PAGES / "change-a-subscription.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [\d to]+ June \| (\d+) \| (\d+) \| ([\d.]+) \|$", page, re.MULTILINE)
    assert len(rows) == 2
    for held, days, amount in rows:
        assert int(held) * seats.unit_rate * int(days) / 30 == int(amount.replace(".", ""))
