"""Do the stored events become customers, subscriptions and booked money, once, in any order?"""

import asyncio
import json
from datetime import timedelta

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.ledger import service as ledger
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status
from solvent.kernel.tenants import service as tenants
from solvent.kit.bus.envelope import decode
from solvent.kit.testing import eventually
from solvent.systems.payments.limits import CUSTOMER_WAIT_S
from solvent.systems.payments.model import EventState, Provider
from solvent.systems.payments.service import apply, events, inbox, waiting
from solvent.systems.payments.testing import PaddlePurchase, StripePurchase

BUY = StripePurchase("u42", "price_pro", EPOCH)
PADDLE = PaddlePurchase("u42", "pri_pro", EPOCH)
DAY = timedelta(days=1)


async def take(shop, *bodies, provider=Provider.STRIPE):
    await shop.take(*bodies, provider=provider)


async def held(shop, purchase, provider=Provider.STRIPE):
    async with shop.open() as ctx:
        return await subscriptions.find_by_provider(ctx, provider, purchase.subscription_id)


async def payments(shop):
    return await shop.fetch("select * from ledger_payment order by provider_payment_id")


async def test_a_purchase_gives_a_subscription_and_books_its_money(shop):
    await take(shop, BUY.checkout(), BUY.created(), BUY.paid(), BUY.updated())
    found = await held(shop, BUY)
    assert (found.status, found.plan_key, found.current) == (Status.ACTIVE, "pro", True)
    assert found.period.end == EPOCH + 30 * DAY
    async with shop.open() as ctx:
        customer = await tenants.get_customer(ctx, "u42")
        report = await ledger.verify(ctx)
    assert (customer.id, customer.email) == (found.customer_id, "ada@example.com")
    [payment] = await payments(shop)
    assert (payment["amount_minor"], payment["subscription_id"]) == (2900, found.id)
    assert report.sound
    assert {one.state for one in await shop.inbox()} == {EventState.APPLIED}


async def test_terminal_is_final_in_the_kernel_too(shop):
    await take(shop, BUY.checkout(), BUY.deleted(at=EPOCH + DAY), BUY.created(), BUY.updated())
    assert (await held(shop, BUY)).status is Status.CANCELED


async def test_an_event_applied_twice_has_one_effect(shop):
    await take(shop, BUY.checkout(), BUY.updated(), BUY.paid())
    before = await held(shop, BUY)
    for body in (BUY.checkout(), BUY.updated(), BUY.paid()):
        async with shop.open() as ctx:
            await apply.apply(ctx, [shop.arrival(body).key])
    assert await held(shop, BUY) == before
    assert len(await payments(shop)) == 1


async def test_a_handler_that_dies_leaves_the_event(shop):
    """Its transaction is gone as a whole: no half subscription, the event still to be done."""
    await take(shop, BUY.checkout())
    async with shop.open() as ctx:
        await inbox.admit(ctx, [shop.arrival(BUY.updated()), shop.arrival(BUY.paid())])
    keys = [shop.arrival(BUY.updated()).key, shop.arrival(BUY.paid()).key]

    async def work_and_die():
        async with shop.open() as ctx:
            await apply.apply(ctx, keys)
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await work_and_die()
    assert await shop.subscriptions() == []
    assert await payments(shop) == []
    assert len(await shop.inbox(EventState.RECEIVED)) == 3
    async with shop.open() as ctx:
        await apply.apply(ctx, keys)
    assert (await held(shop, BUY)).status is Status.ACTIVE
    assert len(await payments(shop)) == 1


