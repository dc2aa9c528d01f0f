"""Does the page on developing offline do what it says, and does Solvent sell that way?"""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from solvent.systems.payments.model import Provider
from solvent.systems.payments.stripe_emulator import cli
from solvent.systems.payments.stripe_emulator.controls import ROUTES
from solvent.systems.payments.stripe_emulator.emulator import (
    STRIPE_KEY,
    WEBHOOK_SECRET,
    StripeEmulator,
)

PAGE = Path(__file__).resolve().parents[3] / "docs/howto/develop-offline-with-stripe.md"
ADDRESS = "http://127.0.0.1:12111"


def blocks(language):
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_page_runs_from_top_to_bottom():
    code = "\n".join(blocks("python"))
    assert ADDRESS in code
    with StripeEmulator() as emulator:
        told = {}
        exec(code.replace(ADDRESS, emulator.url), told)  # noqa: S102 - our own page
        assert told["session"].url.startswith(emulator.url)
        assert emulator.events("payment_intent.payment_failed")


def test_the_page_names_the_keys_the_port_and_every_control():
    text = PAGE.read_text(encoding="utf-8")
    assert f'stripe_api = "http://127.0.0.1:{cli.PORT}"' in text
    assert STRIPE_KEY in text
    assert WEBHOOK_SECRET in text
    shown = set(re.findall(r"`(/_emulator/[\w/]+)`", text))
    assert shown == {one.path.replace("{}", "ID") for one in ROUTES}


def test_the_commands_of_the_page_are_understood():
    typed = [
        shlex.split(line)
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("solvent dev")
    ]
    assert len(typed) == 2
    for words in typed:
        known = {part for part in words[3:] if part.startswith("--")}
        shown = CliRunner().invoke(cli.app, ["stripe", "--help"]).output
        assert all(one in shown for one in known)


@pytest.mark.parametrize("order", [1, -1])
async def test_solvent_sells_through_the_emulator(till, emulator, order):
    """A checkout by our API, paid on its page; its events, in either order, make a subscription."""
    body = {"api_key": STRIPE_KEY}
    assert (await till.call("PUT", "/v1/payments/accounts/stripe", body=body)).is_success
    wanted = {"plan": "pro", "customer": "u42", "success_url": "https://app.example.com/done"}
    made = await till.call("POST", "/v1/checkout-sessions", body=wanted)
    assert made.json()["url"].startswith(emulator.stripe.url)
    emulator.stripe.pay(made.json()["id"], email="ada@example.com")
    secret = till.secrets[Provider.STRIPE]
    for event in emulator.stripe.events()[::order]:
        answer = await till.send(emulator.stripe.signed(event, secret=secret))
        assert answer.status_code == 200, answer.text
    await till.work()
    [held] = await till.subscriptions()
    assert (held.status, held.plan_key) == ("active", "pro")
    [payment] = await till.fetch("select * from ledger_payment")
    assert payment["amount_minor"] == 2900
