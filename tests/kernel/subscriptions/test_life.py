"""Does a subscription that Solvent renews live as its state machine and its calendar say?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue.errors import PlanArchived, PlanNotFound
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.errors import (
    AlreadySubscribed,
    CancelTimeInvalid,
    PlanUnfit,
    ProviderManaged,
    ResumeTimeInvalid,
    StartTimeInvalid,
    SubscriptionNotFound,
    TimeZoneUnknown,
    TransitionRefused,
    TrialLengthInvalid,
)
from solvent.kernel.subscriptions.events import PeriodEnded, SubscriptionChanged
from solvent.kernel.subscriptions.model import Status, Subscription, When
from solvent.kernel.subscriptions.service import history
from solvent.kernel.tenants.errors import CustomerUnknown
from solvent.kit.ctx import Actor, ScopeMissing

DAY = timedelta(days=1)
JANUARY = Period(EPOCH, EPOCH + 31 * DAY)
SECONDS_A_DAY = 86_400


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ---------------------------------------------------------------------------------------- beginning


async def test_a_subscription_begins_now(shop) -> None:
    one = await shop.create()
    assert (one.status, one.current, one.plan_version) == (Status.ACTIVE, True, 1)
    assert one.period == Period(EPOCH, at("2026-02-15T10:00"))
    assert one.plan_expires_at == at("2026-02-18T10:00")  # with three days of grace
    assert await shop.get(one) == one
    (event,) = await shop.events(SubscriptionChanged)
    assert (event.before, event.after, event.customer_ref) == (None, "active", "alice")
    assert event.plan_expires_at == one.plan_expires_at


async def test_a_trial_of_the_plan_comes_first(shop) -> None:
    one = await shop.create("trial")
    assert one.status is Status.TRIALING
    assert one.period == Period(EPOCH, EPOCH + 14 * DAY)
    none = await shop.create("trial", "bob", trial_days=0)
    assert none.status is Status.ACTIVE


async def test_the_customer_s_zone_is_the_calendar_s(shop) -> None:
    await shop.customer("chloe", time_zone="Europe/Paris")
    one = await shop.create(customer="chloe", start_at=at("2026-01-10T08:00"))
    assert one.time_zone == "Europe/Paris"
    await shop.set_clock(at("2026-04-20"))
    renewed = await shop.renew(one)
    # 09:00 in Paris stays 09:00 when summer time comes.
    assert renewed.period == Period(at("2026-04-10T07:00"), at("2026-05-10T07:00"))


async def test_a_pending_one_waits_for_activation(shop) -> None:
    one = await shop.create("trial", pending=True)
    assert one.status is Status.PENDING
    assert not one.grants_access(EPOCH)
    await shop.set_clock(EPOCH + DAY)
    begun = await shop.do(lambda ctx: service.activate(ctx, one.id))
    assert begun.status is Status.TRIALING
    assert begun.period == Period(EPOCH + DAY, EPOCH + 15 * DAY)
    with pytest.raises(TransitionRefused):
        await shop.do(lambda ctx: service.activate(ctx, one.id))


async def test_a_pending_one_gives_way_to_one_that_runs(shop) -> None:
    waiting = await shop.create(pending=True)
    running = await shop.create("team")
    assert running.current
    assert not (await shop.get(waiting)).current
    with pytest.raises(AlreadySubscribed):
        await shop.create(pending=True)


@pytest.mark.parametrize(
    "plan, more, error, field",
    [
        ("none", {}, PlanNotFound, "plan"),
        ("pro", {"version": 9}, PlanNotFound, "plan"),
        ("pro", {"start_at": EPOCH + DAY}, StartTimeInvalid, "start_at"),
        ("pro", {"trial_days": -1}, TrialLengthInvalid, "trial_days"),
        ("pro", {"trial_days": 731}, TrialLengthInvalid, "trial_days"),
        ("pro", {"time_zone": "Mars"}, TimeZoneUnknown, "time_zone"),
    ],
)
async def test_what_cannot_begin_names_the_field(shop, plan, more, error, field) -> None:
    with pytest.raises(error) as refused:
        await shop.create(plan, **more)
    assert refused.value.field == field
    assert await shop.do(service.list_all) == []


async def test_nobody_unknown_subscribes(shop) -> None:
    with pytest.raises(CustomerUnknown):
        await shop.do(lambda ctx: service.create(ctx, "nobody", "pro"))


async def test_an_archived_plan_is_not_sold(shop) -> None:
    one = await shop.create("letters")
    await shop.load(b"[products.mail]\n[products.logs]")
    for version in (None, 1):
        with pytest.raises(PlanArchived):
            await shop.create("pro", version=version)
    await shop.set_clock(at("2026-02-15T10:00"))
    assert (await shop.renew(one)).status is Status.ACTIVE  # who has it keeps it


async def test_subscriptions_follow_their_customer_into_another_zone_without_a_hole(shop) -> None:
    one = await shop.create(start_at=at("2026-01-10T23:00"))
    await shop.customer(time_zone="America/New_York")
    (moved,) = await shop.do(lambda ctx: service.follow_customer(ctx, one.customer_id))
    assert (moved.time_zone, moved.period) == ("America/New_York", one.period)
    assert await shop.do(lambda ctx: service.follow_customer(ctx, one.customer_id)) == []
    await shop.set_clock(at("2026-05-01"))
    after = await shop.renew(one)
    periods = await shop.do(lambda ctx: service.list_periods(ctx, one.id))
    assert all(a.end == b.start for a, b in pairwise(periods))
    # 23:00 stays 23:00, from the next boundary on in New York, where summer has begun in March.
    assert [f"{period.end:%m-%dT%H}" for period in periods] == ["02-10T23", "03-11T03", "04-11T03"]
    assert after.period.start == periods[-1].end


async def test_a_zone_that_a_provider_counts_in_stays(shop) -> None:
    one = await shop.sync()
    await shop.customer(time_zone="Asia/Tokyo")
    assert await shop.do(lambda ctx: service.follow_customer(ctx, one.customer_id)) == []


# ------------------------------------------------------------------------------------ one current


async def test_one_current(shop) -> None:
    await shop.customer()
    tries = await asyncio.gather(
        *(shop.do(lambda ctx: service.create(ctx, "alice", "pro")) for _ in range(8)),
        return_exceptions=True,
    )
    made = [one for one in tries if isinstance(one, Subscription)]
    assert len(made) == 1
    refused = [one for one in tries if not isinstance(one, Subscription)]
    assert {type(one) for one in refused} == {AlreadySubscribed}
    assert await shop.do(service.list_all) == made
    assert len(await shop.events(SubscriptionChanged)) == 1


async def test_the_database_refuses_a_second_current(shop) -> None:
    one = await shop.create()
    other = await shop.do(lambda ctx: service.cancel(ctx, one.id))
    again = await shop.create()
    assert not other.current
    with pytest.raises(Exception, match="subscriptions_subscription_current"):
        async with shop.open() as ctx:
            await ctx.tx.execute(
                "update subscriptions_subscription set current = true, ended_at = null,"
                " status = 'active' where tenant_id = $1 and id = $2",
                shop.tenant_id,
                one.id,
            )
    assert (await shop.get(again)).current


async def test_each_product_has_its_own_current(shop) -> None:
    logs, mail = await shop.create(), await shop.create("letters")
    held = await shop.do(lambda ctx: service.list_current(ctx, logs.customer_id))
    assert held == [logs, mail]
    found = await shop.do(lambda ctx: service.current(ctx, logs.customer_id, "mail"))
    assert found == mail
    assert await shop.do(lambda ctx: service.current(ctx, logs.customer_id, "none")) is None


# ---------------------------------------------------------------------------------------- renewing


async def test_each_period_ends_once_in_order(shop) -> None:
    one = await shop.create(start_at=at("2025-10-31T10:00"))
    await asyncio.gather(*(shop.renew(one) for _ in range(6)))
    assert await shop.periods(one) == [("10-31", "11-30"), ("11-30", "12-31")]
    ended = await shop.events(PeriodEnded)
    assert [f"{event.period_end:%m-%d}" for event in ended] == ["11-30", "12-31"]
    assert [event.charged_seconds for event in ended] == [30 * SECONDS_A_DAY, 31 * SECONDS_A_DAY]


async def test_a_second_that_was_charged_twice_would_be_named(shop) -> None:
    one = await shop.create(start_at=at("2025-10-31T10:00"))
    await shop.renew(one)
    assert await shop.do(history.charged_twice) == []
    for start, end in (("2025-12-31T10:00", "2026-06-01"), ("2025-11-01", "2025-11-02")):
        again = f"""insert into subscriptions_segment
                (tenant_id, subscription_id, starts_at, ends_at, plan_key, plan_version)
            select tenant_id, subscription_id, '{start}Z', '{end}Z', plan_key, plan_version
            from subscriptions_segment order by starts_at limit 1"""
        with pytest.raises(Undone):  # noqa: PT012 - the damage is seen and rolled back
            async with shop.open() as ctx:
                await ctx.tx.execute(again)
                (told,) = await history.charged_twice(ctx)
                assert told[0] == one.id
                raise Undone


class Undone(Exception):
    """Rolls back."""


async def test_a_moved_test_clock_makes_the_jobs_due(shop) -> None:
    one = await shop.create()
    await shop.run_jobs()
    assert await shop.periods(one) == []
    await shop.set_clock(at("2026-05-01"))
    await shop.run_jobs()
    assert await shop.periods(one) == [("01-15", "02-15"), ("02-15", "03-15"), ("03-15", "04-15")]
    assert (await shop.get(one)).period.end == at("2026-05-15T10:00")


async def test_a_clock_that_goes_back_ends_nothing_twice(shop) -> None:
    one = await shop.create()
    await shop.set_clock(at("2026-02-15T10:00"))
    await shop.run_jobs()
    await shop.set_clock(EPOCH)
    await shop.run_jobs()
    await shop.renew(one)
    await shop.set_clock(at("2026-02-15T10:00"))
    await shop.run_jobs()
    assert await shop.periods(one) == [("01-15", "02-15")]
    await shop.set_clock(at("2026-03-15T10:00"))
    await shop.run_jobs()
    assert await shop.periods(one) == [("01-15", "02-15"), ("02-15", "03-15")]


async def test_a_trial_is_not_charged(shop) -> None:
    one = await shop.create("trial")
    await shop.set_clock(EPOCH + 14 * DAY)
    await shop.run_jobs()
    renewed = await shop.get(one)
    assert renewed.status is Status.ACTIVE
    (ended,) = await shop.events(PeriodEnded)
    assert (ended.period_end, ended.charged_seconds) == (EPOCH + 14 * DAY, 0)
    assert await shop.charged(one, Period(EPOCH, renewed.period.end)) == [
        ("trial", 30 * SECONDS_A_DAY)  # January 29 to February 28
    ]


async def test_what_does_not_renew_expires(shop) -> None:
    one = await shop.create(auto_renew=False)
    await shop.set_clock(at("2026-03-01"))
    await shop.run_jobs()
    over = await shop.get(one)
    assert (over.status, over.current) == (Status.EXPIRED, False)
    assert over.plan_expires_at == over.ended_at == at("2026-02-15T10:00")
    assert (await shop.create()).current


# ---------------------------------------------------------------------------------------- ending


async def test_canceling_now_ends_access_at_the_second(shop) -> None:
    one = await shop.create()
    await shop.set_clock(EPOCH + 10 * DAY)
    over = await shop.do(lambda ctx: service.cancel(ctx, one.id))
    assert over.status is Status.CANCELED
    assert over.plan_expires_at == EPOCH + 10 * DAY
    assert not over.grants_access(EPOCH + 10 * DAY)
    (ended,) = await shop.events(PeriodEnded)
    assert ended.charged_seconds == 10 * SECONDS_A_DAY
    cut = Period(EPOCH, EPOCH + 10 * DAY)
    whole = await shop.do(lambda ctx: service.whole_period(ctx, one.id, cut))
    assert whole == one.period
    with pytest.raises(TransitionRefused):
        await shop.do(lambda ctx: service.cancel(ctx, one.id))


async def test_canceling_at_once_after_the_beginning_bills_nothing(shop) -> None:
    one = await shop.create()
    await shop.do(lambda ctx: service.cancel(ctx, one.id))
    assert await shop.events(PeriodEnded) == []


async def test_canceling_at_the_period_s_end_keeps_access_until_then(shop) -> None:
    one = await shop.create()
    leaving = await shop.do(lambda ctx: service.cancel(ctx, one.id, at=When.PERIOD_END))
    assert leaving.status is Status.ACTIVE
    assert leaving.plan_expires_at == at("2026-02-15T10:00")
    await shop.set_clock(at("2026-04-01"))
    await shop.run_jobs()
    over = await shop.get(one)
    assert (over.status, over.ended_at) == (Status.CANCELED, at("2026-02-15T10:00"))
    assert await shop.periods(one) == [("01-15", "02-15")]


async def test_canceling_at_a_moment_can_be_taken_back(shop) -> None:
    one = await shop.create()
    moment = at("2026-03-01T12:00")
    leaving = await shop.do(lambda ctx: service.cancel(ctx, one.id, at=moment))
    assert leaving.cancel_at == moment
    kept = await shop.do(lambda ctx: service.keep(ctx, one.id))
    assert kept == one
    await shop.do(lambda ctx: service.cancel(ctx, one.id, at=moment))
    await shop.set_clock(at("2026-03-02"))
    await shop.run_jobs()
    assert (await shop.get(one)).ended_at == moment
    assert await shop.periods(one) == [("01-15", "02-15"), ("02-15", "03-01")]
    with pytest.raises(TransitionRefused):
        await shop.do(lambda ctx: service.keep(ctx, one.id))


async def test_a_past_cancellation_is_refused(shop) -> None:
    one = await shop.create()
    with pytest.raises(CancelTimeInvalid):
        await shop.do(lambda ctx: service.cancel(ctx, one.id, at=EPOCH - timedelta(seconds=1)))


# ---------------------------------------------------------------------------------------- pausing


async def test_a_pause_stops_access_and_charges(shop) -> None:
    one = await shop.create()
    await shop.set_clock(EPOCH + 5 * DAY)
    resting = await shop.do(lambda ctx: service.pause(ctx, one.id))
    assert not resting.grants_access(EPOCH + 5 * DAY)
    await shop.set_clock(EPOCH + 8 * DAY)
    awake = await shop.do(lambda ctx: service.resume(ctx, one.id))
    assert awake.grants_access(EPOCH + 8 * DAY)
    assert awake.period == one.period
    assert await shop.charged(one, JANUARY) == [
        ("pro", 5 * SECONDS_A_DAY),
        ("pro", 23 * SECONDS_A_DAY),
    ]
    with pytest.raises(TransitionRefused):
        await shop.do(lambda ctx: service.resume(ctx, one.id))


async def test_a_pause_ends_by_itself(shop) -> None:
    one = await shop.create()
    with pytest.raises(ResumeTimeInvalid):
        await shop.do(lambda ctx: service.pause(ctx, one.id, resume_at=EPOCH))
    until = EPOCH + 10 * DAY
    await shop.do(lambda ctx: service.pause(ctx, one.id, resume_at=until))
    await shop.set_clock(EPOCH + 20 * DAY)
    await shop.run_jobs()
    awake = await shop.get(one)
    assert (awake.status, awake.charged_from) == (Status.ACTIVE, until)


# ---------------------------------------------------------------------------------------- plans


async def test_an_upgrade_is_charged_from_now(shop) -> None:
    one = await shop.create()
    await shop.set_clock(EPOCH + 11 * DAY)
    moved = await shop.do(lambda ctx: service.change_plan(ctx, one.id, "team"))
    assert (moved.plan_key, moved.period) == ("team", one.period)
    assert await shop.charged(one, JANUARY) == [
        ("pro", 11 * SECONDS_A_DAY),
        ("team", 20 * SECONDS_A_DAY),
    ]


async def test_a_downgrade_keeps_the_plan_until_the_period_s_end(shop) -> None:
    one = await shop.create("team")
    planned = await shop.do(lambda ctx: service.change_plan(ctx, one.id, "pro"))
    assert (planned.plan_key, planned.next_plan and planned.next_plan.plan_key) == ("team", "pro")
    await shop.set_clock(at("2026-02-15T10:00"))
    await shop.run_jobs()
    assert (await shop.get(one)).plan_key == "pro"
    assert await shop.charged(one, JANUARY) == [("team", 31 * SECONDS_A_DAY)]


async def test_a_planned_change_is_taken_back_by_choosing_the_plan_held(shop) -> None:
    one = await shop.create("team")
    await shop.do(lambda ctx: service.change_plan(ctx, one.id, "pro"))
    kept = await shop.do(lambda ctx: service.change_plan(ctx, one.id, "team"))
    assert kept == one


async def test_a_yearly_plan_taken_now_begins_a_year_now(shop) -> None:
    one = await shop.create()
    await shop.set_clock(EPOCH + 3 * DAY)
    move = lambda ctx: service.change_plan(ctx, one.id, "yearly", when=When.NOW)  # noqa: E731
    moved = await shop.do(move)
    assert moved.period == Period(EPOCH + 3 * DAY, at("2027-01-18T10:00"))
    assert await shop.periods(one) == [("01-15", "01-18")]
    assert await shop.do(move) == moved


@pytest.mark.parametrize(
    "plan, error", [("letters", PlanUnfit), ("euro", PlanUnfit), ("none", PlanNotFound)]
)
async def test_only_a_fitting_plan_is_taken(shop, plan: str, error: type[Exception]) -> None:
    one = await shop.create()
    with pytest.raises(error):
        await shop.do(lambda ctx: service.change_plan(ctx, one.id, plan))


async def test_a_move_to_another_zone_moves_only_later_boundaries(shop) -> None:
    one = await shop.create()
    moved = await shop.do(lambda ctx: service.change_time_zone(ctx, one.id, "Asia/Tokyo"))
    assert moved.period == one.period
    await shop.set_clock(at("2026-02-15T10:00"))
    after = await shop.renew(one)
    assert after.period == Period(at("2026-02-15T10:00"), at("2026-03-15T01:00"))


# ---------------------------------------------------------------------------------------- owing


async def test_past_due_grants_its_grace_and_then_nothing(shop) -> None:
    one = await shop.create()
    await shop.set_clock(at("2026-02-15T10:00"))
    await shop.run_jobs()
    owing = await shop.do(lambda ctx: service.mark_past_due(ctx, one.id))
    until = at("2026-02-18T10:00")
    assert (owing.status, owing.plan_expires_at) == (Status.PAST_DUE, until)
    assert owing.grants_access(until - timedelta(seconds=1))
    assert not owing.grants_access(until)
    paid = await shop.do(lambda ctx: service.mark_paid(ctx, one.id))
    assert (paid.status, paid.plan_expires_at) == (Status.ACTIVE, at("2026-03-18T10:00"))


# ---------------------------------------------------------------------------------------- everybody


async def test_every_change_is_audited(shop) -> None:
    one = await shop.create()
    await shop.do(lambda ctx: service.pause(ctx, one.id))
    await shop.do(lambda ctx: service.resume(ctx, one.id))
    await shop.do(lambda ctx: service.cancel(ctx, one.id))
    records = await shop.do(lambda ctx: audit.list_records(ctx, subject=one.id))
    told = [(record.entry.data["why"], record.entry.data["after"]) for record in records]
    assert told == [
        ("cancel", "canceled"),
        ("resume", "active"),
        ("pause", "paused"),
        ("created", "active"),
    ]


@pytest.mark.parametrize(
    "id_", ["", "sub_1", "cus_00000000000000000000000000", "sub_\0", "x" * 500]
)
async def test_what_is_no_subscription_is_not_found(shop, id_: str) -> None:
    for act in (service.get, service.renew, service.cancel):
        with pytest.raises(SubscriptionNotFound):
            await shop.do(lambda ctx, act=act: act(ctx, id_))


async def test_mallory_s_view_is_of_what_does_not_exist(shop, mallorys) -> None:
    one = await shop.create()
    for act in (service.get, service.renew, service.cancel, service.pause, service.keep):
        with pytest.raises(SubscriptionNotFound):
            await mallorys.do(lambda ctx, act=act: act(ctx, one.id))
    assert await mallorys.do(service.list_all) == []
    assert await mallorys.do(lambda ctx: service.list_current(ctx, one.customer_id)) == []
    with pytest.raises(CustomerUnknown):
        await mallorys.do(lambda ctx: service.create(ctx, one.customer_id, "pro"))
    assert await shop.get(one) == one


async def test_changing_needs_its_scope(shop) -> None:
    one = await shop.create()
    looker = Actor("api_key", "key_1", frozenset({"subscriptions:read"}))
    for act in (service.cancel, service.pause, service.resume, service.keep, service.activate):
        with pytest.raises(ScopeMissing):
            async with shop.open(looker) as ctx:
                await act(ctx, one.id)


async def test_only_the_provider_changes_what_it_runs(shop) -> None:
    one = await shop.sync()
    for act in (service.cancel, service.pause, service.resume, service.keep, service.mark_paid):
        with pytest.raises(ProviderManaged):
            await shop.do(lambda ctx, act=act: act(ctx, one.id))