async def test_a_bug_does_not_stop_the_others(shop):
    """What nobody foresaw is undone and kept with its reason; its neighbors are applied."""
    buggy = StripePurchase("u7", "price_pro", EPOCH, "sub_bug", "cus_bug")
    async with shop.open() as ctx:
        bodies = [buggy.checkout(), buggy.updated(), BUY.checkout(), BUY.updated()]
        await inbox.admit(ctx, [shop.arrival(body) for body in bodies])
        await ctx.tx.execute(
            "update payments_event set body = convert_to(replace(convert_from(body, 'UTF8'),"
            " '\"evt_', '\"evt_other_'), 'UTF8') where subscription_ref = 'sub_bug'"
        )
    await shop.work()
    failed = await shop.inbox(EventState.FAILED)
    assert {one.reason.split(":")[0] for one in failed} == {"payments.unforeseen"}
    assert len(failed) == 2
    assert (await held(shop, BUY)).status is Status.ACTIVE
    assert await held(shop, buggy) is None


async def test_two_workers_at_once_fold_one_after_the_other(shop):
    """The same and different events of one subscription, applied concurrently: one subscription."""
    bodies = [BUY.checkout(), BUY.created(), BUY.updated(), BUY.paid()]
    async with shop.open() as ctx:
        await inbox.admit(ctx, [shop.arrival(body) for body in bodies])

    async def worker(body):
        async with shop.open() as ctx:
            await apply.apply(ctx, [shop.arrival(body).key])

    await asyncio.gather(*[worker(body) for body in bodies * 2])
    assert len(await shop.subscriptions()) == 1
    assert len(await payments(shop)) == 1


async def test_an_unknown_price_waits_for_its_plan(shop):
    """Kept with its reason, beside others that work; applied once the catalogue names the price."""
    odd = StripePurchase("u7", "price_new", EPOCH, "sub_new", "cus_new")
    await take(shop, odd.checkout(), odd.updated(), odd.paid(), BUY.checkout(), BUY.updated())
    failed = await shop.inbox(EventState.FAILED)
    assert len(failed) == 3
    assert {one.reason.split(":")[0] for one in failed} == {"payments.plan_unknown"}
    assert "price_new" in failed[0].reason
    assert (await held(shop, BUY)).status is Status.ACTIVE
    assert len(await shop.audited("payments.event_failed")) == 3
    await shop.sell(shop.plan("pro"), shop.plan("new", product="new", prices=("price_new",)))
    async with shop.open() as ctx:
        assert await events.replay_failed(ctx) == 3
    await shop.work()
    assert (await held(shop, odd)).plan_key == "new"
    assert await shop.inbox(EventState.FAILED) == []
    assert len(await payments(shop)) == 1


async def test_an_event_of_no_documented_shape_does_not_stop_the_others(shop):
    event = json.loads(BUY.updated(at=EPOCH + DAY))
    event["data"]["object"]["status"] = "resting"
    await take(shop, BUY.checkout(), json.dumps(event).encode(), BUY.updated(), BUY.paid())
    [failed] = await shop.inbox(EventState.FAILED)
    assert failed.reason.startswith("payments.event_malformed: data.object.status")
    assert (await held(shop, BUY)).status is Status.ACTIVE


async def test_a_second_purchase_by_the_same_person_gives_a_second_subscription(shop):
    """Of another product under the same e-mail; and of the same product by another customer."""
    await shop.sell(shop.plan("pro"), shop.plan("logs", product="logs", prices=("price_logs",)))
    second = StripePurchase("u42", "price_logs", EPOCH, "sub_2", "cus_2")
    third = StripePurchase("u43", "price_pro", EPOCH, "sub_3", "cus_3")
    for buy in (BUY, second, third):
        await take(shop, buy.checkout(), buy.updated(), buy.paid())
    found = [await held(shop, buy) for buy in (BUY, second, third)]
    assert [one.product_key for one in found] == ["app", "logs", "app"]
    assert found[0].customer_id == found[1].customer_id != found[2].customer_id
    assert all(one.current for one in found)
    assert len(await payments(shop)) == 3


