"""Can an operator sell and look after subscriptions from a terminal?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solvent.kernel.tenants import service as tenants

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = str(ROOT / "examples/catalogue.toml")


@pytest.fixture
async def slug(shop) -> str:
    await shop.create()
    return (await shop.do(tenants.current)).slug


def test_a_file_is_checked_without_a_server(solvent, tmp_path: Path) -> None:
    assert "ok: 1 products, 2 plans, 2 meters" in solvent.ok("catalogue", "check", EXAMPLE)
    bad = tmp_path / "bad.toml"
    bad.write_text('[products.a]\nnmae = "A"\n[plans.b]\nproduct = "c"\n', encoding="utf-8")
    code, out, err = solvent("catalogue", "check", str(bad))
    assert (code, out) == (2, "")
    told = err.splitlines()
    assert told[0].startswith("bad.toml:2: products.a.nmae: expected one of description, name")
    assert any(line.startswith("bad.toml:4: plans.b.product: ") for line in told)


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_file_that_cannot_be_read_is_named(solvent, tmp_path: Path, name: str) -> None:
    code, _, err = solvent("catalogue", "check", str(tmp_path / name))
    assert code == 2
    assert "FILE" in err


def test_a_catalogue_is_tried_applied_and_shown(solvent, slug: str) -> None:
    tried = solvent.ok("catalogue", "apply", EXAMPLE, "--dry-run", "--tenant", slug)
    assert "~ plan pro (version 2, new)" in tried
    assert "- product mail" in tried
    assert "(dry run: nothing was kept)" in tried
    applied = solvent.ok("catalogue", "apply", EXAMPLE, "--tenant", slug, "--json")
    assert json.loads(applied)["dry_run"] is False
    shown = solvent.ok("catalogue", "show", "--tenant", slug)
    assert "logs\tpro\t2\tmonth\tbase: 29.00 USD; logs: graduated, 3 tiers" in shown
    plans = json.loads(solvent.ok("catalogue", "show", "--tenant", slug, "--json"))["plans"]
    assert {plan["key"] for plan in plans} >= {"pro", "team"}


def test_subscriptions_are_listed_shown_and_ended(solvent, slug: str) -> None:
    listed = json.loads(solvent.ok("subscription", "list", "-c", "alice", "-t", slug, "--json"))
    (id_,) = [one["id"] for one in listed]
    assert f"{id_}\t" in solvent.ok("subscription", "list", "--tenant", slug)
    assert "plan_expires_at" in solvent.ok("subscription", "show", id_, "--tenant", slug)
    later = solvent.ok(
        "subscription", "cancel", id_, "--at", "period_end", "--tenant", slug, "--json"
    )
    assert json.loads(later)["cancel_at"] == "2026-02-15T10:00:00Z"
    tried = solvent.ok("subscription", "cancel", id_, "--tenant", slug, "--dry-run", "--json")
    assert json.loads(tried)["status"] == "canceled"
    assert id_ not in solvent.ok(
        "subscription", "list", "--status", "canceled", "--tenant", slug, "--json"
    )
    solvent.ok("subscription", "cancel", id_, "--tenant", slug)
    gone = solvent.ok("subscription", "list", "--status", "canceled", "--tenant", slug)
    assert id_ in gone


def test_a_subscription_is_tried_and_moved_to_another_zone(solvent, slug: str) -> None:
    """What the page about changing a subscription does not show."""

    def run(*arguments: str) -> dict:
        return json.loads(solvent.ok("subscription", *arguments, "--tenant", slug, "--json"))

    (id_,) = [one["id"] for one in run("list")]
    tried = run("change-plan", id_, "team", "--dry-run")
    assert (tried["plan"], run("show", id_)["plan"]) == ("team", "pro")
    assert run("change-time-zone", id_, "Europe/Paris")["time_zone"] == "Europe/Paris"
    code, _, err = solvent("subscription", "change-quantity", id_, "7", "--tenant", slug)
    assert code == 2
    assert "the plan sells no seats" in err
    assert solvent("addon", "list", id_, "--tenant", slug) == (0, "", "No add-ons.\n")


def test_what_is_not_there_is_told(solvent, slug: str) -> None:
    code, out, err = solvent("subscription", "show", "sub_1", "--tenant", slug)
    assert (code, out) == (1, "")
    assert "There is no such subscription" in err


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["cancel", "sub_1", "--at", "tomorrow"], "--at"),
        (["list", "--status", "happy"], "--status"),
        (["list", "--limit", "0"], "--limit"),
    ],
)
def test_a_wrong_argument_is_named(solvent, slug: str, arguments: list[str], told: str) -> None:
    code, out, err = solvent("subscription", *arguments, "--tenant", slug)
    assert code == 2
    assert out == ""
    assert told in err
