"""Can a founder read, prove and take along the numbers at the terminal?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from solvent.app.testing import Terminal
from solvent.systems.revenue.testing import Founder

SPAN = ("--from", "2026-01", "--to", "2026-02")


def cells(out: str) -> list[list[str]]:
    return [line.split("\t") for line in out.splitlines()]


def test_numbers_are_told_by_plan_and_by_money(lived: Founder, solvent: Terminal) -> None:
    """The other tables are those of the page: test_pages."""
    (cohort,) = cells(solvent.ok("revenue", "cohorts", *SPAN, "--mrr"))[1:]
    assert cohort == ["2026-01", "USD", "25.00 USD", "100 %", "40 %"]
    plans = cells(solvent.ok("revenue", "mrr", *SPAN, "--plans"))[1:]
    assert [row[0] for row in plans] == ["yearly", "small"]
    begun = cells(solvent.ok("revenue", "mrr"))[1:]
    assert [row[0] for row in begun] == ["2026-01", "2026-02"]


def test_every_number_explains_itself(lived: Founder, solvent: Terminal) -> None:
    told = json.loads(solvent.ok("revenue", "explain", "2026-02-03", "--json"))
    assert [one["kind"] for one in told["movements"]] == ["churn"]
    listed = cells(solvent.ok("revenue", "movements", *SPAN, "--kind", "new", "--limit", "1"))
    assert len(listed) == 2


@pytest.fixture
async def behind(lived: Founder) -> Founder:
    """One subscription more, of which no movement is known."""
    await lived.subscribe("cem", "small")
    return lived


def test_a_rebuild_verifies_and_repairs(behind: Founder, solvent: Terminal) -> None:
    code, out, err = solvent("revenue", "rebuild", "--verify")
    assert (code, out.count("is missing")) == (1, 1)
    assert "solvent revenue rebuild adds what is missing" in err
    solvent.ok("revenue", "rebuild")
    assert "what is kept is what history gives" in solvent.ok("revenue", "rebuild", "--verify")
    assert json.loads(solvent.ok("revenue", "rebuild", "--verify", "--json"))["same"] is True


def test_rates_and_policy_are_told(lived: Founder, solvent: Terminal, tmp_path: Path) -> None:
    code, _, err = solvent("revenue", "mrr", *SPAN, "--currency", "EUR")
    assert code == 1
    assert "solvent revenue rate set USD EUR 2026-01-15 RATE" in err
    file = tmp_path / "rates.toml"
    file.write_text("[USD.EUR]\n2026-01-15 = 0.5\n2026-02-01 = 0.25\n")
    solvent.ok("revenue", "rate", "import", str(file), "--dry-run")
    code, _, err = solvent("revenue", "rate", "list")
    assert (code, "No rates yet" in err) == (0, True)
    solvent.ok("revenue", "rate", "import", str(file))
    solvent.ok("revenue", "rate", "set", "USD", "EUR", "2026-01-15", "0.93")
    solvent.ok("revenue", "rate", "remove", "USD", "EUR", "2026-02-01")
    assert cells(solvent.ok("revenue", "rate", "list"))[1:] == [
        ["USD", "EUR", "2026-01-15", "0.93"]
    ]
    solvent.ok("revenue", "policy", "--currency", "EUR", "--time-zone", "Europe/Paris")
    assert cells(solvent.ok("revenue", "mrr", *SPAN))[2][7] == "9.30 EUR"
    assert "each currency by itself" in solvent.ok("revenue", "policy", "--currency", "each")


def test_tables_leave_as_csv(lived: Founder, solvent: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "movements.csv"
    solvent.ok("revenue", "export", "movements", *SPAN, "--out", str(out))
    assert out.read_bytes().count(b"\r\n") == 4
    code, _, err = solvent("revenue", "export", "mrr", "--out", str(out))
    assert (code, "there is a file" in err) == (1, True)


def test_bad_input_is_told(founder: Founder, solvent: Terminal, monkeypatch) -> None:
    monkeypatch.setenv("SOLVENT_TENANT", founder.tenant_id)
    assert "No recurring revenue yet" in solvent("revenue", "mrr")[2]
    assert "Nothing was invoiced yet" in solvent("revenue", "recognition")[2]
    code, _, err = solvent("revenue", "mrr", "--from", "soon")
    assert (code, "--from" in err) == (2, True)
    code, _, err = solvent("revenue", "rate", "set", "USD", "EUR", "today", "1")
    assert (code, "expected a day" in err) == (2, True)
    assert solvent("revenue", "rate", "import", "/nowhere.toml")[0] == 2
