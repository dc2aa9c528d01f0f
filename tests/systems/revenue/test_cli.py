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


def test_numbers_are_tables(lived: Founder, solvent: Terminal) -> None:
    january, february = cells(solvent.ok("revenue", "mrr", *SPAN))[1:]
    assert january[:3] == ["2026-01", "0.00 USD", "25.00 USD"]
    assert february[5] == "-15.00 USD"
    assert february[7:] == ["10.00 USD", "120.00 USD", "1"]
    churned = cells(solvent.ok("revenue", "churn", *SPAN))[2]
    assert churned[:4] == ["2026-02", "2", "1", "50 %"]
    kept = cells(solvent.ok("revenue", "retention", *SPAN))[2]
    assert kept[2:7] == ["40 %", "40 %", "10.00 USD", "0", "20.00 USD"]
    (cohort,) = cells(solvent.ok("revenue", "cohorts", *SPAN, "--mrr"))[1:]
    assert cohort == ["2026-01", "25.00 USD", "100 %", "40 %"]
    earned = cells(solvent.ok("revenue", "recognition", *SPAN))[1:]
    assert [row[3] for row in earned] == ["5.61 USD", "9.24 USD"]
    plans = cells(solvent.ok("revenue", "mrr", *SPAN, "--plans"))[1:]
    assert [row[0] for row in plans] == ["yearly", "small"]


def test_every_number_explains_itself(lived: Founder, solvent: Terminal) -> None:
    out = solvent.ok("revenue", "explain", "2026-02")
    assert "2026-02: 25.00 USD - 15.00 USD churn = 10.00 USD, 1 customers" in out
    assert "churn\t-15.00 USD\tann\tsmall@1" in out
    assert "9.24 USD\t105.15 USD\t120.00 USD\tfee\tinv_" in out
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
