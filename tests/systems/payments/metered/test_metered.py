"""Is usage that Stripe bills told to it: each hour's once, late and put right too, seen by all?"""

from datetime import timedelta
from decimal import Decimal

import pytest
import pytest_asyncio
import stripe

from solvent.app.testing import EPOCH
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Aggregation, MeterSpec, UsageEvent
from solvent.kernel.tenants import service as tenants
from solvent.kit.clock import FrozenClock
from solvent.kit.ctx import OPERATOR
from solvent.kit.testing import eventually
from solvent.systems.payments.errors import GatewayUnavailable
from solvent.systems.payments.metered import service, store
from solvent.systems.payments.metered.errors import (
    EventNameInvalid,
    EventNameTaken,
    MeterEventNotFound,
    MeterNotAdditive,
    MeterNotReported,
)
from solvent.systems.payments.metered.model import SendState
from solvent.systems.payments.metered.reporter import Reporter
from solvent.systems.payments.metered.stripe_meters import StripeMeters
from solvent.systems.payments.model import Provider
from solvent.systems.payments.service import accounts
from solvent.systems.payments.settings import PaymentsSection
from solvent.systems.payments.store import standing
from solvent.systems.payments.stripe_emulator.emulator import STRIPE_KEY, StripeEmulator

HOUR = timedelta(hours=1)


class Died(BaseException):
    """The process is killed at this point."""


class Plant:
    """A shop whose API calls Stripe bills, and its customer globex at both."""

    def __init__(self, house, tenant_id, bank):
        self.house, self.tenant_id, self.bank = house, tenant_id, bank
        self.used = 0

    @property
    def client(self):
        return stripe.StripeClient(STRIPE_KEY, base_addresses={"api": self.bank.url}).v1

    @property
    def meters(self):
        return StripeMeters(STRIPE_KEY, self.bank.url)

    def reporter(self, meters=None):
        return Reporter(self.house.edge, lambda key: meters or self.meters)

    async def do(self, act, *given, **more):
        async with self.house.edge.open(self.tenant_id, OPERATOR) as ctx:
            return await act(ctx, *given, **more)

    async def open(self):
        spec = MeterSpec(
            key="calls", name="Calls", aggregation=Aggregation.SUM, unit="call", counts_from=EPOCH
        )
        await self.do(metering.define_meter, spec)
        await self.do(accounts.connect, Provider.STRIPE, api_key=STRIPE_KEY)
        self.meter = self.client.billing.meters.create(
            {
                "display_name": "Calls",
                "event_name": "api_calls",
                "default_aggregation": {"formula": "sum"},
            }
        )
        await self.do(service.report, "calls", event_name="api_calls")
        self.customer = await self.know("globex")
        await self.move(HOUR)

    async def know(self, ref):
        """Make a customer here and at Stripe, who is known to be the same."""
        made = self.client.customers.create({"name": ref})
        ours = await self.do(tenants.ensure_customer, ref)
        known = {(Provider.STRIPE, made.id): ours.id}
        await self.do(lambda ctx: standing.save_customers(ctx.tx, ctx.tenant_id, known))
        return made.id

    async def move(self, by):
        self.bank.clock.advance(by)

        async def to(ctx):
            await tenants.move_test_clock(ctx, ctx.now() + by)

        await self.do(to)

    async def use(self, value, *, ago=timedelta(0), customer="globex", meter="calls"):
        self.used += 1

        async def act(ctx):
            event = UsageEvent(
                id=f"use-{self.used}",
                customer_ref=customer,
                meter_key=meter,
                at=ctx.now() - ago,
                value=Decimal(value),
            )
            await metering.record_one(ctx, event)
            await service.note(ctx, [meter], [customer])

        await self.do(act)
        return f"use-{self.used}"

    async def report(self, meters=None):
        return await self.reporter(meters).run_in(self.tenant_id)

    async def events(self, state=None):
        return await self.do(service.list_events, state=state, limit=100)

    def at_stripe(self, *, customer=None):
        now = int(self.bank.clock.now().timestamp())
        span = {"start_time": now - 70 * 86_400, "end_time": now + 86_400}
        found = self.client.billing.meters.event_summaries.list(
            self.meter.id, {"customer": customer or self.customer, **whole_minutes(span)}
        )
        return sum(Decimal(str(one.aggregated_value)) for one in found.data)


