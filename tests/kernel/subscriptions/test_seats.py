"""Can a subscription have more seats now, fewer later, and only as many as its plan sells?"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.entitlements import service as entitlements
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.errors import (
    ChangeNotFound,
    ChangeTimeInvalid,
    ProviderManaged,
    QuantityRefused,
    SubscriptionNotFound,
    TooManyPlanned,
    TransitionRefused,
)
from solvent.kernel.subscriptions.events import SubscriptionChanged, SubscriptionChangedV2
from solvent.kernel.subscriptions.model import PlannedKind, PlanRef, Status, When
from solvent.kernel.subscriptions.service.plan import PLANNED_MAX

DAY = timedelta(days=1)
CATALOGUE = b"""
[meters.log_gb]
aggregation = "sum"

[products.logs]

[plans.team]
product = "logs"
currency = "USD"
interval = "month"
seats = { minimum = 2, maximum = 10 }
prices.base = { model = "flat", amount = 29 }
prices.seats = { model = "flat", amount = 9, per_seat = true }
features.gb = { kind = "quota", meter = "log_gb", limit = 100, per_seat = true }
features.projects = { kind = "quota", meter = "log_gb", limit = 7 }

[plans.crew]
product = "logs"
currency = "USD"
interval = "month"
prices.seats = { model = "graduated", per_seat = true, tiers = [
  { up_to = 5, unit_price = 10 }, { unit_price = 8 } ] }

