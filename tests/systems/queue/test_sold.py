"""Is what a tenant bought of the queue what it may use, and is each run counted once?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from solvent.app.house import House
from solvent.app.testing import fresh_tenant
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import (
    CatalogueSpec,
    Feature,
    FeatureKind,
    Interval,
    PlanSpec,
    Price,
    PriceModel,
    Product,
    Terms,
)
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Period, TallyRequest
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import TenantUnknown
from solvent.kit.ctx import OPERATOR
from solvent.kit.ids import TenantId
from solvent.kit.jobs.log import Entry
from solvent.kit.jobs.record import CHAIN_START, Assigned, Dead, Done, Spec, Submitted, encode
from solvent.kit.testing import eventually
from solvent.systems.queue import look, ordering
from solvent.systems.queue.errors import QueuesExhausted, RunsExhausted, WaitingExhausted
from solvent.systems.queue.model import NO_LIMITS, Limits, Use
from solvent.systems.queue.rules import refusal_of
from solvent.systems.queue.service import meter
from solvent.systems.queue.service.limits import NOTHING, LimitsBook, read_limits, slug_of
from solvent.systems.queue.tasks import Follower, read_again, set_limits
from solvent_client.tasks import LimitReached, Tasks, group

NS = 1_000_000_000
AT_NS = int(datetime(2026, 1, 15, 11, tzinfo=UTC).timestamp()) * NS


def plan(key: str, runs: int | None) -> PlanSpec:
    features = (
        Feature("queue_runs", FeatureKind.QUOTA, limit=Decimal(runs), meter_key="queue_runs")
        if runs is not None
        else Feature("queue_runs", FeatureKind.QUOTA, meter_key="queue_runs"),
        Feature("queue_concurrency", FeatureKind.QUOTA, limit=Decimal(2)),
        Feature("queue_queues", FeatureKind.QUOTA, limit=Decimal(1)),
    )
    terms = Terms(
        product_key="queue",
        name=key,
        currency="USD",
        interval=Interval.MONTH,
        interval_count=1,
        prices=(Price("base", PriceModel.FLAT, amount_minor=900),),
        features=features,
    )
    return PlanSpec(key, terms)


CATALOGUE = CatalogueSpec(
    meters=(meter.RUNS,),
    products=(Product("queue", "Queue"),),
    plans=(plan("small", 3), plan("free_runs", None)),
)


@dataclass
class Market:
    """A tenant that sells the queue, and one that may buy it."""

    house: House
    seller: TenantId
    seller_slug: str
    buyer: TenantId
    buyer_slug: str

    async def buy(self, key: str) -> None:
        async with self.house.edge.open(self.seller, OPERATOR) as ctx:
            customer = await tenants.ensure_customer(ctx, self.buyer_slug)
            await subscriptions.create(ctx, customer.id, key)

    async def counted(self) -> Decimal:
        async with self.house.edge.open(self.seller, OPERATOR) as ctx:
            period = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
            asked = TallyRequest(
                meter_key="queue_runs", customer_ref=self.buyer_slug, period=period
            )
            return (await metering.tally(ctx, [asked]))[0]

    async def limits(self) -> Limits:
        return await read_limits(self.house.edge, self.seller_slug, self.buyer)


@pytest.fixture
async def market(house: House, tenant_id: TenantId) -> Market:
    seller = await fresh_tenant(house)
    slugs = [await slug_of(house.edge, one) for one in (seller, tenant_id)]
    made = Market(house, seller, slugs[0], tenant_id, slugs[1])
    async with house.edge.open(seller, OPERATOR) as ctx:
        await catalogue.apply(ctx, CATALOGUE)
    return made


def order(space: str, count: int, *, queue: str = "default") -> ordering.Order:
    jobs = tuple((f"t{place}", Spec("add", queue=queue)) for place in range(count))
    return ordering.Order(space, "test", jobs, frozenset())


async def test_who_bought_nothing_runs_nothing(yard, market: Market):
    assert await market.limits() == NOTHING
    with pytest.raises(RunsExhausted):
        await ordering.check_limits(yard.link, order(market.buyer, 1), NOTHING)
    assert NOTHING.in_dispatch == 0


def elsewhere() -> None:
    """Stand for a function that only workers have."""


@contextlib.asynccontextmanager
async def shop(yard, market: Market) -> AsyncGenerator[Tasks]:
    """The buyer's application, connected through the door."""
    async with market.house.edge.open(market.buyer, OPERATOR) as ctx:
        key = await tenants.issue_key(ctx, name="shop", asked_scopes=["queue:submit"])
    with contextlib.closing(Tasks(yard.door_url, space=market.buyer, key=key.text)) as tasks:
        try:
            yield tasks
        finally:
            yard.runner.limits.clear()