async def test_subscription_waits_to_hear_whose_it_is(shop):
    """Events that name no customer wait for the checkout that does, and make no second person."""
    await take(shop, BUY.created(), BUY.paid(), BUY.updated())
    assert await shop.subscriptions() == []
    assert len(await shop.inbox(EventState.RECEIVED)) == 3
    await take(shop, BUY.checkout())
    assert (await held(shop, BUY)).status is Status.ACTIVE
    [customer] = await shop.fetch("select external_ref from tenants_customer")
    assert customer["external_ref"] == "u42"


async def test_a_nameless_subscription_is_adopted_in_the_end(shop, house):
    """Made by hand at the provider, it belongs to the provider's customer after half a minute."""
    await take(shop, BUY.updated(), BUY.paid())
    await waiting.adopt_all(house.edge)
    assert await shop.subscriptions() == []
    async with shop.open() as ctx:
        await ctx.tx.execute(
            "update payments_subscription"
            " set awaits_customer_since = clock_timestamp() - $1::interval",
            timedelta(seconds=CUSTOMER_WAIT_S + 1),
        )
    await waiting.adopt_all(house.edge)
    assert (await held(shop, BUY)).status is Status.ACTIVE
    [customer] = await shop.fetch("select external_ref from tenants_customer")
    assert customer["external_ref"] == "stripe:cus_QTestCustomer"
    await take(shop, BUY.checkout())
    assert (await held(shop, BUY)).status is Status.ACTIVE
    assert len(await shop.audited("payments.customer_kept")) == 1
    assert len(await payments(shop)) == 1


async def test_a_nameless_subscription_without_a_plan_does_not_go_round(shop, house):
    """Adopted and failed for want of a plan, it is left alone until something changes."""
    odd = StripePurchase(None, "price_new", EPOCH)
    await take(shop, odd.updated())
    async with shop.open() as ctx:
        await ctx.tx.execute(
            "update payments_subscription set awaits_customer_since = '2020-01-01'"
        )
    await waiting.adopt_all(house.edge)
    [failed] = await shop.inbox(EventState.FAILED)
    assert "price_new" in failed.reason
    [row] = await shop.fetch("select awaits_customer_since from payments_subscription")
    assert row["awaits_customer_since"] is None


async def test_metadata_names_the_customer_without_a_checkout(shop):
    named = BUY.updated(metadata={"customer": "u99"})
    await take(shop, named)
    async with shop.open() as ctx:
        customer = await tenants.get_customer(ctx, "u99")
    assert (await held(shop, BUY)).customer_id == customer.id


async def test_odd_addresses_do_not_stop_a_payment(shop):
    odd = StripePurchase("u42", "price_pro", EPOCH, email="not an address")
    await take(shop, odd.checkout(), odd.updated())
    async with shop.open() as ctx:
        assert (await tenants.get_customer(ctx, "u42")).email is None


async def test_renewal_failure_and_recovery(shop):
    await take(shop, BUY.checkout(), BUY.created(), BUY.paid(), BUY.updated())
    due = EPOCH + 30 * DAY
    await take(
        shop,
        BUY.updated(status="past_due", period=1, at=due + timedelta(seconds=1)),
        BUY.payment_failed(period=1),
    )
    assert (await held(shop, BUY)).status is Status.PAST_DUE
    await take(shop, BUY.paid(period=1, at=due + DAY), BUY.updated(period=1, at=due + DAY))
    found = await held(shop, BUY)
    assert (found.status, found.paid_through) == (Status.ACTIVE, due + 30 * DAY)
    assert len(await payments(shop)) == 2


async def test_paddle_does_the_same(shop):
    bodies = (PADDLE.completed(), PADDLE.activated(), PADDLE.created())
    await take(shop, *bodies, provider=Provider.PADDLE)
    found = await held(shop, PADDLE, Provider.PADDLE)
    assert (found.status, found.plan_key) == (Status.ACTIVE, "pro")
    [payment] = await payments(shop)
    assert (payment["provider"], payment["amount_minor"]) == ("paddle", 2900)
    await take(shop, PADDLE.canceled(at=EPOCH + DAY), provider=Provider.PADDLE)
    found = await held(shop, PADDLE, Provider.PADDLE)
    assert (found.status, found.ended_at) == (Status.CANCELED, EPOCH + DAY)


