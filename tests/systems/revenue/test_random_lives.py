"""Is MRR each day what the states of all subscriptions say, after lives of any kind?"""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta

import pytest

from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status, When
from solvent.kernel.tenants import service as tenants
from solvent.kit.errors import Conflict, Invalid
from solvent.systems.revenue import service
from solvent.systems.revenue.model import Step
from solvent.systems.revenue.service import Ask
from solvent.systems.revenue.testing import Founder, at

MONTHLY = {"small": 1500, "large": 4000, "yearly": 1000, "quarterly": 1000, "team": 900}
DESKS = ("small", "large", "yearly", "quarterly")
PHONE = 500
CUSTOMERS = ("ann", "ben", "cem")
WHAT = ("new", "plan", "seats", "phone", "cancel", "later", "owe", "pay", "pause", "go")
STEPS = 30


async def worth(ctx) -> int:
    """What all subscriptions are worth a month by their states alone: nothing of segments."""
    total = 0
    for one in await subscriptions.list_all(ctx, limit=500):
        if one.status in {Status.ACTIVE, Status.PAST_DUE}:
            total += MONTHLY[one.plan_key] * one.quantity
            for addon in await subscriptions.list_addons(ctx, one.id):
                held = addon.starts_at <= ctx.now() and not is_over(addon.ends_at, ctx.now())
                total += PHONE * addon.quantity * held
    return total


def is_over(ends_at: datetime | None, now: datetime) -> bool:
    return ends_at is not None and ends_at <= now


PLAIN = {
    "cancel": lambda ctx, id_: subscriptions.cancel(ctx, id_, at=When.NOW),
    "later": lambda ctx, id_: subscriptions.cancel(ctx, id_, at=When.PERIOD_END),
    "owe": subscriptions.mark_past_due,
    "pay": subscriptions.mark_paid,
    "pause": subscriptions.pause,
    "go": subscriptions.resume,
}


async def act(ctx, chance: random.Random) -> None:
    """Do one thing to one subscription, as far as its state lets it."""
    customer = chance.choice(CUSTOMERS)
    held = await subscriptions.list_all(ctx, limit=500)
    what = chance.choice(WHAT)
    if what == "new" or not held:
        plan, days = chance.choice([*DESKS, "team"]), chance.choice([0, 0, 3, 20])
        await subscriptions.create(ctx, customer, plan, trial_days=days)
        return
    one = chance.choice(held)
    if what in PLAIN:
        await PLAIN[what](ctx, one.id)
    elif what == "plan" and one.plan_key in DESKS:
        when = chance.choice([When.NOW, When.PERIOD_END])
        await subscriptions.change_plan(ctx, one.id, chance.choice(DESKS), when=when)
    elif what == "seats" and one.plan_key == "team":
        await subscriptions.change_quantity(ctx, one.id, chance.randint(1, 9))
    elif what == "phone":
        ends_at = ctx.now() + timedelta(days=chance.randint(1, 30))
        await subscriptions.add_addon(ctx, one.id, "phone", ends_at=ends_at)


async def live(founder: Founder, chance: random.Random) -> dict[date, int]:
    """Let three customers live for months; return what all was worth at each day's end."""
    worths: dict[date, int] = {}
    now = at("2026-01-15T10:00:00")
    for _ in range(STEPS):
        now = await pass_time(founder, now, now + timedelta(hours=chance.randint(0, 90)), worths)
        try:
            await founder.do(lambda ctx: act(ctx, chance))
        except (Invalid, Conflict):
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
        last_second = datetime.combine(now.date(), time(23, 59, 59), now.tzinfo)
        now = min(last_second if now < last_second else now + timedelta(seconds=1), until)
        async with founder.open() as ctx:
            await tenants.move_test_clock(ctx, now)
        async with founder.open() as ctx:
            for one in await subscriptions.list_all(ctx, limit=500):
                if not one.terminal:
                    await subscriptions.renew(ctx, one.id)
            worths[now.date()] = await worth(ctx)
    return now


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_any_life_mrr_is_what_the_states_say_each_day(
    founder: Founder, seed: int
) -> None:
    for ref in CUSTOMERS:
        await founder.customer(ref)
    worths = await live(founder, random.Random(seed))
    await founder.follow()
    first, last = min(worths), max(worths)
    ask = Ask(first, last + timedelta(days=1), Step.DAY)
    rows = await founder.do(lambda ctx: service.mrr(ctx, ask))
    assert len(rows) > 20
    assert any(row.lost_minor for row in rows)
    assert all(row.adds_up for row in rows)
    assert {row.span.start: row.closing_minor for row in rows} == worths
    assert (await founder.do(service.verify)).same