async def test_who_has_no_run_left_submits_nothing_through_the_door(yard, house, market: Market):
    book, limits, spaces = LimitsBook(market.seller_slug), yard.runner.limits, {market.buyer}
    async with shop(yard, market) as tasks:
        add = tasks.task(name="add")(elsewhere)
        handle = await tasks.asubmit(add.s())  # nobody has looked yet
        await read_again(house.edge, book, limits, spaces)
        with pytest.raises(LimitReached) as refused:
            await tasks.asubmit(add.s())
        assert refused.value.code == RunsExhausted.code
        assert await handle.acancel()
        await market.buy("small")
        book.kept.clear()
        await read_again(house.edge, book, limits, spaces)
        assert await (await tasks.asubmit(add.s())).acancel()
        await read_again(house.edge, book, limits, frozenset())
        assert not limits, "of who is gone nothing is kept"


async def test_more_than_may_wait_is_refused_at_the_door(yard, market: Market):
    async with shop(yard, market) as tasks:
        add = tasks.task(name="add")(elsewhere)
        yard.runner.limits[market.buyer] = Limits(waiting=3)
        handles = await tasks.asubmit_many([add.s().set(countdown=3600), add.s()])
        await eventually(lambda: _waits(yard, market.buyer, 2))
        with pytest.raises(LimitReached, match="2 of 3 do, 2 more wanted") as refused:
            await tasks.asubmit(group([add.s(), add.s()]))
        assert refused.value.code == WaitingExhausted.code
        handles.append(await tasks.asubmit(add.s()))
        await eventually(lambda: _waits(yard, market.buyer, 3))
        with pytest.raises(LimitReached):
            await tasks.asubmit(add.s())
        assert all([await one.acancel() for one in handles])
        await eventually(lambda: _waits(yard, market.buyer, 0))
        assert await (await tasks.asubmit(add.s())).acancel()


async def test_one_queue_too_many_is_refused_at_the_door(yard, market: Market):
    async with shop(yard, market) as tasks:
        add = tasks.task(name="add")(elsewhere)
        yard.runner.limits[market.buyer] = Limits(queues=2)
        first = await tasks.asubmit(add.s().set(queue="a"))
        tasks.schedule(add.s().set(queue="b"), "0 3 * * *")
        await asyncio.to_thread(tasks.declare_schedules)
        await eventually(lambda: _opened(yard, market.buyer, {"a", "b"}))
        for calls in ([add.s().set(queue="c")], [add.s().set(queue=one) for one in "abc"]):
            with pytest.raises(LimitReached, match="2 of 2 are, and c would be new") as refused:
                await tasks.asubmit_many(calls)
            assert refused.value.code == QueuesExhausted.code
        assert await (await tasks.asubmit(add.s().set(queue="b"))).acancel()
        assert await first.acancel()
        await eventually(lambda: _opened(yard, market.buyer, {"b"}))
        assert await (await tasks.asubmit(add.s().set(queue="c"))).acancel()


async def _waits(yard, space: str, count: int) -> bool:
    return (await look.in_use(yard.link, space)).waiting == count


async def _opened(yard, space: str, queues: set[str]) -> bool:
    return (await look.in_use(yard.link, space)).open_queues == queues


LIMITS = Limits(queues=2, runs_left=Decimal(5), waiting=4)
USE = Use({"a": 2, "b": 1}, frozenset({"b"}))


@pytest.mark.parametrize(
    "jobs, queues, refused",
    [
        (1, {"a"}, None),
        (1, {"a", "b"}, None),
        (0, {"c"}, QueuesExhausted),
        (1, {"c"}, QueuesExhausted),
        (2, {"a"}, WaitingExhausted),
        (6, {"a"}, RunsExhausted),
        (0, {"a"}, None),
    ],
)
def test_each_limit_is_kept(jobs: int, queues: set[str], refused: type | None):
    found = refusal_of(LIMITS, USE, jobs=jobs, queues=frozenset(queues))
    assert type(found) is (refused or type(None))
    assert refusal_of(NO_LIMITS, USE, jobs=jobs, queues=frozenset(queues)) is None


