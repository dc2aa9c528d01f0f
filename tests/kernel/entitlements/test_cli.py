"""Can what a customer may use be asked and used up from a terminal?"""

from __future__ import annotations

import json

import pytest

from solvent.app.testing import Terminal
from solvent.kernel.tenants import service as tenants


@pytest.fixture
async def slug(shop) -> str:
    await shop.subscribe("alice", "pro")
    async with shop.open() as ctx:
        return (await tenants.current(ctx)).slug


def test_a_check_answers_and_exits(solvent: Terminal, slug: str) -> None:
    words = ("entitlement", "check", "alice", "-f", "seats", "-t", slug)
    assert json.loads(solvent.ok(*words, "--json"))["remaining"] == "10"
    code, out, _ = solvent(*words, "-q", "11")
    assert code == 1
    assert "quota_exhausted" in out
    assert solvent("entitlement", "check", "nobody", "-t", slug)[0] == 1


def test_a_quota_is_used_up_once_a_key_and_tried_without(solvent: Terminal, slug: str) -> None:
    words = ("entitlement", "consume", "alice", "-f", "seats", "-q", "4", "-t", slug, "--json")
    assert json.loads(solvent.ok(*words, "--dry-run"))["remaining"] == "6"
    for _ in range(2):
        assert json.loads(solvent.ok(*words, "--key", "job"))["remaining"] == "6"


def test_a_record_is_shown(solvent: Terminal, slug: str) -> None:
    shown = solvent.ok("entitlement", "show", "alice", "-t", slug)
    assert "seats\t0\t10\tlogs" in shown
    assert json.loads(solvent.ok("entitlement", "show", "alice", "-t", slug, "--json"))["revision"]
    code, _, err = solvent("entitlement", "show", "nobody", "-t", slug)
    assert (code, "there never was a subscription" in err) == (1, True)


@pytest.mark.parametrize("quantity", ["x", "0", "NaN"])
def test_an_odd_quantity_ends_with_exit_code_two(solvent, slug: str, quantity: str) -> None:
    code, out, err = solvent("entitlement", "check", "alice", "-q", quantity, "-t", slug)
    assert (code, out) == (2, "")
    assert "quantity" in err
