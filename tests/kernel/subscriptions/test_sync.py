"""Does the kept state become what the provider's facts say, once, whatever happens at once?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue.errors import PlanNotFound, ProviderPriceUnknown
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.errors import FactsInvalid
from solvent.kernel.subscriptions.events import PeriodEnded, SubscriptionChanged
from solvent.kernel.subscriptions.model import Status
from solvent.kernel.tenants.errors import CustomerUnknown

DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


FEBRUARY = {"period_start": at("2026-02-15T10:00"), "period_end": at("2026-03-15T10:00")}


async def test_sync_is_idempotent(shop) -> None:
    first = await shop.sync()
    assert (first.status, first.current, first.plan_key) == (Status.ACTIVE, True, "pro")
    assert first.plan_expires_at == at("2026-02-18T10:00")
    again = await shop.sync(order=2)
    assert (await shop.get(again)).provider_order == 2
    assert len(await shop.events(SubscriptionChanged)) == 1
    records = await shop.do(lambda ctx: audit.list_records(ctx, subject=first.id))
    assert len(records) == 1
    found = await shop.do(lambda ctx: service.find_by_provider(ctx, "stripe", "sub_stripe_1"))
    assert found == await shop.get(first)


async def test_the_same_facts_at_once_make_one_subscription(shop) -> None:
    facts = await shop.facts()
    made = await asyncio.gather(*(shop.do(lambda ctx: service.sync(ctx, facts)) for _ in range(6)))
    assert len({one.id for one in made}) == 1
    assert len(await shop.events(SubscriptionChanged)) == 1


async def test_many_at_once_with_two_of_one_customer_leave_one_current(shop) -> None:
    """Of four told at once two are of one customer and product: they are saved in turn."""
    bob = await shop.customer("bob")
    told = [
        await shop.facts(provider_subscription_id="sub_1"),
        await shop.facts(provider_subscription_id="sub_2", status=Status.PAST_DUE),
        await shop.facts(provider_subscription_id="sub_3", customer_id=bob.id),
        await shop.facts(provider_subscription_id="sub_4", status=Status.PAUSED),
    ]
    made = await shop.do(lambda ctx: service.sync_all(ctx, told))
    assert [one.provider_subscription_id for one in made] == ["sub_1", "sub_2", "sub_3", "sub_4"]
    assert [(await shop.get(one)).current for one in made] == [True, False, True, False]
    assert len(await shop.events(SubscriptionChanged)) == 4
    again = await shop.do(lambda ctx: service.sync_all(ctx, told))
    assert [one.id for one in again] == [one.id for one in made]
    assert len(await shop.events(SubscriptionChanged)) == 4


async def test_of_many_the_stranger_is_refused_and_nothing_is_kept(shop) -> None:
    told = [
        await shop.facts(provider_subscription_id="sub_1"),
        await shop.facts(provider_subscription_id="sub_2", customer_id="cus_" + "0" * 26),
    ]
    with pytest.raises(CustomerUnknown):
        await shop.do(lambda ctx: service.sync_all(ctx, told))
    assert await shop.do(service.list_all) == []


async def test_older_facts_change_nothing(shop) -> None:
    await shop.sync(order=5, status=Status.PAST_DUE)
    late = await shop.sync(order=4)
    assert late.status is Status.PAST_DUE


async def test_what_has_ended_never_comes_back(shop) -> None:
    over = await shop.sync(status=Status.CANCELED, ended_at=EPOCH)
    assert (over.status, over.current) == (Status.CANCELED, False)
    for status in (Status.PENDING, Status.ACTIVE, Status.PAST_DUE):
        assert await shop.sync(order=9, status=status) == over
    assert len(await shop.events(SubscriptionChanged)) == 1


@pytest.mark.parametrize("order", [*permutations(range(3))])
async def test_events_in_every_order_end_in_one_state(shop, order: tuple[int, ...]) -> None:
    story = [
        {"status": Status.PENDING},
        {},
        {"status": Status.CANCELED, "ended_at": EPOCH + DAY},
    ]
    known: list[int] = []
    await shop.set_clock(EPOCH + 2 * DAY)
    for count, index in enumerate(order, start=1):
        known.append(index)
        one = await shop.sync(order=count, **story[max(known)])
    assert (one.status, one.ended_at, one.current) == (Status.CANCELED, EPOCH + DAY, False)
    assert one.plan_expires_at == EPOCH + DAY
    assert await shop.charged(one, Period(EPOCH, EPOCH + 31 * DAY)) == [("pro", 86_400)]
    assert len(await shop.events(PeriodEnded)) == 1


async def test_time_and_the_provider_agree_on_one_end(shop) -> None:
    one = await shop.sync()
    await shop.set_clock(at("2026-02-15T10:00"))
    renewal = await shop.facts(order=2, **FEBRUARY)
    await asyncio.gather(
        shop.run_jobs(),
        shop.renew(one),
        shop.do(lambda ctx: service.sync(ctx, renewal)),
    )
    assert await shop.periods(one) == [("01-15", "02-15")]
    assert (await shop.get(one)).plan_expires_at == at("2026-03-18T10:00")


async def test_an_unconfirmed_period_runs_on_its_grace_then_owes(shop) -> None:
    one = await shop.sync()
    await shop.set_clock(at("2026-02-15T10:00"))
    await shop.run_jobs()
    waiting = await shop.get(one)
    assert (waiting.status, waiting.plan_expires_at) == (Status.ACTIVE, at("2026-02-18T10:00"))
    await shop.set_clock(at("2026-02-18T10:00"))
    await shop.run_jobs()
    owing = await shop.get(one)
    assert owing.status is Status.PAST_DUE
    assert not owing.grants_access(at("2026-02-18T10:00"))
    paid = await shop.sync(order=2, **FEBRUARY)
    assert (paid.status, paid.plan_expires_at) == (Status.ACTIVE, at("2026-03-18T10:00"))


async def test_past_due_at_the_provider_keeps_access_for_the_grace(shop) -> None:
    await shop.sync()
    owing = await shop.sync(order=2, status=Status.PAST_DUE, **FEBRUARY)
    assert owing.plan_expires_at == at("2026-02-18T10:00")


async def test_a_subscriber_keeps_the_version_bought(shop) -> None:
    one = await shop.sync()
    await shop.load(CHANGED)
    assert (await shop.sync(order=2)).plan_version == one.plan_version == 1
    other = await shop.sync(provider_subscription_id="sub_stripe_2")
    assert other.plan_version == 2


CHANGED = b"""
[products.logs]
[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
grace_days = 3
provider_prices = { stripe = "price_pro", paddle = "pri_pro" }
prices.base = { model = "flat", amount = 39 }
"""


async def test_two_at_the_provider_have_one_current(shop) -> None:
    first = await shop.sync(status=Status.PAST_DUE)
    second = await shop.sync(provider_subscription_id="sub_stripe_2")
    assert second.current
    assert not (await shop.get(first)).current
    over = await shop.sync(
        provider_subscription_id="sub_stripe_2", status=Status.CANCELED, ended_at=EPOCH, order=2
    )
    assert not over.current
    assert (await shop.get(first)).current
    told = [(e.subscription_id, e.current) for e in await shop.events(SubscriptionChanged)]
    assert told == [
        (first.id, True),
        (second.id, True),
        (first.id, False),
        (second.id, False),
        (first.id, True),
    ]


async def test_a_provider_s_subscription_replaces_a_pending_one(shop) -> None:
    waiting = await shop.create(pending=True)
    paid = await shop.sync()
    held = await shop.do(lambda ctx: service.list_current(ctx, paid.customer_id))
    assert [one.id for one in held] == [paid.id]
    assert not (await shop.get(waiting)).current


async def test_a_plan_may_be_named_instead_of_a_price(shop) -> None:
    one = await shop.sync(provider_price_id=None, plan_key="team", provider="paddle")
    assert one.plan_key == "team"


@pytest.mark.parametrize(
    "wrong, error",
    [
        ({"provider_price_id": "price_none"}, ProviderPriceUnknown),
        ({"provider_price_id": None}, FactsInvalid),
        ({"provider_price_id": None, "plan_key": "none"}, PlanNotFound),
        ({"period_end": EPOCH}, FactsInvalid),
        ({"customer_id": "cus_00000000000000000000000000"}, CustomerUnknown),
    ],
)
async def test_facts_that_fit_nothing_are_refused(shop, wrong, error) -> None:
    with pytest.raises(error):
        await shop.sync(**wrong)
    assert await shop.do(service.list_all) == []


async def test_a_subscription_stays_with_its_product(shop) -> None:
    one = await shop.sync()
    with pytest.raises(FactsInvalid):
        await shop.sync(order=2, provider_price_id=None, plan_key="letters")
    assert await shop.get(one) == one


async def test_a_cancellation_at_the_provider_is_final_only_some_hours_later(shop) -> None:
    end = at("2026-02-15T10:00")
    leaving = await shop.sync(cancel_at=end)
    assert leaving.plan_expires_at == end
    await shop.set_clock(end)
    await shop.run_jobs()
    assert (await shop.get(leaving)).status is Status.ACTIVE
    taken_back = await shop.sync(order=2, **FEBRUARY)
    assert taken_back.plan_expires_at == at("2026-03-18T10:00")
    await shop.sync(order=3, cancel_at=at("2026-03-15T10:00"), **FEBRUARY)
    await shop.set_clock(at("2026-03-16"))
    await shop.run_jobs()
    over = await shop.get(leaving)
    assert (over.status, over.ended_at) == (Status.CANCELED, at("2026-03-15T10:00"))
    assert await shop.periods(leaving) == [("01-15", "02-15"), ("02-15", "03-15")]