def test_who_is_over_a_limit_already_may_use_what_is_open():
    """After a downgrade nothing that runs is taken away, and no more comes."""
    use = Use({"a": 9, "b": 9})
    assert refusal_of(Limits(queues=1), use, jobs=1, queues=frozenset("a")) is None
    assert refusal_of(Limits(queues=1), use, jobs=1, queues=frozenset("c")) is not None
    assert refusal_of(Limits(waiting=4), use, jobs=0, queues=frozenset("a")) is None


async def test_what_was_bought_may_be_used(yard, market: Market):
    await market.buy("small")
    limits = await market.limits()
    assert limits == Limits(concurrency=2, queues=1, runs_left=Decimal(3))
    await ordering.check_limits(yard.link, order(market.buyer, 3), limits)
    with pytest.raises(RunsExhausted) as refused:
        await ordering.check_limits(yard.link, order(market.buyer, 4), limits)
    assert refused.value.detail["remaining"] == "3"


async def test_a_quota_without_a_limit_has_none(market: Market):
    await market.buy("free_runs")
    assert (await market.limits()).runs_left is None


async def test_a_second_queue_is_refused_where_one_was_bought(yard, market: Market):
    limits = Limits(queues=1)
    await ordering.check_limits(yard.link, order(market.buyer, 1, queue="a"), limits)
    await ordering.place(yard.jobs, order(market.buyer, 1, queue="a"))
    await yard.until(market.buyer, "t0", "waiting")

    async def refused() -> bool:
        try:
            await ordering.check_limits(yard.link, order(market.buyer, 1, queue="b"), limits)
        except QueuesExhausted:
            return True
        return False

    await eventually(refused)
    await ordering.check_limits(yard.link, order(market.buyer, 1, queue="a"), limits)


async def test_where_nothing_is_sold_there_is_no_limit(house, tenant_id):
    assert await LimitsBook("").of(house.edge, tenant_id) == NO_LIMITS
    assert await LimitsBook("acme").of(house.edge, "solvent") == NO_LIMITS
    assert NO_LIMITS.in_dispatch is None


async def test_the_seller_has_no_limit(house, market: Market):
    assert await read_limits(house.edge, market.seller_slug, market.seller) == NO_LIMITS


async def test_a_seller_that_is_none_is_told(house, tenant_id):
    with pytest.raises(TenantUnknown):
        await LimitsBook("no-such-seller").of(house.edge, tenant_id)


async def test_a_limit_is_read_anew_after_its_time(house, market: Market):
    now = [0.0]
    book = LimitsBook(market.seller_slug, now_ms=lambda: now[0])
    assert await book.of(house.edge, market.buyer) == NOTHING
    await market.buy("small")
    assert await book.of(house.edge, market.buyer) == NOTHING
    now[0] = 5_000
    assert (await book.of(house.edge, market.buyer)).concurrency == 2


async def test_dispatch_holds_to_what_was_bought(yard, house, market: Market):
    book = LimitsBook(market.seller_slug, now_ms=lambda: float("inf"))
    await ordering.place(yard.jobs, order(market.buyer, 1))
    await yard.until(market.buyer, "t0", "waiting")
    await set_limits(house.edge, book, yard.dispatcher)
    assert yard.dispatcher.limits[market.buyer] == 0
    try:
        async with yard.worker(market.buyer):
            serving = yard.dispatcher.view.fleet.workers
            await eventually(lambda: _serves(serving, market.buyer))
            assert (await yard.row(market.buyer, "t0")).state == "waiting"
            await market.buy("small")
            fresh = LimitsBook(market.seller_slug)
            await set_limits(house.edge, fresh, yard.dispatcher)
            assert yard.dispatcher.limits[market.buyer] == 2
            await yard.until(market.buyer, "t0", "done")
    finally:
        for space in list(yard.dispatcher.limits):
            yard.dispatcher.limit(space, None)


