"""Can an operator list, print and prove invoices and books at the terminal?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from solvent.app.cli import main
from solvent.app.supervisor.engines import Engines
from solvent.kernel.ledger.model import Invoice
from solvent.kernel.subscriptions.model import Subscription
from solvent.systems.billing.testing import Shop

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def solvent(
    shop: Shop,
    engines: Engines,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Run:
    """Runs `solvent … --tenant SHOP` beside the running engines."""
    for name in ("SOLVENT_DATA_DIR", "SOLVENT_CONFIG"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("SOLVENT_TENANT", shop.tenant_id)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            main(["--data", str(engines.layout.data), *arguments])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_invoices_are_listed(solvent: Run, invoice: Invoice) -> None:
    code, out, _ = solvent("invoice", "list", "--customer", "globex", "--status", "final")
    assert code == 0
    assert out.splitlines()[1].split("\t")[:2] == ["INV-000001", "final"]
    code, out, _ = solvent("invoice", "list", "--json")
    assert json.loads(out)[0]["due_minor"] == 110_00
    code, _, err = solvent("invoice", "list", "--status", "paid")
    assert (code, err) == (0, "No invoices yet.\n")


def test_an_invoice_is_shown_with_its_explanation(solvent: Run, invoice: Invoice) -> None:
    code, out, _ = solvent("invoice", "show", "INV-000001")
    assert code == 0
    for words in (
        invoice.id,
        "Logs, GB: 120, 110.00 USD",
        "up to 100: 100 at 1.00",
        "above 100: 20 at 0.50",
        "2 events of meter log_gb, first use-1, last use-2",
        "total 139.00 USD",
    ):
        assert words in out
    code, out, _ = solvent("invoice", "show", "1", "--json")
    assert json.loads(out)["digest"] == invoice.digest


def test_the_events_of_each_line_are_listed(solvent: Run, invoice: Invoice) -> None:
    code, out, err = solvent("invoice", "events", "INV-000001")
    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, [(row[0], row[1], row[3]) for row in rows[1:]]) == (
        0,
        [("2", "use-1", "100"), ("2", "use-2", "20")],
    )
    assert err == "line 2, Logs, GB: 2 events, all that it counts\n"
    code, out, _ = solvent("invoice", "events", "1", "--line", "2", "--json")
    (line,) = json.loads(out)
    assert (code, line["complete"], len(line["events"])) == (0, True, 2)
    code, _, err = solvent("invoice", "events", "1", "--line", "9")
    assert (code, "no such line" in err) == (1, True)


def test_an_invoice_is_written_as_pdf_once(solvent: Run, invoice: Invoice) -> None:
    code, out, _ = solvent("invoice", "pdf", "1")
    assert (code, out) == (0, "INV-000001.pdf\n")
    assert Path("INV-000001.pdf").read_bytes().startswith(b"%PDF")
    code, _, err = solvent("invoice", "pdf", "1")
    assert (code, "there is a file" in err.lower()) == (1, True)
    assert solvent("invoice", "pdf", "1", "--force")[0] == 0
    code, _, err = solvent("invoice", "pdf", "1", "--out", "no/such/folder.pdf")
    assert (code, "--out" in err) == (2, True)


@pytest.mark.parametrize("name, code", [("nonsense", 2), ("7", 1), ("inv_x", 1)])
def test_an_invoice_that_is_none_is_said_plainly(solvent: Run, name: str, code: int) -> None:
    ended, out, err = solvent("invoice", "show", name)
    assert (ended, out) == (code, "")
    assert err.startswith("solvent: ")


def test_invoices_are_derived_again(solvent: Run, invoice: Invoice) -> None:
    code, out, _ = solvent("invoice", "rebuild", "--verify")
    assert code == 0
    assert f"INV-000001  {invoice.digest}  identical" in out
    assert "1 of 1 invoices derived again to the same bytes" in out
    code, out, _ = solvent("invoice", "rebuild", "1", "--verify", "--json")
    assert (code, json.loads(out)[0]["identical"]) == (0, True)


@pytest.fixture
async def late(shop: Shop, invoice: Invoice) -> None:
    """One more use, after the invoice of its period was final."""
    await shop.use("1", invoice.draft.period_start, id="late")


def test_late_usage_is_told_by_verification(solvent: Run, invoice: Invoice, late: None) -> None:
    code, out, _ = solvent("invoice", "rebuild", "--verify")
    assert code == 0
    assert "identical  (1 late events, not charged)" in out


@pytest.fixture
async def gone(shop: Shop, invoice: Invoice, engines: Engines) -> None:
    """One use less than the invoice counts: somebody deleted it behind our back."""
    connection = await asyncpg.connect(engines.access.postgres.owner_dsn)
    await connection.execute(
        "delete from metering_event where tenant_id = $1 and id = 'use-2'", shop.tenant_id
    )
    await connection.close()


def test_lost_usage_fails_verification(solvent: Run, invoice: Invoice, gone: None) -> None:
    code, out, _ = solvent("invoice", "rebuild", "--verify")
    assert (code, "DIFFERS" in out) == (1, True)
    assert "lines.2.evidence.event_count: 2 -> 1" in out
    assert solvent("invoice", "rebuild")[0] == 0
    code, _, err = solvent("invoice", "events", "1")
    assert (code, "1 events, NOT those that it counts" in err) == (1, True)


def test_a_running_period_is_previewed(solvent: Run, held: Subscription) -> None:
    code, out, _ = solvent("invoice", "preview", held.id)
    assert (code, "total 29.00 USD" in out) == (0, True)
    code, out, _ = solvent("invoice", "preview", held.id, "--json")
    assert json.loads(out)["total_minor"] == 2900


def test_the_books_are_proved_and_balances_shown(solvent: Run, invoice: Invoice) -> None:
    code, out, _ = solvent("ledger", "verify")
    assert (code, out) == (0, "ledger: ok (3 transactions, 1 invoices, 1 payments)\n")
    code, out, _ = solvent("ledger", "verify", "--json")
    assert json.loads(out)["sound"] is True
    code, out, _ = solvent("ledger", "balance", "globex")
    assert f"receivable:{invoice.draft.customer_id}\t110.00 USD" in out
    code, out, _ = solvent("ledger", "balance", "--json")
    accounts = {one["account"]: one["balance"] for one in json.loads(out)}
    assert (accounts["cash"], accounts["revenue"]) == ("29.00 USD", "-139.00 USD")
    code, _, err = solvent("ledger", "balance", "nobody")
    assert (code, err.startswith("solvent: ")) == (1, True)


def test_the_seller_is_stated_and_shown(solvent: Run, shop: Shop) -> None:
    code, _, err = solvent("seller", "show")
    assert (code, "has not been stated" in err) == (1, True)
    base = ("seller", "set", "--name", "Acme GmbH", "--country", "de", "--line", "Weg 1")
    code, out, _ = solvent(*base, "--tax-id", "DE 136695976", "--city", "Berlin", "--dry-run")
    assert code == 0
    assert "DE136695976" in out
    assert solvent("seller", "show")[0] == 1
    assert solvent(*base, "--tax-id", "DE136695976", "--city", "Berlin")[0] == 0
    assert solvent("seller", "set", "--footer", "Thank you", "--tax-included")[0] == 0
    told = json.loads(solvent("seller", "show", "--json")[1])
    assert (told["entity"]["city"], told["entity"]["country"]) == ("Berlin", "DE")
    assert (told["paper"]["footer"], told["tax_included"]) == ("Thank you", True)
    code, _, err = solvent("seller", "set", "--tax-id", "DE1")
    assert (code, "tax_id" in err) == (2, True)


def test_a_logo_is_a_picture(solvent: Run, shop: Shop, tmp_path: Path) -> None:
    assert solvent("seller", "set", "--name", "Acme", "--country", "DE")[0] == 0
    picture = tmp_path / "logo.svg"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    code, out, _ = solvent("seller", "logo", str(picture))
    assert code == 0
    assert "logo" in out
    picture.write_text("no picture")
    assert solvent("seller", "logo", str(picture))[0] == 2
    assert solvent("seller", "logo", str(tmp_path / "none.png"))[0] == 2
    assert solvent("seller", "logo")[0] == 0


def test_tax_rates_and_buyers_are_stated(solvent: Run, shop: Shop) -> None:
    assert solvent("tax", "set", "ch", "0.081", "2024-01-01", "--name", "MWST")[0] == 0
    (stated,) = json.loads(solvent("tax", "rates", "--json")[1])
    assert stated == {
        "country": "CH",
        "valid_from": "2024-01-01",
        "rate": "8.1 %",
        "name": "MWST",
        "source": "stated",
    }
    assert len(json.loads(solvent("tax", "rates", "--eu", "--json")[1])) > 27
    for wrong in (("CH", "x", "2024-01-01"), ("CH", "0.1", "soon"), ("CH", "19", "2024-01-01")):
        assert solvent("tax", "set", *wrong)[0] == 2
    assert solvent("tax", "remove", "CH", "2024-01-01")[0] == 0
    assert solvent("tax", "remove", "CH", "2024-01-01")[0] == 1
    assert "DE136695976" in solvent("tax", "check", "de 136695976")[1]
    assert solvent("tax", "check", "DE136695977")[0] == 2
    assert solvent("tax", "customer", "globex", "--tax-id", "FR40303265045")[0] == 0
    told = json.loads(solvent("tax", "customer", "globex", "--json")[1])
    assert told["entity"]["country"] == "FR"


def test_an_e_invoice_is_written_or_says_why_not(
    solvent: Run, invoice: Invoice, tmp_path: Path
) -> None:
    code, _, err = solvent("invoice", "xml", "1")
    assert (code, "country is not stated" in err) == (1, True)
    assert list(tmp_path.iterdir()) == []
