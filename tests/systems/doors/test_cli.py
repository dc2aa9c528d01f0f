"""Does the terminal show what could not be counted, and let it count?"""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from solvent.kernel.tenants import service as tenants
from solvent.systems.doors import service
from solvent.systems.doors.model import Door
from solvent.systems.doors.rules.readers import read_again


@pytest_asyncio.fixture(loop_scope="session")
async def slug(business) -> str:
    """The business's slug, with three events that cannot be counted."""
    events = [
        {"transaction_id": "a", "external_subscription_id": "sub-1", "code": "calls"},
        {"transaction_id": "b", "external_subscription_id": "acme", "code": "Requests"},
        {"transaction_id": "c", "external_subscription_id": "acme", "code": "calls"},
    ]
    told = [one | {"timestamp": 1_768_000_000, "properties": {"n": 2}} for one in events]
    told[2]["properties"] = {"n": "many"}
    sent = [read_again(Door.LAGO, json.dumps(one).encode()) for one in told]
    await business.do(lambda ctx: service.take(ctx, Door.LAGO, sent))
    return (await business.do(tenants.current)).slug


def test_letters_are_shown_and_replayed_once_names_are_known(slug, solvent):
    tenant = ("--tenant", slug)
    listed = json.loads(solvent.ok("usage", "dead", "list", "--json", *tenant))
    letters = {one["event_id"]: one for one in listed}
    assert {one["reason"] for one in listed} == {
        "doors.customer_unknown",
        "metering.meter_unknown",
        "metering.value_malformed",
    }
    assert "doors.customer_unknown" in solvent.ok("usage", "dead", "list", *tenant)
    assert "sub-1" in solvent.ok("usage", "dead", "show", letters["a"]["id"], *tenant)
    solvent.ok("door", "customer", "set", "lago", "sub-1", "acme", *tenant)
    solvent.ok("door", "meter", "set", "lago", "Requests", "calls", *tenant)
    dry = solvent.ok("usage", "dead", "replay", "--dry-run", *tenant)
    assert dry.startswith("2 would be recorded")
    told = solvent.ok("usage", "dead", "replay", *tenant)
    assert told.splitlines() == [
        "2 recorded, 0 were known",
        "1 still dead: metering.value_malformed",
    ]
    again = json.loads(solvent.ok("usage", "dead", "replay", "--json", *tenant))
    assert (again["recorded"], again["still_dead"]) == (0, 1)
    assert solvent("usage", "dead", "discard", *tenant)[0] == 2
    assert solvent.ok("usage", "dead", "discard", "--all", "--dry-run", *tenant).startswith("1")
    assert solvent.ok("usage", "dead", "discard", letters["c"]["id"], *tenant).startswith("1")
    assert "No dead letters" in solvent("usage", "dead", "list", *tenant)[2]
    assert solvent("usage", "dead", "show", "dle_x", *tenant)[0] == 1


def test_names_are_said_listed_and_forgotten(slug, solvent, tmp_path):
    tenant = ("--tenant", slug)
    file = tmp_path / "names.csv"
    file.write_text("cus_1,acme\ncus_2,globex\n", encoding="utf-8")
    assert solvent.ok("door", "customer", "import", "stripe", str(file), *tenant).startswith("2")
    listed = json.loads(solvent.ok("door", "customer", "list", "stripe", "--json", *tenant))
    assert {one["name"]: one["customer"] for one in listed} == {"cus_1": "acme", "cus_2": "globex"}
    solvent.ok("door", "customer", "remove", "stripe", "cus_2", *tenant)
    assert "cus_2" not in solvent.ok("door", "customer", "list", "stripe", *tenant)
    words = ("--value", "$.tokens", "--dimension", "model=$.model")
    solvent.ok("door", "meter", "set", "openmeter", "prompt", "calls", *words, *tenant)
    listed = json.loads(solvent.ok("door", "meter", "list", "--json", *tenant))
    assert listed == [
        {
            "door": "openmeter",
            "event": "prompt",
            "meter": "calls",
            "value_path": "$.tokens",
            "dimensions": {"model": "$.model"},
        }
    ]
    assert "prompt" in solvent.ok("door", "meter", "list", *tenant)
    solvent.ok("door", "meter", "remove", "openmeter", "prompt", *tenant)
    assert json.loads(solvent.ok("door", "meter", "list", "--json", *tenant)) == []


@pytest.mark.parametrize(
    "content, place", [(b"a\n", "line 1"), (b"a,b\n,c\n", "line 2"), (b"\xff,a\n", "file")]
)
def test_an_odd_file_names_its_line(slug, solvent, tmp_path, content, place):
    file = tmp_path / "names.csv"
    file.write_bytes(content)
    code, _, told = solvent("door", "customer", "import", "lago", str(file), "--tenant", slug)
    assert (code, place in told) == (2, True)


def test_what_is_no_name_is_refused(slug, solvent):
    tenant = ("--tenant", slug)
    assert solvent("door", "customer", "set", "paypal", "a", "b", *tenant)[0] == 2
    assert solvent("door", "customer", "remove", "lago", "nothing", *tenant)[0] == 1
    odd = ("door", "meter", "set", "lago", "x", "calls")
    assert solvent(*odd, "--dimension", "model", *tenant)[0] == 2
    assert solvent(*odd, "--value", "tokens", *tenant)[0] == 2
    missing = "/nothing/here.csv"
    assert solvent("door", "customer", "import", "lago", missing, *tenant)[0] == 2