def whole_minutes(span):
    return {name: moment - moment % 60 for name, moment in span.items()}


@pytest.fixture
def bank():
    with StripeEmulator(clock=FrozenClock(EPOCH)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def plant(shop, bank):
    made = Plant(shop.house, shop.tenant_id, bank)
    await made.open()
    return made


async def test_an_hour_is_told_once_it_is_over(plant):
    await plant.use(3)
    await plant.use("0.5")
    assert await plant.report() == 0
    await plant.move(HOUR)
    assert await plant.report() == 0  # what comes some minutes late is waited for
    await plant.move(timedelta(minutes=5))
    assert await plant.report() == 1
    assert plant.at_stripe() == Decimal("3.5")
    assert await plant.report() == 0
    [event] = await plant.events()
    assert (event.state, event.value, event.hour) == (SendState.SENT, Decimal("3.5"), EPOCH + HOUR)


async def test_no_transaction_is_open_while_stripe_is_told(plant, watched):
    meters = watched(plant.meters, plant.house.edge)
    await plant.use(3)
    await plant.move(HOUR + timedelta(minutes=5))
    assert await plant.report(meters) == 1
    assert meters.seen == {"send": []}


async def test_late_usage_is_told_of_its_own_hour(plant):
    await plant.use(3)
    await plant.move(3 * HOUR)
    await plant.report()
    await plant.use(4, ago=3 * HOUR)
    assert await plant.report() == 1
    newest, first = await plant.events()
    assert (newest.hour, newest.number, newest.value) == (first.hour, 1, 4)
    assert plant.at_stripe() == 7


async def test_usage_that_was_taken_back_is_taken_back_at_stripe(plant):
    from solvent.kernel.metering import amending

    wrong = await plant.use(5)
    await plant.use(2)
    await plant.move(2 * HOUR)
    await plant.report()
    await plant.do(amending.void, wrong, reason="a test call")
    await plant.do(service.note, ["calls"], ["globex"])
    await plant.report()
    assert plant.at_stripe() == 2
    assert [one.value for one in await plant.events()] == [-5, 7]


@pytest.mark.parametrize("point", ["before", "after"])
async def test_usage_is_never_told_twice_whatever_dies(plant, point):
    """Killed before the call, or after it and before its outcome was written."""
    await plant.use(3)
    await plant.move(2 * HOUR)
    meters = plant.meters

    class Dying:
        def send(self, one):
            if point == "after":
                meters.send(one)
            raise Died

        has = meters.has

    with pytest.raises(Died):
        await plant.report(Dying())
    assert await plant.report() == 0  # leased to who died
    await lease_ends(plant)
    assert await plant.report() == 1
    assert plant.at_stripe() == 3
    [event] = await plant.events()
    assert (event.state, event.tries) == (SendState.SENT, 2)


async def lease_ends(plant):
    await plant.do(
        lambda ctx: ctx.tx.execute("update payments_metered_event set leased_until = null")
    )


async def test_a_death_before_the_draft_is_kept_drafts_it_anew(plant):
    await plant.use(3)
    await plant.move(2 * HOUR)

    async def draft_and_die(ctx):
        assert await service.draft(ctx) == 1
        raise Died

    with pytest.raises(Died):
        await plant.do(draft_and_die)
    assert await plant.events() == []
    assert await plant.report() == 1
    assert plant.at_stripe() == 3


async def tried_long_ago(plant):
    await plant.do(
        lambda ctx: ctx.tx.execute(
            "update payments_metered_event set leased_until = null, next_at = clock_timestamp(),"
            " first_tried_at = clock_timestamp() - interval '23 hours'"
        )
    )


@pytest.mark.parametrize("arrived", [True, False])
async def test_what_was_tried_a_day_ago_is_looked_for_before_it_is_sent(plant, arrived):
    """By then its identifier would not keep Stripe from counting it twice."""
    await plant.use(3)
    await plant.move(2 * HOUR)
    meters = plant.meters

    class Cut:
        def send(self, one):
            if arrived:
                meters.send(one)
            raise GatewayUnavailable

        has = meters.has

    await plant.report(Cut())
    [waiting] = await plant.events()
    assert (waiting.state, waiting.tries) == (SendState.WAITING, 1)
    plant.bank.clock.advance(timedelta(days=1, hours=1))  # Stripe has forgotten the identifier
    await tried_long_ago(plant)
    await plant.report()
    [event] = await plant.events()
    assert event.state is SendState.SENT
    assert plant.at_stripe() == 3


async def test_what_cannot_be_told_apart_waits_for_a_decision(plant):
    await plant.use(3)
    await plant.move(2 * HOUR)

    class Cut:
        def send(self, one):
            raise GatewayUnavailable

        def has(self, one):
            return None

    await plant.report(Cut())
    await tried_long_ago(plant)
    await plant.report(Cut())
    [event] = await plant.events(SendState.UNCLEAR)
    assert await plant.do(service.list_open_questions)
    await plant.do(service.resolve, event.id, arrived=False)
    assert await plant.report() == 1
    with pytest.raises(MeterEventNotFound):
        await plant.do(service.resolve, event.id, arrived=True)


async def test_older_than_35_days_is_refused_by_stripe_and_shown(plant):
    await plant.use(1)
    await plant.move(timedelta(days=36))
    await plant.report()
    [event] = await plant.events(SendState.REFUSED)
    assert "35" in event.reason
    assert [one[0] for one in await plant.do(service.list_open_questions)] == [event.id]
    [found] = await plant.do(service.list_standing)
    assert found.counts[SendState.REFUSED] == 1


async def test_an_outage_is_waited_out_and_caught_up(plant):
    for _ in range(3):
        await plant.use(2)
        await plant.move(HOUR)
    away = (503, {"error": {"type": "api_error", "message": "Away."}})
    plant.bank.failures.extend([away] * 9)
    await plant.move(HOUR)
    assert await plant.report() == 0
    waiting = await plant.events(SendState.WAITING)
    assert len(waiting) == 3
    assert {one.tries for one in waiting} == {1}
    plant.bank.failures.clear()
    await plant.do(
        lambda ctx: ctx.tx.execute("update payments_metered_event set next_at = clock_timestamp()")
    )
    assert await plant.report() == 3
    assert plant.at_stripe() == 6


async def test_a_meter_that_is_not_there_refuses_and_is_tried_again(plant):
    plant.client.billing.meters.deactivate(plant.meter.id)
    await plant.use(1)
    await plant.move(2 * HOUR)
    await plant.report()
    [event] = await plant.events(SendState.REFUSED)
    assert "No active meter" in event.reason
    plant.client.billing.meters.reactivate(plant.meter.id)
    assert await plant.do(service.retry) == 1
    assert await plant.report() == 1
    with pytest.raises(MeterEventNotFound):
        await plant.do(service.retry, event.id)


async def test_usage_of_somebody_whom_stripe_does_not_know_waits(plant):
    await plant.use(4, customer="initech")
    await plant.move(2 * HOUR)
    assert await plant.report() == 0
    [event] = await plant.events(SendState.WAITING)
    assert event.reason == service.NO_CUSTOMER
    theirs = await plant.know("initech")
    await plant.do(
        lambda ctx: ctx.tx.execute("update payments_metered_event set next_at = clock_timestamp()")
    )
    assert await plant.report() == 1
    assert plant.at_stripe(customer=theirs) == 4


async def test_usage_before_it_was_wanted_is_not_told(plant):
    await plant.use(9, ago=HOUR / 2)
    await plant.use(1)
    await plant.move(2 * HOUR)
    await plant.report()
    assert plant.at_stripe() == 1


async def test_a_meter_that_is_stopped_is_told_no_more(plant):
    await plant.do(service.stop, "calls")
    await plant.use(1)
    await plant.move(2 * HOUR)
    assert await plant.report() == 0
    assert not await plant.do(service.has_metered)
    with pytest.raises(MeterNotReported):
        await plant.do(service.stop, "calls")


async def test_what_cannot_be_told_is_refused_when_it_is_asked_for(plant):
    spec = MeterSpec(key="seats", name="Seats", aggregation=Aggregation.MAX, unit="seat")
    await plant.do(metering.define_meter, spec)
    with pytest.raises(MeterNotAdditive):
        await plant.do(service.report, "seats", event_name="seats")
    for name in ("", "a b", "x" * 101):
        with pytest.raises(EventNameInvalid):
            await plant.do(service.report, "calls", event_name=name)
    other = MeterSpec(key="other", name="Other", aggregation=Aggregation.COUNT, unit="call")
    await plant.do(metering.define_meter, other)
    with pytest.raises(EventNameTaken):
        await plant.do(service.report, "other", event_name="api_calls")


async def test_it_is_steered_and_seen_over_http(plant, shop):
    put = await shop.call("PUT", "/v1/payments/meters/calls", body={"event_name": "calls"})
    assert (put.status_code, put.json()["event_name"]) == (200, "calls")
    await plant.use(1)
    await plant.move(2 * HOUR)
    await plant.report()  # there is no such meter at Stripe
    [shown] = (await shop.call("GET", "/v1/payments/meters")).json()
    assert (shown["meter"], shown["events"]["refused"]) == ("calls", 1)
    found = (await shop.call("GET", "/v1/payments/meter-events?state=refused&limit=1")).json()
    [event] = found["data"]
    assert (event["customer"], event["value"], found["next_cursor"]) == ("globex", "1", None)
    path = f"/v1/payments/meter-events/{event['id']}"
    assert (await shop.call("POST", f"{path}/retry")).status_code == 204
    again = await shop.call("POST", f"{path}/retry")
    assert (again.status_code, again.json()["code"]) == (404, "payments.meter_event_not_found")
    body = {"arrived": True}
    assert (await shop.call("POST", f"{path}/resolve", body=body)).status_code == 404
    assert (await shop.call("DELETE", "/v1/payments/meters/calls")).status_code == 204
    assert (await shop.call("DELETE", "/v1/payments/meters/calls")).status_code == 404


@pytest.mark.parametrize(
    "body,code",
    [
        ({"event_name": "a b"}, "payments.meter_event_name_invalid"),
        ({"event_name": ""}, "payments.meter_event_name_invalid"),
        ({"event": "calls"}, None),
        ({}, None),
    ],
)
async def test_names_that_are_none_are_refused_over_http(plant, shop, body, code):
    answer = await shop.call("PUT", "/v1/payments/meters/calls", body=body)
    assert answer.status_code in {400, 422}
    assert code is None or answer.json()["code"] == code


async def test_strangers_and_mallory_see_and_steer_nothing(plant, shop):
    await plant.use(1)
    await plant.move(timedelta(days=36))
    await plant.report()
    [event] = await plant.events(SendState.REFUSED)
    path = f"/v1/payments/meter-events/{event.id}/retry"
    for key in ("sk_test_wrong", "pk_test_wrong"):
        assert (await shop.call("GET", "/v1/payments/meters", key=key)).status_code == 401
        assert (await shop.call("POST", path, key=key)).status_code == 401
    mallory = await shop.another()
    assert (await mallory.call("GET", "/v1/payments/meters")).json() == []
    assert (await mallory.call("GET", "/v1/payments/meter-events")).json()["data"] == []
    assert (await mallory.call("POST", path)).status_code == 404


async def test_mallorys_usage_is_told_to_nobody(plant, shop):
    await plant.use(1)
    await plant.move(timedelta(days=36))
    await plant.report()
    [theirs] = await plant.events(SendState.REFUSED)
    mallory = await shop.another()
    async with mallory.open() as ctx:
        assert await service.list_standing(ctx) == []
        assert await service.draft(ctx) == 0
        await service.note(ctx, ["calls"], ["globex"])
        assert await store.take_due(ctx.tx, ctx.tenant_id, now=ctx.now(), limit=9) == []
        with pytest.raises(MeterEventNotFound):
            await service.retry(ctx, theirs.id)


@pytest.fixture
def reached(plant):
    """The worker's own address of Stripe is the emulator's."""
    section = plant.house.wiring.settings[PaymentsSection]
    before = section.stripe_api
    object.__setattr__(section, "stripe_api", plant.bank.url)
    yield
    object.__setattr__(section, "stripe_api", before)


async def test_the_worker_hears_of_usage(plant, reached, worker):
    """Recorded, told through the outbox and noted by the handler, as in life."""

    async def record(ctx):
        event = UsageEvent(
            id="heard-1", customer_ref="globex", meter_key="calls", at=ctx.now(), value=Decimal(2)
        )
        await metering.record_one(ctx, event)

    async def noted():
        rows = await plant.do(lambda ctx: ctx.tx.fetch("select * from payments_metered_due"))
        return [row["customer_ref"] for row in rows]

    await plant.do(record)
    await eventually(noted, until=lambda found: found == ["globex"])
    await plant.move(2 * HOUR)
    await plant.report()  # or the worker, whoever is first

    async def told():
        return plant.at_stripe()

    await eventually(told, until=lambda found: found == 2)
