"""Do the pages about invoices, late usage, imports and simulations do what they say?"""

from __future__ import annotations

import asyncio
import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest

from solvent.app.testing import EPOCH, Terminal
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import UsageEvent
from solvent.kernel.tenants import service as tenants
from solvent.systems.billing.testing import Shop

PAGES = Path(__file__).resolve().parents[3] / "docs/howto"
MONTH = timedelta(days=31)


def blocks(page: str, kind: str) -> list[str]:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def shop(edge, tenant_id, solvent: Terminal, monkeypatch, tmp_path) -> Shop:
    """An empty shop that commands mean by default, and a directory to be in."""
    made = Shop(edge, tenant_id)
    monkeypatch.setenv("SOLVENT_TENANT", (await made.do(tenants.current)).slug)
    monkeypatch.chdir(tmp_path)
    return made


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


def read(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


async def said_by(solvent: Terminal, command: str) -> tuple[int, str, str]:
    program, *words = shlex.split(command)
    assert program == "solvent"
    return await asyncio.to_thread(solvent, *words)


async def use(shop: Shop, id: str, value: str, at) -> None:
    event = UsageEvent(id=id, customer_ref="alice", meter_key="gb", at=at, value=value)
    await shop.do(lambda ctx: metering.record(ctx, [event]))


async def month_over(shop: Shop, catalogue: str, **used: str) -> None:
    """Let alice hold the plan pro for a month, with this usage, and be charged for it."""
    await shop.stock(catalogue.encode())
    await shop.customer("alice")
    held = await shop.subscribe("alice")
    for id, value in used.items():
        await use(shop, id.replace("_", "-"), value, EPOCH)
    await shop.move_clock(EPOCH + MONTH + timedelta(hours=1))
    await shop.bill(held.id, (await shop.renew(held.id))[0])


async def test_late_usage(shop: Shop, solvent: Terminal) -> None:
    (catalogue,) = blocks("late-usage", "toml")
    await month_over(shop, catalogue, upload_17="90", upload_18="30")
    outputs = [
        await said_by(solvent, command)
        for block in blocks("late-usage", "sh")
        for command in block.splitlines()
    ]
    assert [code for code, _, _ in outputs] == [0] * 6
    tried, _, amended, history, late, rebuilt = [out for _, out, _ in outputs]
    assert "11000\t3000\tcorrected on the next invoice" in tried
    assert "counts as  2.5" in amended
    assert "megabytes, not gigabytes" in history
    assert late.count("corrected on the next invoice") == 2
    assert "1 of 1 invoices derived again to the same bytes" in rebuilt


async def test_explain_an_invoice(shop: Shop, solvent: Terminal) -> None:
    (catalogue,) = blocks("late-usage", "toml")
    await month_over(shop, catalogue, upload_17="90", upload_18="20")
    outputs = [
        await said_by(solvent, command)
        for block in blocks("explain-an-invoice", "sh")
        for command in block.splitlines()
    ]
    assert [code for code, _, _ in outputs] == [0] * 4
    shown, events, as_json, rebuilt = [out for _, out, _ in outputs]
    (promised,) = blocks("explain-an-invoice", "text")
    assert [line for line in promised.splitlines() if line not in shown.splitlines()] == []
    assert [line.split("\t")[1] for line in events.splitlines()] == [
        "event",
        "upload-17",
        "upload-18",
    ]
    assert '"counted": "90"' in as_json
    assert "1 of 1 invoices derived again to the same bytes" in rebuilt


async def test_import_usage(shop: Shop, solvent: Terminal) -> None:
    (catalogue,) = blocks("import-usage", "toml")
    await shop.stock(catalogue.replace("accept_days = 5\n", "").encode())
    write("usage.jsonl", blocks("import-usage", "json")[0])
    write("usage.csv", blocks("import-usage", "csv")[0])
    plain, windowed = [block.splitlines() for block in blocks("import-usage", "sh")]
    for command, accepted in zip(plain, (2, 2, 1), strict=True):
        code, out, _ = await said_by(solvent, command)
        assert (code, f"accepted    {accepted}" in out) == (0, True)
    await shop.stock(catalogue.encode())
    old = read("usage.jsonl").replace("jan-", "old-")
    write("usage.jsonl", old)
    assert (await said_by(solvent, windowed[2]))[0] == 1  # no window is open yet
    opened, *imports, finish = windowed
    window = re.search(r"win_\w+", (await said_by(solvent, opened))[1])
    assert window is not None
    for command in (*imports, finish.replace("win_…", window[0])):
        assert (await said_by(solvent, command))[0] == 0


async def test_simulate_a_price(shop: Shop, solvent: Terminal) -> None:
    (catalogue,) = blocks("simulate-a-price", "toml")
    write("new.toml", catalogue)
    await month_over(shop, catalogue.replace('"0.08"', '"0.10"'), upload="500")
    preview, under_big, new_prices, as_json = [
        await said_by(solvent, command)
        for block in blocks("simulate-a-price", "sh")
        for command in block.splitlines()
    ]
    assert {code for code, _, _ in (preview, under_big, new_prices, as_json)} == {0}
    assert "Plan pro version 1" in preview[1]
    assert "40.00 USD" in under_big[1]
    assert "-10.00 USD" in new_prices[1].replace("\N{MINUS SIGN}", "-")
    assert '"delta_minor": -2200' in as_json[1]
    assert len(read("simulation.csv").splitlines()) == 2