[plans.solo]
product = "logs"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = 60 }
"""


@pytest.fixture
async def team(shop):
    await shop.load(CATALOGUE)
    return await shop.create("team", quantity=4)


async def quantity(shop, one, seats: int, **more):
    return await shop.do(lambda ctx: service.change_quantity(ctx, one.id, seats, **more))


async def parts(shop, one, period: Period) -> list[tuple[int, int]]:
    found = await shop.do(lambda ctx: service.segments(ctx, one.id, period))
    assert all(a.period.end == b.period.start for a, b in pairwise(found))
    return [(segment.quantity, segment.seconds // 86_400) for segment in found]


async def test_more_seats_count_from_now_and_fewer_from_the_next_period(shop, team) -> None:
    await shop.set_clock(EPOCH + 10 * DAY)
    more = await quantity(shop, team, 6)
    assert (more.quantity, more.planned) == (6, ())
    await shop.set_clock(EPOCH + 20 * DAY)
    fewer = await quantity(shop, team, 3)
    assert fewer.quantity == 6
    (planned,) = await shop.do(lambda ctx: service.list_planned(ctx, team.id))
    assert (planned.kind, planned.quantity) == (PlannedKind.CHANGE_QUANTITY, 3)
    assert planned.at == team.period.end
    await shop.set_clock(team.period.end + DAY)
    await shop.run_jobs()
    one = await shop.get(team)
    assert (one.quantity, one.planned) == (3, ())
    assert await parts(shop, team, team.period) == [(4, 10), (6, 21)]
    assert await parts(shop, team, one.period) == [(3, 28)]


async def test_fewer_seats_now_where_that_is_asked_for(shop, team) -> None:
    await shop.set_clock(EPOCH + 10 * DAY)
    assert (await quantity(shop, team, 2, when=When.NOW)).quantity == 2
    assert await parts(shop, team, team.period) == [(4, 10), (2, 21)]


async def test_to_plan_the_present_seats_takes_the_plan_back(shop, team) -> None:
    await quantity(shop, team, 3)
    assert (await quantity(shop, team, 2)).planned[0].quantity == 2  # the later word counts
    kept = await quantity(shop, team, 4, when=When.PERIOD_END)
    assert kept.planned == ()


async def test_a_planned_change_is_made_at_its_moment_however_late_time_is(shop, team) -> None:
    at = EPOCH + 40 * DAY
    await quantity(shop, team, 9, when=at)
    await shop.set_clock(EPOCH + 100 * DAY)
    one = await shop.renew(team)
    assert one.quantity == 9
    found = await shop.do(
        lambda ctx: service.segments(ctx, team.id, Period(EPOCH, EPOCH + 59 * DAY))
    )
    assert [(x.quantity, x.period.start) for x in found] == [
        (4, EPOCH),
        (4, EPOCH + 31 * DAY),
        (9, at),
    ]
    assert await shop.renew(team) == one


async def test_a_planned_change_is_shown_and_taken_back(shop, mallorys, team) -> None:
    await quantity(shop, team, 9, when=EPOCH + DAY)
    (planned,) = await shop.do(lambda ctx: service.list_planned(ctx, team.id))
    with pytest.raises(SubscriptionNotFound):
        await mallorys.do(lambda ctx: service.withdraw(ctx, team.id, planned.id))
    await shop.do(lambda ctx: service.withdraw(ctx, team.id, planned.id))
    with pytest.raises(ChangeNotFound):
        await shop.do(lambda ctx: service.withdraw(ctx, team.id, planned.id))
    await shop.set_clock(EPOCH + 2 * DAY)
    await shop.run_jobs()
    assert (await shop.get(team)).quantity == 4


async def test_only_so_much_is_planned(shop, team) -> None:
    for day in range(1, PLANNED_MAX + 1):
        await quantity(shop, team, 5, when=EPOCH + day * DAY)
    with pytest.raises(TooManyPlanned):
        await quantity(shop, team, 5, when=EPOCH + 90 * DAY)
    await quantity(shop, team, 6, when=EPOCH + DAY)  # in place of the one at that moment


@pytest.mark.parametrize("seats", [0, 1, 11])
async def test_only_as_many_seats_as_the_plan_sells(shop, team, seats: int) -> None:
    with pytest.raises(QuantityRefused, match="from 2 seats to 10") as refused:
        await quantity(shop, team, seats)
    assert refused.value.field == "quantity"
    with pytest.raises(QuantityRefused):
        await shop.create("team", "bob", quantity=seats)


async def test_a_plan_without_seats_sells_one(shop) -> None:
    await shop.load(CATALOGUE)
    with pytest.raises(QuantityRefused, match="sells no seats"):
        await shop.create("solo", quantity=2)
    assert (await shop.create("team")).quantity == 2  # the least that is sold


async def test_seats_go_along_to_another_plan(shop, team) -> None:
    crew = await shop.do(lambda ctx: service.change_plan(ctx, team.id, "crew", when=When.NOW))
    assert crew.quantity == 4
    many = await quantity(shop, team, 50)
    with pytest.raises(QuantityRefused):
        await shop.do(lambda ctx: service.change_plan(ctx, team.id, "team", when=When.NOW))
    solo = await shop.do(lambda ctx: service.change_plan(ctx, many.id, "solo", when=When.NOW))
    assert solo.quantity == 1
    back = await shop.do(
        lambda ctx: service.change_plan(ctx, many.id, "team", when=When.NOW, quantity=3)
    )
    assert (back.plan_key, back.quantity) == ("team", 3)


async def test_dearer_now_and_cheaper_later_counts_the_seats(shop, team) -> None:
    # 29 + 4 x 9 = 65 a month: crew's 4 x 10 is cheaper, solo's 60 too; for 8 seats crew costs 74.
    later = await shop.do(lambda ctx: service.change_plan(ctx, team.id, "crew"))
    assert (later.plan_key, later.next_plan) == ("team", PlanRef("crew", 1))
    await shop.do(lambda ctx: service.withdraw(ctx, team.id, "next_plan"))
    now = await shop.do(lambda ctx: service.change_plan(ctx, team.id, "crew", quantity=8))
    assert (now.plan_key, now.quantity) == ("crew", 8)


async def test_a_quota_per_seat_grows_with_the_seats(shop, team) -> None:
    async def limits() -> list[tuple[str, int]]:
        (record,) = await shop.do(lambda ctx: entitlements.refresh(ctx, [team.customer_id]))
        return [(grant.feature_key, int(grant.limit or 0)) for grant in record.features]

    assert await limits() == [("gb", 400), ("projects", 7)]
    await quantity(shop, team, 7)
    assert await limits() == [("gb", 700), ("projects", 7)]


async def test_what_cannot_change_says_why(shop, team) -> None:
    for when in (EPOCH, EPOCH - DAY):
        with pytest.raises(ChangeTimeInvalid):
            await quantity(shop, team, 5, when=when)
    await shop.do(lambda ctx: service.cancel(ctx, team.id))
    with pytest.raises(TransitionRefused):
        await quantity(shop, team, 5)


async def test_the_seats_of_a_provider_are_the_provider_s(shop) -> None:
    one = await shop.sync(quantity=3)
    assert one.quantity == 3
    with pytest.raises(ProviderManaged):
        await quantity(shop, one, 5)
    await shop.set_clock(EPOCH + DAY)
    again = await shop.sync(quantity=5, order=2)
    assert (again.quantity, again.status) == (5, Status.ACTIVE)
    assert await parts(shop, one, one.period) == [(3, 1), (5, 30)]


async def test_mallory_changes_no_seats(mallorys, team) -> None:
    with pytest.raises(SubscriptionNotFound):
        await quantity(mallorys, team, 5)


@pytest.mark.parametrize(
    "seats, told",
    [
        ("minimum = 0", "from 1 to"),
        ("minimum = 5, maximum = 4", "no less than the minimum"),
        ("most = 4", "not known here"),
    ],
)
def test_seats_that_cannot_be_sold_are_refused_where_they_stand(seats: str, told: str) -> None:
    text = CATALOGUE.replace(b"minimum = 2, maximum = 10", seats.encode())
    with pytest.raises(CatalogueInvalid, match=r"plans\.team\.seats") as refused:
        parse(text)
    assert told in str(refused.value)


def test_a_quota_per_seat_needs_seats() -> None:
    text = (
        CATALOGUE
        + b'features.gb = { kind = "quota", meter = "log_gb", limit = 1, per_seat = true }'
    )
    with pytest.raises(CatalogueInvalid, match=r"plans\.solo\.features\.gb"):
        parse(text)


async def test_seats_leave_the_version_of_other_plans_alone(shop) -> None:
    await shop.load(CATALOGUE)
    text = CATALOGUE.replace(b"minimum = 2, maximum = 10", b"minimum = 3")
    await shop.load(text)
    versions = {plan.plan_key: plan.version for plan in await shop.do(catalogue.list_plans)}
    assert (versions["team"], versions["crew"], versions["solo"]) == (3, 1, 1)


async def test_the_second_version_of_the_event_tells_seats_and_addons_beside_the_first(
    shop, team
) -> None:
    await shop.load(
        CATALOGUE + b'[plans.support]\nproduct = "logs"\ncurrency = "USD"\ninterval = "month"\n'
        b"addon = true\nseats = { minimum = 1, maximum = 5 }\n"
        b'prices.base = { model = "flat", amount = 5, per_seat = true }\n'
    )
    ends_at = EPOCH + 2 * DAY
    addon = await shop.do(
        lambda ctx: service.add_addon(ctx, team.id, "support", quantity=3, ends_at=ends_at)
    )
    await quantity(shop, team, 7)
    await shop.set_clock(ends_at)
    await shop.run_jobs()
    first = await shop.events(SubscriptionChanged)
    second = await shop.events(SubscriptionChangedV2)
    assert [one.subscription_id for one in first] == [one.subscription_id for one in second]
    told = [(one.quantity, [each.quantity for each in one.addons]) for one in second]
    assert told == [(4, []), (4, [3]), (7, [3]), (7, [])]
    [held] = second[1].addons
    assert (held.addon_id, held.plan_key, held.ends_at) == (addon.id, "support", ends_at)
