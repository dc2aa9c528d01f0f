"""Can usage be sent, imported, looked at and measured from a terminal?"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from solvent.app.testing import Terminal
from solvent.kernel.metering.importing import progress_of
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
        (line("b", -1), "value"),
        (line("b", at="today"), "at"),
        ("{\n", "BODY"),
        ('{"id": "b"}\n', "meter"),
        (line("b", meter="none"), "meter"),
        (line("a", 2), "id"),
    ],
)
def test_a_bad_line_is_reported_and_keeps_no_other_out(
    solvent: Terminal, stocked: str, tmp_path: Path, bad: str, told: str
) -> None:
    file = tmp_path / "usage.jsonl"
    file.write_text(line("a") + "\n" + bad + line("c"), encoding="utf-8")
    code, out, err = solvent("usage", "import", str(file), "-t", stocked)
    assert (code, "accepted    2" in out, "rejected    1" in out) == (1, True, True)
    report = tmp_path / "usage.jsonl.rejected.jsonl"
    assert str(report) in err
    (refused,) = [json.loads(one) for one in report.read_text(encoding="utf-8").splitlines()]
    assert refused["line"] == 3
    assert refused["row"] + "\n" == bad
    assert told in {refused["field"], "BODY"} or refused["code"] == "metering.body_not_json"
    again = solvent("usage", "import", str(file), "-t", stocked)[1]
    assert "duplicates  2" in again


def test_an_import_goes_on_where_it_was_left(
    solvent: Terminal, stocked: str, tmp_path: Path
) -> None:
    """The state of a run that was broken off after its second batch."""
    file = tmp_path / "usage.jsonl"
    file.write_text("".join(line(str(n)) for n in range(2500)), encoding="utf-8")
    begun = progress_of(file, tmp_path / "none")
    replace(begun, line=2000, accepted=1999, rejected=1).write(tmp_path / "usage.jsonl.import.json")
    code, out, err = solvent("usage", "import", str(file), "-t", stocked)
    assert (code, "going on after line 2000" in err) == (1, True)
    assert "accepted    2499" in out
    assert not (tmp_path / "usage.jsonl.import.json").exists()
    listed = json.loads(solvent.ok("usage", "list", "-t", stocked, "--json", "--limit", "1"))
    assert listed[0]["id"] == "2000"
    replace(begun, line=2000).write(tmp_path / "usage.jsonl.import.json")
    told_ = told(solvent.ok("usage", "import", str(file), "-t", stocked, "--afresh"))
    assert (told_["accepted"], told_["duplicates"]) == ("2000", "500")
    file.write_text(line("another file"), encoding="utf-8")
    replace(begun, line=2000).write(tmp_path / "usage.jsonl.import.json")
    assert told(solvent.ok("usage", "import", str(file), "-t", stocked))["accepted"] == "1"


def test_a_sheet_is_imported_as_it_was_exported(
    solvent: Terminal, stocked: str, tmp_path: Path
) -> None:
    sheet = tmp_path / "usage.csv"
    sheet.write_text(
        "at,customer,meter,value,id,received_at,properties.region\n"
        "2026-01-15T10:00:00Z,alice,gb,1.5,a,,eu\n"
        "2026-01-15T10:00:00Z,alice,gb,x,b,,\n"
        "2026-01-15T10:00:00Z,alice,gb\n"
        "2026-01-15T10:00:00Z,bob,gb,7,c,,\n",
        encoding="utf-8",
    )
    code, out, _ = solvent("usage", "import", str(sheet), "-t", stocked)
    assert (code, "accepted    2" in out, "rejected    2" in out) == (1, True, True)
    listed = json.loads(solvent.ok("usage", "list", "-t", stocked, "--json"))
    assert [(one["value"], one["properties"]) for one in listed] == [
        ("1.5", {"region": "eu"}),
        ("7", {}),
    ]
    solvent.ok("usage", "export", str(sheet), "-c", "bob", "-t", stocked)
    assert told(solvent.ok("usage", "import", str(sheet), "-t", stocked))["duplicates"] == "1"
    sheet.write_text("at,customer,meters\n", encoding="utf-8")
    code, _, err = solvent("usage", "import", str(sheet), "-t", stocked)
    assert (code, "no column id, meter" in err) == (2, True)


def test_a_dry_run_keeps_nothing(solvent: Terminal, stocked: str, tmp_path: Path) -> None:
    file = tmp_path / "usage.jsonl"
    file.write_text(line("a") + line("b", -1), encoding="utf-8")
    code, out, err = solvent("usage", "import", str(file), "-t", stocked, "--dry-run")
    assert (code, "accepted    1" in out) == (1, True)
    assert "dry run: nothing was kept" in err
    assert "metering.value_malformed" in err
    assert sorted(tmp_path.iterdir()) == [file]
    assert json.loads(solvent.ok("usage", "list", "-t", stocked, "--json")) == []


def test_usage_is_taken_back_put_right_and_restored(solvent: Terminal, stocked: str) -> None:
    send = ("usage", "send", "2.5", "-c", "alice", "-m", "gb", "--id", "a", "-t", stocked)
    solvent.ok(*send, "--at", "2026-01-15T10:00:00Z")
    why = ("--reason", "misread", "-t", stocked)
    tried = solvent("usage", "amend", "a", "--value", "3", *why, "--dry-run")
    assert (tried[0], "dry run" in tried[2]) == (0, True)
    said = told(solvent.ok("usage", "amend", "a", "--value", "3", *why).replace("counts as", "now"))
    assert (said["event"], said["now"]) == ("a", "3")
    history = json.loads(solvent.ok("usage", "history", "a", "--json", "-t", stocked))
    assert (history["event"]["value"], history["counted"], history["state"]) == (
        "2.5",
        "3",
        "amended",
    )
    solvent.ok("usage", "undo", said["overlay"], *why)
    solvent.ok("usage", "void", "a", *why)
    assert "voided" in solvent.ok("usage", "history", "a", "-t", stocked)
    assert solvent("usage", "void", "a", *why)[0] == 1
    assert solvent("usage", "amend", "a", "--property", "x", *why)[0] == 2
    span = ("--start", "2026-01-01T00:00:00Z", "--end", "2026-01-02T00:00:00Z")
    opened = solvent.ok("usage", "window", "open", "gb", *span, *why).split()[1]
    assert "open" in solvent.ok("usage", "window", "list", "-t", stocked)
    solvent.ok("usage", "window", "finish", opened, "-t", stocked)


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
