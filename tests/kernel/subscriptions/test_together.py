"""Does time act on many subscriptions at once as it does on each by itself?"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

import pytest

from solvent.kernel.audit import service as audit
from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.errors import SubscriptionNotFound
from solvent.kernel.subscriptions.events import PeriodEnded, SubscriptionChanged
from solvent.kernel.subscriptions.model import Status, Subscription
from solvent.kit.jobs import queue
from solvent.kit.jobs.testing import InlineJobs

HOUR_S = 3_600


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


LATER = at("2026-05-20")


async def motley(shop) -> list[Subscription]:
    """Make subscriptions to which time does different things, two of them one customer's."""
    plain = await shop.create("pro", "a")
    tried = await shop.create("trial", "b")
    leaving = await shop.create("team", "c")
    await shop.do(lambda ctx: service.cancel(ctx, leaving.id, at=at("2026-03-20T10:00")))
    resting = await shop.create("pro", "d")
    await shop.do(lambda ctx: service.pause(ctx, resting.id, resume_at=at("2026-04-01")))
    moving = await shop.create("pro", "e")
    await shop.do(lambda ctx: service.change_plan(ctx, moving.id, "team", when=at("2026-03-01")))
    yearly = await shop.create("yearly", "f")
    letters = await shop.create("letters", "a")
    return [plain, tried, leaving, resting, moving, yearly, letters]


def told(event: PeriodEnded | SubscriptionChanged, names: dict[str, int]) -> list[object]:
    """Return what an event says, with subscriptions and customers by their place."""
    values = [getattr(event, field.name) for field in fields(event)]
    return [names.get(value, value) if isinstance(value, str) else value for value in values]


async def seen(shop, held: list[Subscription]) -> list[object]:
    """Return all that there is to see of subscriptions, without ids."""
    names = {one.id: place for place, one in enumerate(held)}
    names |= {one.customer_id: place for place, one in enumerate(held)}
    found: list[object] = []
    for one in held:
        now = await shop.get(one)
        found += [now.status, now.period, now.plan, now.charged_from, now.plan_expires_at]
        found += await shop.periods(one)
        records = await shop.do(lambda ctx, id_=one.id: audit.list_records(ctx, subject=id_))
        found += [[one.entry.action, dict(one.entry.data)] for one in records]
    for kind in (PeriodEnded, SubscriptionChanged):
        found.append([told(event, names) for event in await shop.events(kind)])
    return found


async def test_many_are_renewed_at_once_as_one_by_one(shop, mallorys) -> None:
    ours, theirs = await motley(shop), await motley(mallorys)
    for one in (shop, mallorys):
        await one.set_clock(LATER)
    for one in ours:
        await shop.renew(one)
    await mallorys.do(lambda ctx: service.renew_all(ctx, [one.id for one in theirs]))
    assert await seen(shop, ours) == await seen(mallorys, theirs)


async def test_a_clock_moved_over_many_periods_ends_each_in_order_in_one_job(shop) -> None:
    held = [await shop.create("pro", f"customer-{number}") for number in range(3)]
    await shop.set_clock(LATER)
    await shop.run_jobs()
    ended = await shop.events(PeriodEnded)
    for one in held:
        starts = [event.period_start for event in ended if event.subscription_id == one.id]
        assert starts == sorted(starts)
        assert len(starts) == 4
        assert (await shop.get(one)).period.start == at("2026-05-15T10:00")


async def test_two_of_one_customer_and_product_are_renewed_one_after_the_other(shop) -> None:
    """Which of them is current is decided anew after each."""
    first = await shop.sync(provider_subscription_id="one", cancel_at=at("2026-02-15T10:00"))
    second = await shop.sync(provider_subscription_id="two", provider_price_id="price_team")
    await shop.set_clock(at("2026-02-16"))
    await shop.do(lambda ctx: service.renew_all(ctx, [first.id, second.id]))
    assert (await shop.get(first)).status is Status.CANCELED
    assert (await shop.get(second)).current


async def test_of_many_one_that_is_not_there_is_named_and_nothing_is_done(shop) -> None:
    one = await shop.create()
    await shop.set_clock(LATER)
    missing = one.id[:-1] + ("0" if one.id[-1] != "0" else "1")
    with pytest.raises(SubscriptionNotFound):
        await shop.do(lambda ctx: service.renew_all(ctx, [one.id, missing]))
    assert await shop.get(one) == one


async def test_one_that_cannot_be_renewed_holds_up_no_other(shop) -> None:
    held = [await shop.create("pro", f"customer-{number}") for number in range(3)]
    bad = held[1]
    await _set_zone(shop, bad, "Nowhere/Else")
    await shop.set_clock(at("2026-02-16"))
    runtime = InlineJobs(shop.house.system, shop.house.edge, shop.house.wiring.jobs)
    while await runtime.run_due():
        pass
    now = [await shop.get(one) for one in held]
    assert [one.period.start == bad.period.end for one in now] == [True, False, True]
    for _ in range(10):
        runtime.rest(HOUR_S)
        await runtime.run_due()
    [dead] = await shop.do(queue.list_dead)
    assert "TimeZoneUnknown" in dead.last_error
    await _set_zone(shop, bad, bad.time_zone)
    await shop.do(lambda ctx: queue.revive(ctx, dead.id))
    await runtime.run_due()
    assert (await shop.get(bad)).period.start == bad.period.end
    assert len(await shop.events(PeriodEnded)) == 3


async def _set_zone(shop, one: Subscription, time_zone: str) -> None:
    async with shop.open() as ctx:
        await ctx.tx.execute(
            "update subscriptions_subscription set time_zone = $3 where tenant_id = $1 and id = $2",
            shop.tenant_id,
            one.id,
            time_zone,
        )