def one_time(**change):
    session = json.loads(BUY.checkout())["data"]["object"]
    session |= {"mode": "payment", "subscription": None, "payment_intent": "pi_1"} | change
    return session


def event(kind, subject, id_="evt_x", **data):
    body = {"id": id_, "type": kind, "created": int(EPOCH.timestamp()), "livemode": False}
    return json.dumps(body | {"data": {"object": subject} | data}).encode()


async def test_one_time_payments_are_fulfilled_once(shop):
    """The completed event and the late success of one session book one payment."""
    unpaid = one_time(payment_status="unpaid")
    await take(shop, event("checkout.session.completed", unpaid, "evt_1"))
    assert await payments(shop) == []
    paid = event("checkout.session.async_payment_succeeded", one_time(), "evt_2")
    await take(shop, paid, paid)
    await take(shop, event("checkout.session.completed", one_time(), "evt_3"))
    [payment] = await payments(shop)
    assert (payment["provider_payment_id"], payment["amount_minor"]) == ("pi_1", 2900)


async def told_of_purchases(shop):
    async with shop.house.system.transaction() as tx:
        rows = await tx.fetch(
            "select envelope from kit_outbox where tenant_id = $1 and subject like $2",
            shop.tenant_id,
            "%.payments.purchase_completed.v1",
        )
    return [decode(row["envelope"]).payload for row in rows]


async def test_a_purchase_is_told_of_once_by_however_many_events(shop):
    """The completed event and the late success of one session, one after the other and at once."""
    one, free = one_time(), one_time(id="cs_free", payment_intent=None, amount_total=0)
    bodies = [
        event("checkout.session.completed", one, "evt_1"),
        event("checkout.session.async_payment_succeeded", one, "evt_2"),
        event("checkout.session.completed", free, "evt_3"),
        event("checkout.session.async_payment_succeeded", free, "evt_4"),
    ]
    await take(shop, *bodies)
    told = await told_of_purchases(shop)
    assert sorted(one["checkout_id"] for one in told) == sorted([one["id"], "cs_free"])
    remarks = sorted(one.reason or "" for one in await shop.inbox(EventState.APPLIED))
    assert remarks == ["", "", "told_before", "told_before"]


async def test_a_purchase_told_of_by_two_events_at_once_is_told_of_once(shop):
    async def deliver(number):
        kind = "completed" if number % 2 else "async_payment_succeeded"
        await take(shop, event(f"checkout.session.{kind}", one_time(), f"evt_{number}"))

    await asyncio.gather(*(deliver(number) for number in range(6)))
    assert len(await told_of_purchases(shop)) == 1
    assert len(await payments(shop)) == 1


async def test_mallorys_purchase_of_the_same_name_is_told_of_too(shop):
    body = event("checkout.session.completed", one_time(), "evt_1")
    mallory = await shop.another()
    for one in (shop, mallory):
        await take(one, body)
    assert [len(await told_of_purchases(one)) for one in (shop, mallory)] == [1, 1]


async def test_refunds_are_booked_part_by_part(shop):
    await take(shop, event("checkout.session.completed", one_time(), "evt_1"))
    charge = {"id": "ch_1", "payment_intent": "pi_1", "currency": "usd", "amount_refunded": 900}
    first = event("charge.refunded", charge, "evt_2")
    before = {"previous_attributes": {"amount_refunded": 900}}
    second = event("charge.refunded", charge | {"amount_refunded": 1000}, "evt_3", **before)
    await take(shop, second, first, first)
    [payment] = await payments(shop)
    assert payment["refunded_minor"] == 1000
    async with shop.open() as ctx:
        assert (await ledger.verify(ctx)).sound


