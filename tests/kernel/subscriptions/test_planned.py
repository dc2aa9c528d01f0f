"""Is what was planned for a subscription made at its moment, once, and only if it still can be?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue.errors import PlanArchived
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.errors import (
    ChangeTimeInvalid,
    PlanUnfit,
    ProviderManaged,
    ResumeTimeInvalid,
    TransitionRefused,
)
from solvent.kernel.subscriptions.model import PlannedKind, PlanRef, Status, When

DAY = timedelta(days=1)
END = datetime(2026, 2, 15, 10, tzinfo=UTC)
YEAR = Period(EPOCH, EPOCH + timedelta(days=365))


async def why(shop) -> list[str]:
    async with shop.open() as ctx:
        told = await audit.list_records(ctx, action="subscriptions.subscription_changed")
    return sorted(str(record.entry.data["why"]) for record in told)


async def test_a_pause_from_the_period_s_end_until_a_day_charges_nothing_in_between(shop) -> None:
    one = await shop.create()
    until = END + 10 * DAY
    planned = await shop.do(
        lambda ctx: service.pause(ctx, one.id, at=When.PERIOD_END, resume_at=until)
    )
    assert planned.status is Status.ACTIVE
    for at, status in ((END - DAY, Status.ACTIVE), (END, Status.PAUSED), (until, Status.ACTIVE)):
        await shop.set_clock(at)
        await shop.run_jobs()
        assert (await shop.get(one)).status is status
    assert await shop.periods(one) == [("01-15", "02-15")]  # the boundaries have not moved
    after = (await shop.get(one)).period
    assert after == Period(END, datetime(2026, 3, 15, 10, tzinfo=UTC))
    assert await shop.charged(one, after) == [("pro", 18 * 86_400)]


async def test_all_of_a_plan_is_made_in_order_however_late(shop) -> None:
    one = await shop.create()
    for plan, day in (("team", 10), ("pro", 20)):
        when = EPOCH + day * DAY
        await shop.do(
            lambda ctx, plan=plan, when=when: service.change_plan(ctx, one.id, plan, when=when)
        )
    await shop.do(lambda ctx: service.pause(ctx, one.id, at=EPOCH + 25 * DAY))
    await shop.do(lambda ctx: service.resume(ctx, one.id, at=EPOCH + 26 * DAY))
    await shop.do(lambda ctx: service.cancel(ctx, one.id, at=EPOCH + 28 * DAY))
    listed = await shop.do(lambda ctx: service.list_planned(ctx, one.id))
    assert [planned.kind for planned in listed] == [
        PlannedKind.CHANGE_PLAN,
        PlannedKind.CHANGE_PLAN,
        PlannedKind.PAUSE,
        PlannedKind.CANCEL,
    ]
    await shop.set_clock(EPOCH + 300 * DAY)
    over = await shop.renew(one)
    assert (over.status, over.planned) == (Status.CANCELED, ())
    assert await shop.charged(one, YEAR) == [
        ("pro", 10 * 86_400),
        ("team", 10 * 86_400),
        ("pro", 5 * 86_400),
        ("pro", 2 * 86_400),
    ]
    assert await shop.renew(one) == over


async def test_a_planned_change_to_a_year_begins_one(shop) -> None:
    one = await shop.create()
    at = EPOCH + 10 * DAY
    await shop.do(lambda ctx: service.change_plan(ctx, one.id, "yearly", when=at))
    await shop.set_clock(at)
    await shop.run_jobs()
    assert (await shop.get(one)).period == Period(at, at.replace(year=2027))
    assert await shop.periods(one) == [("01-15", "01-25")]


async def test_what_has_become_impossible_changes_nothing_and_says_so(shop) -> None:
    one = await shop.create()
    await shop.do(lambda ctx: service.pause(ctx, one.id, at=EPOCH + DAY))
    await shop.do(lambda ctx: service.mark_past_due(ctx, one.id))
    await shop.set_clock(EPOCH + 2 * DAY)
    await shop.run_jobs()
    after = await shop.get(one)
    assert (after.status, after.planned) == (Status.PAST_DUE, ())
    assert "planned_pause_refused" in await why(shop)


async def test_an_end_takes_all_that_was_planned_with_it(shop) -> None:
    one = await shop.create()
    await shop.do(lambda ctx: service.pause(ctx, one.id, at=EPOCH + DAY))
    await shop.do(lambda ctx: service.cancel(ctx, one.id))
    assert await shop.do(lambda ctx: service.list_planned(ctx, one.id)) == ()


async def test_a_cancellation_for_a_day_is_taken_back(shop) -> None:
    one = await shop.create()
    at = EPOCH + 5 * DAY
    leaving = await shop.do(lambda ctx: service.cancel(ctx, one.id, at=at))
    assert leaving.plan_expires_at == at
    kept = await shop.do(lambda ctx: service.withdraw(ctx, one.id, "cancel"))
    assert kept == one
    await shop.set_clock(at)
    await shop.run_jobs()
    assert (await shop.get(one)).status is Status.ACTIVE


async def test_who_has_a_plan_planned_gets_it_though_it_is_sold_no_more(shop) -> None:
    one = await shop.create()
    await shop.do(lambda ctx: service.change_plan(ctx, one.id, "team", when=EPOCH + DAY))
    await shop.load(
        b'[products.logs]\n[plans.pro]\nproduct = "logs"\ncurrency = "USD"\ninterval = "month"'
    )
    with pytest.raises(PlanArchived):
        await shop.do(lambda ctx: service.change_plan(ctx, one.id, "team", when=EPOCH + 2 * DAY))
    await shop.set_clock(EPOCH + DAY)
    await shop.run_jobs()
    assert (await shop.get(one)).plan == PlanRef("team", 1)


async def test_what_cannot_be_planned_says_why(shop) -> None:
    one, theirs = await shop.create(), await shop.sync(customer_id=(await shop.customer("b")).id)
    past = EPOCH - DAY
    tries = [
        (ChangeTimeInvalid, lambda ctx: service.pause(ctx, one.id, at=past)),
        (ChangeTimeInvalid, lambda ctx: service.pause(ctx, one.id, at=When.AUTO)),
        (
            ResumeTimeInvalid,
            lambda ctx: service.pause(ctx, one.id, at=EPOCH + 2 * DAY, resume_at=EPOCH + DAY),
        ),
        (TransitionRefused, lambda ctx: service.resume(ctx, one.id, at=EPOCH + DAY)),
        (PlanUnfit, lambda ctx: service.change_plan(ctx, one.id, "euro", when=EPOCH + DAY)),
        (ProviderManaged, lambda ctx: service.pause(ctx, theirs.id, at=EPOCH + DAY)),
    ]
    for error, act in tries:
        with pytest.raises(error):
            await shop.do(act)
    assert await shop.get(one) == one