async def _serves(workers, space: str) -> bool:
    return any(one.serves and one.space == space for one in workers.values())


def ended(seq: int, space: str, task_id: str, record) -> Entry:
    return Entry(seq, AT_NS + seq, f"job.{space}.{task_id}", encode(record))


def run_of(market: Market, *, seqs: range) -> list[Entry]:
    done = Done(CHAIN_START, 1)
    return [ended(seq, market.buyer, f"t{seq}", done) for seq in seqs]


async def follower(market: Market, yard) -> Follower:
    async with market.house.edge.open(market.seller, OPERATOR) as ctx:
        await metering.define_meter(ctx, meter.RUNS)
    return Follower(market.house.edge, market.house.system, yard.link, market.seller_slug)


async def test_each_finished_run_is_counted_once(yard, market: Market):
    one, two = await follower(market, yard), await follower(market, yard)
    entries = [
        Entry(1, AT_NS, f"job.{market.buyer}.a", encode(Submitted(CHAIN_START, Spec("add")))),
        Entry(2, AT_NS, f"job.{market.buyer}.a", encode(Assigned(CHAIN_START, "w", 1, 5))),
        *run_of(market, seqs=range(10, 40)),
        ended(41, market.buyer, "dead", Dead(CHAIN_START, "broken")),
        ended(42, "solvent", "job_x", Done(CHAIN_START, 1)),
        ended(43, market.seller, "own", Done(CHAIN_START, 1)),
        ended(44, "nobodys-space", "x", Done(CHAIN_START, 1)),
        Entry(45, AT_NS, f"job.{market.buyer}.odd", b"junk"),
        Entry(46, AT_NS, "scaling.queue", b""),
    ]
    await one.take(entries)
    assert await market.counted() == 30
    await two.take(entries)  # another process, or the same after it died before it moved on
    await one.take(entries[5:20])
    assert await market.counted() == 30
    await one.take([ended(50, market.buyer, "t10", Done(CHAIN_START, 49))])  # its next life
    assert await market.counted() == 31


async def test_runs_are_used_up(yard, market: Market):
    await market.buy("small")
    reader = await follower(market, yard)
    await reader.take(run_of(market, seqs=range(100, 103)))
    limits = await market.limits()
    assert limits.runs_left == 0
    assert limits.in_dispatch == 0


async def test_more_runs_than_one_batch_holds_are_all_counted(yard, market: Market):
    reader = await follower(market, yard)
    await reader.take(run_of(market, seqs=range(1_000, 3_500)))
    assert await market.counted() == 2_500


async def test_each_death_is_told_once(yard, house, market: Market):
    reader = Follower(house.edge, house.system, yard.link, "")
    dead = [ended(60 + n, market.buyer, f"d{n}", Dead(CHAIN_START, "broken")) for n in range(3)]
    told: list[int] = []
    for entries in (dead[:2], dead[:2], dead, dead[1:]):
        endings = meter.endings_of(entries)[market.buyer]
        async with house.edge.open(market.buyer, OPERATOR) as ctx:
            told.append(await meter.tell_deaths(ctx, endings))
    assert told == [2, 0, 1, 0]
    assert reader.sold_by == ""


async def test_the_place_in_the_log_never_goes_back(yard, market: Market):
    reader = await follower(market, yard)
    before = await reader.place()
    await reader.take([ended(before + 1_000_000, "solvent", "x", Done(CHAIN_START, 1))])
    await reader.take([ended(before + 5, "solvent", "y", Done(CHAIN_START, 1))])
    assert await reader.place() == before + 1_000_000
    async with market.house.system.transaction() as tx:
        await tx.execute("update kit_log_position set seq = $1", before)


async def test_a_run_on_the_real_log_is_counted(yard, house, market: Market):
    await market.buy("small")
    bounds = await yard.jobs.bounds()
    await ordering.place(yard.jobs, order(market.buyer, 2))
    async with yard.worker(market.buyer):
        for task_id in ("t0", "t1"):
            await yard.until(market.buyer, task_id, "done")
    reader = await follower(market, yard)
    from solvent.systems.queue.logbook import follow_log

    entries = [one async for one in follow_log(yard.jobs, since=bounds.last + 1)]
    await reader.take(entries)
    assert (await market.limits()).runs_left == 1
