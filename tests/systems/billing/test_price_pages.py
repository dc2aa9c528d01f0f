"""Does each page about a pricing model charge what it says, from its file to the invoice?"""

from __future__ import annotations

import asyncio
import re
import shlex
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pypdf
import pytest

from solvent.app.testing import Terminal
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice
from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.tenants import service as tenants
from solvent.systems.billing import printing, rules, service
from solvent.systems.billing.testing import Shop, at

PAGES = Path(__file__).resolve().parents[3] / "docs/howto"
USED = re.compile(r"import (\S+)")
NOVEMBER, DECEMBER = at("2026-11-01T00:00:00"), at("2026-12-01T00:00:00")


def blocks(page: str, kind: str) -> list[str]:
    text = (PAGES / f"price-{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


@pytest.fixture
async def shop(edge, tenant_id, solvent: Terminal, monkeypatch, tmp_path) -> Shop:
    """A shop in November that commands mean by default, and a directory to be in."""
    made = Shop(edge, tenant_id)
    monkeypatch.setenv("SOLVENT_TENANT", (await made.do(tenants.current)).slug)
    monkeypatch.chdir(tmp_path)
    await made.move_clock(NOVEMBER)
    await made.customer("alice", name="Alice")
    return made


async def begin(shop: Shop, page: str, plan: str) -> Subscription:
    """Apply the page's catalogue, and let alice subscribe; what it charges in advance is due."""
    (catalogue,) = blocks(page, "toml")
    write("catalogue.toml", catalogue)
    await shop.stock(catalogue.encode())
    held = await shop.subscribe("alice", plan)
    await shop.do(lambda ctx: service.open_period(ctx, held.id))
    await shop.move_clock(DECEMBER - timedelta(days=1))
    return held


async def follow(page: str, solvent: Terminal, held: Subscription) -> str:
    """Run the page's commands in their order; return what they printed."""
    commands = "".join(blocks(page, "sh"))
    for used, text in zip(USED.findall(commands), blocks(page, "json"), strict=True):
        write(used, text)
    told = ""
    for command in commands.replace("SUBSCRIPTION", held.id).splitlines():
        code, out, err = await asyncio.to_thread(solvent, *shlex.split(command)[1:])
        assert code == 0, (command, out, err)
        told += out
    return told


async def month_over(shop: Shop, held: Subscription) -> dict[str, str]:
    """Let November be over; return what each line of its invoices comes to, as it is printed."""
    await shop.move_clock(DECEMBER + timedelta(hours=1))
    await shop.bill(held.id, (await shop.renew(held.id))[0])
    found = await shop.do(ledger.list_invoices)
    return {title: amount for one in found for title, amount in (await printed(shop, one)).items()}


async def printed(shop: Shop, invoice: Invoice) -> dict[str, str]:
    """Return a line's amount by its title, having seen that both stand in the PDF."""
    pdf = await shop.do(lambda ctx: printing.print_invoice(ctx, invoice))
    text = "".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(pdf)).pages)
    lines = {
        one.description + "".join(f" ({value})" for _, value in one.group): rules.plain(
            one.amount_minor, invoice.draft.currency
        )
        for one in invoice.draft.lines
    }
    for words in (*lines, *lines.values(), "Alice"):
        assert words in text, (words, text)
    return lines


async def test_per_seat(shop: Shop, solvent: Terminal) -> None:
    """Ben's seat is given back within the month, which the minimum is for."""
    held = await begin(shop, "per-seat", "team")
    await follow("per-seat", solvent, held)
    assert await month_over(shop, held) == {"Seats": "18.00"}


async def test_by_usage(shop: Shop, solvent: Terminal) -> None:
    held = await begin(shop, "by-usage", "payg")
    await follow("by-usage", solvent, held)
    assert await month_over(shop, held) == {
        "Traffic in Europe": "0.26",
        "Traffic (us)": "1.00",
        "Our part of your sales": "3.10",
    }


@pytest.mark.parametrize(
    "plan, amount", [("fair", "100.50"), ("bulk", "55.50"), ("packs", "120.00")]
)
async def test_in_tiers(shop: Shop, solvent: Terminal, plan: str, amount: str) -> None:
    held = await begin(shop, "in-tiers", plan)
    calls = [
        f'{{"id": "call-{number}", "customer": "alice", "meter": "calls",'
        f' "at": "2026-11-02T10:00:00Z"}}\n'
        for number in range(101)
    ]
    write("calls.jsonl", "".join(calls))
    assert (await asyncio.to_thread(solvent, "usage", "import", "calls.jsonl"))[0] == 0
    assert list((await month_over(shop, held)).values()) == [amount]


async def test_with_credits(shop: Shop, solvent: Terminal) -> None:
    """The fee is due as the month begins; of the minutes, 20.00 are in the plan."""
    held = await begin(shop, "with-credits", "studio")
    told = await follow("with-credits", solvent, held)
    assert "25.00 USD" in told
    assert "Welcome" in told


async def test_hybrid(shop: Shop, solvent: Terminal) -> None:
    held = await begin(shop, "hybrid", "yearly")
    await follow("hybrid", solvent, held)
    charged = await month_over(shop, held)
    assert charged == {
        "Watch, a year": "290.00",
        "Support": "15.00",
        "Events beyond a million": "0.00",
        "Storage": "0.00",
        "Set-up": "150.00",
    }
