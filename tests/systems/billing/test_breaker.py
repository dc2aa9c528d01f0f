"""Is an account parked rather than charged where something is wrong, until it is let go?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.ledger.test_journal import as_owner
from tests.kernel.ledger.test_rules import BASE, drawn

from solvent.app.supervisor.engines import Engines
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice, InvoiceStatus
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription
from solvent.systems.billing import breaker, parking, service
from solvent.systems.billing.breaker import Reason
from solvent.systems.billing.errors import NotParked
from solvent.systems.billing.testing import Shop


def reason_of(said, history=()) -> Reason | None:
    trip = breaker.judge(said, history)
    return None if trip is None else trip.reason


def test_a_usual_invoice_may_be_charged() -> None:
    assert reason_of(drawn(BASE), [2900, 2900, 2900]) is None


def test_an_invoice_of_too_many_lines_waits() -> None:
    said = drawn(BASE)
    many = replace(said, lines=said.lines * (breaker.LINES_MAX + 1))
    assert reason_of(many) is Reason.TOO_MANY_LINES


def test_an_invoice_that_does_not_add_up_waits() -> None:
    said = drawn(BASE)
    assert reason_of(replace(said, net_minor=1)) is Reason.DOES_NOT_ADD_UP


def test_a_price_charged_twice_for_its_seconds_waits() -> None:
    said = drawn(BASE)
    twice = replace(
        said, lines=said.lines * 2, net_minor=said.net_minor * 2, total_minor=said.total_minor * 2
    )
    assert twice.adds_up
    assert reason_of(twice) is Reason.BILLED_TWICE


@pytest.mark.parametrize(
    "total, history, waits",
    [
        (60_000, [2900, 2900, 2900], True),
        (58_000, [2900, 2900, 2900], False),
        (49_999, [1, 1, 1], False),  # not worth a look
        (10**9, [2900, 2900], False),  # too little is known
        (60_000, [2900, 59_000, 2900], True),  # one outlier does not set the measure
    ],
)
def test_a_total_out_of_proportion_waits(total: int, history: list[int], waits: bool) -> None:
    said = drawn(replace(BASE, amount_minor=total))
    assert (reason_of(said, history) is Reason.OUT_OF_PROPORTION) is waits


@given(total=st.integers(0, 10**12), history=st.lists(st.integers(0, 10**12), max_size=6))
def test_the_same_total_as_ever_never_waits(total: int, history: list[int]) -> None:
    said = drawn(replace(BASE, amount_minor=total))
    assert reason_of(said, [total] * len(history)) is None


async def run_wild(shop: Shop, held: Subscription) -> Period:
    """Bill three usual periods; in the fourth, use a hundred times as much."""
    for place in range(4):
        running = await shop.do(lambda ctx: subscriptions.get(ctx, held.id))
        if place == 3:
            await shop.use("100000", running.period.start, id="wild")
        await shop.move_clock(running.period.end + timedelta(seconds=1))
        periods = await shop.renew(held.id)
        await shop.do(lambda ctx, period=periods[-1]: service.close_period(ctx, held.id, period))
    return periods[-1]


async def drafts(shop: Shop) -> list[Invoice]:
    return await shop.do(lambda ctx: ledger.list_invoices(ctx, status=InvoiceStatus.DRAFT))


async def test_a_parked_account_is_charged_nothing_until_it_is_released(
    shop: Shop, held: Subscription
) -> None:
    await run_wild(shop, held)
    (waiting,) = await drafts(shop)
    (parked,) = await shop.do(parking.list_parked)
    assert (parked.reason, parked.invoice_id) == ("out_of_proportion", waiting.id)

    running = await shop.do(lambda ctx: subscriptions.get(ctx, held.id))
    await shop.move_clock(running.period.end + timedelta(seconds=1))
    periods = await shop.renew(held.id)
    await shop.do(lambda ctx: service.close_period(ctx, held.id, periods[-1]))
    assert len(await drafts(shop)) == 2

    done = await shop.do(lambda ctx: service.release_account(ctx, "globex"))
    assert [one.number for one in done] == [4, 5]
    assert done[0].draft.period_start < done[1].draft.period_start
    assert await drafts(shop) == []
    assert await shop.do(parking.list_parked) == []
    assert (await shop.do(ledger.verify)).problems == ()
    with pytest.raises(NotParked):
        await shop.do(lambda ctx: service.release_account(ctx, "globex"))


async def test_a_period_that_another_invoice_charges_in_part_is_not_charged_again(
    shop: Shop, held: Subscription, first: Period, engines: Engines
) -> None:
    """No sequence of calls comes to this; damage to the database does."""
    earlier = await shop.bill(held.id, first)
    await as_owner(
        engines,
        "set session_replication_role = replica",
        "update ledger_invoice set period_end = period_end + interval '1 hour'"
        f" where id = '{earlier.id}'",
    )
    await shop.move_clock(first.end + timedelta(days=32))
    second = (await shop.renew(held.id))[1]
    assert await shop.do(lambda ctx: service.close_period(ctx, held.id, second)) is None
    (parked,) = await shop.do(parking.list_parked)
    assert (parked.reason, parked.subscription_id) == ("billed_twice", held.id)
    assert len(await shop.do(ledger.list_invoices)) == 1


async def test_a_draft_that_is_void_is_not_charged_by_a_release(
    shop: Shop, held: Subscription
) -> None:
    await run_wild(shop, held)
    (waiting,) = await drafts(shop)
    await shop.do(lambda ctx: ledger.void_invoice(ctx, waiting.id, reason="a bug of ours"))
    assert await shop.do(lambda ctx: service.release_account(ctx, "globex")) == []


async def test_the_api_shows_and_releases_to_those_who_may(
    shop: Shop, held: Subscription, alice, mallory, charlie
) -> None:
    await run_wild(shop, held)
    (told,) = (await alice.get("/v1/parked-accounts")).json()["data"]
    assert told["reason"] == "out_of_proportion"
    assert (await mallory.get("/v1/parked-accounts")).json()["data"] == []
    body = {"customer": "globex"}
    assert (await charlie.post("/v1/parked-accounts/release", json=body)).status_code == 401
    assert (await mallory.post("/v1/parked-accounts/release", json=body)).status_code == 404
    done = await alice.post("/v1/parked-accounts/release", json=body)
    assert done.json() == {"final": ["INV-000004"], "waiting": []}
    again = await alice.post("/v1/parked-accounts/release", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "billing.not_parked")
