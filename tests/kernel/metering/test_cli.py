"""Can usage be sent, imported, looked at and measured from a terminal?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solvent.app.testing import Terminal
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR, Edge
from solvent.kit.ids import TenantId


@pytest.fixture
async def slug(edge: Edge, tenant_id: TenantId) -> str:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return (await tenants.current(ctx)).slug


@pytest.fixture
def stocked(solvent: Terminal, slug: str) -> str:
    words = ("define", "gb", "--aggregation", "sum", "--unit", "GB", "--tenant", slug)
    assert "meter gb is defined" in solvent.ok("meter", *words)
    return slug


def line(id: str, value: object = 1, **more: object) -> str:
    at = "2026-01-15T10:00:00Z"
    event = {"id": id, "meter": "gb", "customer": "alice", "at": at, "value": value} | more
    return json.dumps(event) + "\n"


def told(text: str) -> dict[str, str]:
    return dict(one.split() for one in text.splitlines())


def test_one_event_is_sent_once(solvent: Terminal, stocked: str) -> None:
    words = ("usage", "send", "2.5", "-c", "alice", "-m", "gb", "--id", "a", "--tenant", stocked)
    tried = told(solvent.ok(*words, "--dry-run"))
    assert tried["accepted"] == "1"
    assert told(solvent.ok(*words))["accepted"] == "1"
    assert told(solvent.ok(*words))["duplicates"] == "1"
    listed = json.loads(solvent.ok("usage", "list", "--tenant", stocked, "--json"))
    assert [(one["id"], one["value"]) for one in listed] == [("a", "2.5")]


def test_a_file_is_imported_whole_and_only_once(
    solvent: Terminal, stocked: str, tmp_path: Path
) -> None:
    file = tmp_path / "usage.jsonl"
    file.write_text("".join(line(str(n)) + "\n" for n in range(1500)), encoding="utf-8")
    assert told(solvent.ok("usage", "import", str(file), "-t", stocked))["accepted"] == "1500"
    assert told(solvent.ok("usage", "import", str(file), "-t", stocked))["duplicates"] == "1500"
    words = ("-c", "alice", "-m", "gb", "--start", "2026-01-15T00:00:00Z", "-t", stocked)
    measured = solvent.ok("usage", "measure", *words, "--end", "2026-01-16T00:00:00Z", "--json")
    assert json.loads(measured)["quantity"] == "1500"


@pytest.mark.parametrize(
    "bad, told",
    [
        (line("b", -1), "line 3: value"),
        (line("b", at="today"), "line 3: at"),
        ("{\n", "line 3"),
        (line("b", meter="none"), "line 3: meter"),
        (line("a", 2), "a"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_kept(
    solvent: Terminal, stocked: str, tmp_path: Path, bad: str, told: str
) -> None:
    file = tmp_path / "usage.jsonl"
    file.write_text(line("a") + "\n" + bad + line("c"), encoding="utf-8")
    code, out, err = solvent("usage", "import", str(file), "-t", stocked)
    assert (code in {1, 2}, out) == (True, "")
    assert told in err
    assert json.loads(solvent.ok("usage", "list", "-t", stocked, "--json")) == []


def test_all_events_are_exported(solvent: Terminal, stocked: str, tmp_path: Path) -> None:
    file, out = tmp_path / "usage.jsonl", tmp_path / "usage.csv"
    file.write_text("".join(line(str(n)) for n in range(600)), encoding="utf-8")
    solvent.ok("usage", "import", str(file), "-t", stocked)
    solvent.ok("usage", "export", str(out), "-t", stocked)
    rows = out.read_text(encoding="utf-8").splitlines()
    assert (rows[0], len(rows)) == ("at,customer,meter,value,id,received_at", 601)
    assert rows[1].startswith("2026-01-15T10:00:00Z,alice,gb,1,")
    assert "gb\tgb\tsum\tGB\tvalue" in solvent.ok("meter", "list", "-t", stocked)


@pytest.mark.parametrize(
    "words, told",
    [
        (("usage", "import", "none.jsonl"), "FILE"),
        (("usage", "send", "x", "-c", "a", "-m", "gb"), "value"),
        (("usage", "send", "1", "-c", "a", "-m", "gb", "--at", "now"), "--at"),
        (("meter", "define", "GB", "--aggregation", "sum"), "key"),
        (("meter", "define", "gb2", "--aggregation", "median"), "--aggregation"),
    ],
)
def test_odd_words_end_with_exit_code_two(solvent: Terminal, stocked: str, words, told) -> None:
    code, out, err = solvent(*words, "--tenant", stocked)
    assert (code, out) == (2, "")
    assert told in err
