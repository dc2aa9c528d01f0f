"""Is MRR each day what the states of all subscriptions say, after lives of any kind?"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

import pytest

from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.errors import AlreadySubscribed, TransitionRefused
from solvent.kernel.subscriptions.model import Status, When
from solvent.kernel.tenants import service as tenants
from solvent.systems.revenue import service
from solvent.systems.revenue.model import Step
from solvent.systems.revenue.service import Ask
from solvent.systems.revenue.testing import Founder, at

MONTHLY = {"small": 1500, "large": 4000, "yearly": 1000, "quarterly": 1000, "team": 900}
DESKS = ("small", "large", "yearly", "quarterly")
CUSTOMERS = ("ann", "ben", "cem")
STEPS = 45


async def worth(ctx) -> int:
    """What all subscriptions are worth a month by their states alone: nothing of segments."""
    return sum(
        MONTHLY[one.plan_key] * one.quantity
        for one in await subscriptions.list_all(ctx, limit=500)
        if one.status in {Status.ACTIVE, Status.PAST_DUE}
    )


async def act(ctx, chance: random.Random) -> None:
    """Do one thing to one subscription, as far as its state lets it."""
    customer = chance.choice(CUSTOMERS)
    held = await subscriptions.list_all(ctx, limit=500)
    what = chance.choice(["new", "plan", "seats", "cancel", "later", "owe", "pay", "pause", "go"])
    if what == "new" or not held:
        plan, days = chance.choice([*DESKS, "team"]), chance.choice([0, 0, 3, 20])
        await subscriptions.create(ctx, customer, plan, trial_days=days)
        return
    one = chance.choice(held)
    match what:
        case "plan" if one.plan_key in DESKS:
            when = chance.choice([When.NOW, When.PERIOD_END])
            await subscriptions.change_plan(ctx, one.id, chance.choice(DESKS), when=when)
        case "seats" if one.plan_key == "team":
            await subscriptions.change_quantity(ctx, one.id, chance.randint(1, 9))
        case "cancel":
            await subscriptions.cancel(ctx, one.id, at=When.NOW)
        case "later":
            await subscriptions.cancel(ctx, one.id, at=When.PERIOD_END)
        case "owe":
            await subscriptions.mark_past_due(ctx, one.id)
        case "pay":
            await subscriptions.mark_paid(ctx, one.id)
        case "pause":
            await subscriptions.pause(ctx, one.id)
        case "go":
            await subscriptions.resume(ctx, one.id)
        case _:
            pass


async def live(founder: Founder, chance: random.Random) -> dict[date, int]:
    """Let three customers live for months; return what all was worth at each day's end."""
    worths: dict[date, int] = {}
    now = at("2026-01-15T10:00:00")
    for _ in range(STEPS):
        now = await pass_time(founder, now, now + timedelta(hours=chance.randint(0, 90)), worths)
        try:
            await founder.do(lambda ctx: act(ctx, chance))
        except (AlreadySubscribed, TransitionRefused):
            continue
        worths[now.date()] = await founder.do(worth)
        if chance.random() < 0.4:
            await founder.follow()
    return worths


async def pass_time(
    founder: Founder, now: datetime, until: datetime, worths: dict[date, int]
) -> datetime:
    """Move the clock, day by day, and let time act; note what each day ended with."""
    while now < until:
        midnight = datetime.combine(now.date() + timedelta(days=1), now.time().min, now.tzinfo)
        now = min(midnight, until)
        async with founder.open() as ctx:
            await tenants.move_test_clock(ctx, now)
        async with founder.open() as ctx:
            for one in await subscriptions.list_all(ctx, limit=500):
                if not one.terminal:
                    await subscriptions.renew(ctx, one.id)
            day = now.date() - timedelta(days=now == midnight)
            worths[day] = await worth(ctx)
    return now


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_any_life_mrr_is_what_the_states_say_each_day(
    founder: Founder, seed: int
) -> None:
    for ref in CUSTOMERS:
        await founder.customer(ref)
    worths = await live(founder, random.Random(seed))  # noqa: S311 - the same lives each time
    await founder.follow()
    first, last = min(worths), max(worths)
    ask = Ask(first, last + timedelta(days=1), Step.DAY)
    rows = await founder.do(lambda ctx: service.mrr(ctx, ask))
    assert len(rows) > 50
    assert any(row.lost_minor for row in rows)
    assert all(row.adds_up for row in rows)
    assert {row.span.start: row.closing_minor for row in rows} == worths
    assert (await founder.do(service.verify)).same
