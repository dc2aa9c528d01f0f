"""Do the commands of the how-to pages do what the pages say, from top to bottom?"""

import asyncio
import contextlib
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from solvent.app.cli import EngineDoor
from solvent.app.house import open_house
from solvent.app.settings import Settings
from solvent.kernel.tenants import service as tenants
from solvent.kit.cli import use_opener
from solvent.kit.errors import SolventError
from solvent.systems.payments.model import Provider
from solvent.systems.payments.service import accounts
from solvent.systems.payments.settings import PaymentsSection
from solvent.systems.payments.stripe_emulator.emulator import STRIPE_KEY

HOWTO = Path(__file__).parents[4] / "docs" / "howto"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page):
    """Return the `solvent …` lines of a page, without the program's name."""
    text = "\n".join(BLOCK.findall((HOWTO / page).read_text()))
    lines = [line for line in text.splitlines() if line.startswith("solvent ")]
    return [shlex.split(line)[1:] for line in lines]


@pytest.fixture
async def desk(house, engines, till, tmp_path, monkeypatch):
    """A terminal of the shop, with the emulated Stripe behind it, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stripe.key").write_text(STRIPE_KEY)
    (tmp_path / "webhook.secret").write_text("whsec_page_0123456789abcdef")
    await till.do(lambda ctx: accounts.disconnect(ctx, Provider.STRIPE))
    slug = (await till.do(tenants.current)).slug
    settings = Settings(payments=PaymentsSection(stripe_api=till.bank.url))

    @contextlib.asynccontextmanager
    async def opener():
        vault = house.edge.vault
        async with open_house(engines.access, settings, vault=vault, name="cli") as opened:
            yield EngineDoor(opened.edge, settings=opened.wiring.settings)

    use_opener(opener)

    async def run(words):
        root = typer.Typer()
        root.add_typer(house.wiring.commands[words[0]], name=words[0])
        environment = {"SOLVENT_TENANT": slug}
        return await asyncio.to_thread(CliRunner().invoke, root, words, env=environment)

    return run


async def ok(desk, words):
    done = await desk(words)
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done.output


async def three_invoices(till):
    """Make three final invoices, the second and third of which are owed already."""
    held = await till.subscribe()
    for _ in range(3):
        invoice = await till.invoice(await till.held(held))
        await till.begin(invoice)


async def test_the_page_on_collecting(till, desk):
    outputs = {}
    for words in commands("collect-payments.md"):
        if words[:2] == ["collection", "list"]:
            await three_invoices(till)
        if words[:2] == ["collection", "collect"]:
            till.bank.let_card_fail(till.card, "insufficient_funds")
            await ok(desk, ["collection", "look", "INV-000002"])
        if words[:2] == ["collection", "link"]:
            # the open attempts of the others are asked for first, as the worker would have
            till.bank.let_card_fail(till.card, "lost_card")
            await desk(["collection", "look", "INV-000003"])
        outputs[" ".join(words)] = await ok(desk, words)
    assert "paid" in outputs["collection look INV-000001"]
    assert "http" in next(out for line, out in outputs.items() if " link " in line)
    assert till.charged_minor() == await till.booked_minor()
    [refund] = till.api.v1.refunds.list({}).data
    assert refund.amount == 500
    assert "made" in outputs["refund list"]
    rows = await till.fetch("select state from payments_top_up_rule")
    assert [row["state"] for row in rows] == ["active"]


async def test_the_page_on_dunning(till, desk):
    first = commands("collect-payments.md")[:2]
    for words in first:
        await ok(desk, words)
    till.bank.let_card_fail(till.card, "insufficient_funds")
    await three_invoices(till)
    await ok(desk, ["collection", "look", "1"])
    outputs = {" ".join(words): await ok(desk, words) for words in commands("dunning.md")}
    assert "on day 1, 3, 7, 14" in outputs["dunning show"]
    assert "insufficient_funds" in outputs["collection show INV-000001"]
    last = [out for line, out in outputs.items() if line.startswith("collection stop")]
    assert "stopped" in last[0]


async def test_bad_input_is_named_and_changes_nothing(till, desk):
    for words, told in (
        (["dunning", "set", "--soft", "3,1"], "retries.soft"),
        (["dunning", "set", "--soft", "soon"], "whole days"),
        (["top-up", "set", "globex", "USD", "--below", "x", "--amount", "5"], "--below"),
        (["payments", "reconcile", "--since", "yesterday"], "--since"),
    ):
        done = await desk(words)
        refused = isinstance(done.exception, SolventError) or done.exit_code == 2
        assert refused, (words, done.output, done.exception)
        assert told in done.output + str(done.exception), (words, done.output)
    assert await till.fetch("select * from payments_top_up_rule") == []