async def test_refunds_of_subscriptions_find_their_invoice(shop):
    """Stripe's refund names the intent, and a third event says which invoice that paid."""
    charge = {"id": "ch_1", "payment_intent": "pi_7", "currency": "usd", "amount_refunded": 900}
    await take(shop, event("charge.refunded", charge, "evt_r"))
    [failed] = await shop.inbox(EventState.FAILED)
    assert failed.reason.startswith("ledger.payment_not_found")
    paid = {
        "id": "inpay_1",
        "invoice": "in_sub_1QTestSubscription_0",
        "payment": {"type": "payment_intent", "payment_intent": "pi_7"},
    }
    await take(shop, event("invoice_payment.paid", paid, "evt_a"))
    assert len(await shop.inbox(EventState.FAILED)) == 1
    await take(shop, BUY.checkout(), BUY.updated(), BUY.paid())
    assert await shop.inbox(EventState.FAILED) == []
    [payment] = await payments(shop)
    assert payment["refunded_minor"] == 900
    assert len(await shop.audited("payments.event_failed")) == 1


async def test_a_dispute_lost_after_the_refund_gives_nothing_back_again(shop):
    await take(shop, event("checkout.session.completed", one_time(), "evt_1"))
    charge = {"id": "ch_1", "payment_intent": "pi_1", "currency": "usd", "amount_refunded": 2900}
    dispute = {"id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1", "amount": 2900}
    lost = event("charge.dispute.closed", dispute | {"currency": "usd", "status": "lost"}, "evt_3")
    await take(shop, event("charge.refunded", charge, "evt_2"), lost, lost)
    [payment] = await payments(shop)
    assert (payment["amount_minor"], payment["refunded_minor"]) == (2900, 2900)
    async with shop.open() as ctx:
        assert (await ledger.verify(ctx)).sound
    assert {one.state for one in await shop.inbox()} == {EventState.APPLIED}


async def test_disputes_are_recorded(shop):
    dispute = {"id": "dp_1", "charge": "ch_1", "amount": 900, "currency": "usd", "status": "lost"}
    await take(shop, event("charge.dispute.closed", dispute))
    [entry] = await shop.audited("payments.dispute_seen")
    assert entry.data["status"] == "lost"


async def test_refused_replays_say_why(shop):
    await take(shop, BUY.checkout(), BUY.updated())
    done = (await shop.inbox())[0]
    for name, code in [
        (done.id, "payments.event_settled"),
        ("evt_none", "payments.event_not_found"),
    ]:
        answer = await shop.call("POST", f"/v1/payments/events/{name}/replay")
        assert answer.json()["code"] == code


async def test_from_the_wire_to_the_subscription(shop, worker):
    """Through the server, the outbox, the log and the handlers: out of order and twice."""
    for body in (BUY.paid(), BUY.updated(), BUY.created(), BUY.paid(), BUY.checkout()):
        assert (await shop.post(body)).status_code == 200
    found = await eventually(lambda: held(shop, BUY))
    assert (found.status, found.plan_key) == (Status.ACTIVE, "pro")
    await eventually(lambda: shop.inbox(EventState.RECEIVED), until=lambda left: not left)
    assert len(await payments(shop)) == 1


async def test_a_plan_that_comes_later_is_noticed(shop, worker):
    odd = StripePurchase("u7", "price_new", EPOCH, "sub_new", "cus_new")
    for body in (odd.checkout(), odd.updated()):
        await shop.post(body)
    await eventually(lambda: shop.inbox(EventState.FAILED), until=lambda seen: len(seen) == 2)
    await shop.sell(shop.plan("pro"), shop.plan("new", product="new", prices=("price_new",)))
    found = await eventually(lambda: held(shop, odd))
    assert found.plan_key == "new"
