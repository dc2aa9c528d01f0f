"""Does the terminal say which meters Stripe bills, and show what it was told?"""

import asyncio
import json

import pytest
import pytest_asyncio

from solvent.app.testing import EPOCH
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Aggregation, MeterSpec
from solvent.systems.payments.metered import service
from solvent.systems.payments.metered.model import SendState
from solvent.systems.payments.metered.store import add_events
from solvent.systems.payments.metered.store import settle as keep_outcome

SPEC = MeterSpec(
    key="calls", name="Calls", aggregation=Aggregation.SUM, unit="call", counts_from=EPOCH
)


@pytest_asyncio.fixture(loop_scope="session")
async def say(shop, solvent):
    """Say `solvent payments meters …` on a shop that has a meter."""
    async with shop.open() as ctx:
        await metering.define_meter(ctx, SPEC)

    async def run(*words):
        words = ["payments", "meters", *words, "--tenant", shop.tenant.slug]
        return await asyncio.to_thread(solvent, *words)

    return run


async def an_event(shop, state):
    """Keep an event that came to this."""
    async with shop.open() as ctx:
        metered = await service.report(ctx, "calls", event_name="api_calls")
        pair = service.Pair("calls", "globex")
        event = service._event(ctx, metered, pair, EPOCH, 0, service.Decimal("2.50"))
        await add_events(ctx.tx, ctx.tenant_id, [event], at=ctx.now())
        await keep_outcome(ctx.tx, ctx.tenant_id, event.id, state, reason="Stripe says no")
    return event.id


async def test_a_meter_is_reported_shown_and_stopped(say):
    code, out, err = await say("status")
    assert (code, "None yet" in out + err) == (0, True)
    assert (await say("report", "calls", "--as", "api_calls", "--dry-run"))[0] == 0
    assert json.loads((await say("status", "--json"))[1]) == []
    _, out, _ = await say("report", "calls", "--as", "api_calls")
    assert "calls is told as api_calls from 2026-01-15T11:00:00Z on" in out
    [shown] = json.loads((await say("status", "--json"))[1])
    assert (shown["meter"], shown["event_name"]) == ("calls", "api_calls")
    assert shown["events"] == dict.fromkeys(SendState, 0)
    assert "api_calls" in (await say("status"))[1]
    assert (await say("stop", "calls"))[0] == 0
    assert json.loads((await say("status", "--json"))[1]) == []


async def test_what_was_refused_is_shown_and_sent_again(say, shop):
    id = await an_event(shop, SendState.REFUSED)
    [shown] = json.loads((await say("events", "--state", "refused", "--json"))[1])
    assert (shown["id"], shown["value"], shown["reason"]) == (id, "2.5", "Stripe says no")
    assert id in (await say("events"))[1]
    assert "1 to be sent again" in (await say("retry", "--all-refused"))[1]
    assert json.loads((await say("events", "--state", "refused", "--json"))[1]) == []


async def test_what_is_unclear_is_decided(say, shop):
    id = await an_event(shop, SendState.UNCLEAR)
    assert "has arrived" in (await say("resolve", id, "--arrived"))[1]
    [shown] = json.loads((await say("events", "--json"))[1])
    assert shown["state"] == "sent"


@pytest.mark.parametrize(
    "words,code,said",
    [
        (("report", "calls", "--as", "a b"), 2, "1 to 100 characters"),
        (("report", "nothing", "--as", "x"), 1, "meter"),
        (("stop", "calls"), 1, "not told"),
        (("retry",), 2, "--all-refused"),
        (("retry", "mev_nothing"), 1, "no such meter event"),
        (("resolve", "mev_nothing", "--missing"), 1, "no such meter event"),
    ],
)
async def test_what_is_wrong_is_said(say, words, code, said):
    found, _, err = await say(*words)
    assert found == code
    assert said in err
