"""Do many subscriptions applied at once end as each would by itself, and does each fail alone?"""

import json
from datetime import timedelta

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import service as ledger
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status
from solvent.systems.payments.model import Arrival, EventState, Provider
from solvent.systems.payments.rules import events as reading
from solvent.systems.payments.rules.reading import read_body
from solvent.systems.payments.service import apply, inbox
from solvent.systems.payments.testing import PaddlePurchase, StripePurchase

DAY = timedelta(days=1)


def buy(name, price="price_pro", *, customer=None):
    return StripePurchase(name, price, EPOCH, f"sub_{name}", customer or f"cus_{name}")


def whole(purchase):
    return [purchase.created(), purchase.paid(), purchase.updated(), purchase.checkout()]


def arrival(body, provider=Provider.STRIPE):
    envelope = reading.envelope(provider, read_body(body))
    return Arrival(provider, envelope, body, "whs_test", EPOCH, EventState.RECEIVED)


async def take(shop, arrivals, *, at_once):
    """Store events and apply them in one transaction, or each in one of its own."""
    async with shop.open() as ctx:
        await inbox.admit(ctx, arrivals)
    keys = [one.key for one in arrivals]
    for some in [keys] if at_once else [[key] for key in keys]:
        async with shop.open() as ctx:
            await apply.apply(ctx, some)


async def standing(shop):
    """Return all that was made, without ids and times of ours, which differ."""
    async with shop.open() as ctx:
        held = await subscriptions.list_all(ctx, limit=200)
        assert (await ledger.verify(ctx)).sound
        assert (await audit.verify(ctx)).ok
    refs = await shop.fetch("select id, external_ref from tenants_customer")
    who = {row["id"]: row["external_ref"] for row in refs}
    money = await shop.fetch("select * from ledger_payment")
    entitled = await shop.fetch("select * from entitlements_record")
    return {
        "subscriptions": sorted(
            (one.provider_subscription_id, who[one.customer_id], one.status) for one in held
        ),
        "money": sorted((row["provider_payment_id"], who[row["customer_id"]]) for row in money),
        "customers": sorted(who.values()),
        "access": sorted(who[row["customer_id"]] for row in entitled if row["access"]),
        "currents": sorted(who[one.customer_id] for one in held if one.current),
        "events": sorted((one.provider_event_id, one.state) for one in await shop.inbox()),
    }


def mixed():
    """What a busy moment brings: many buyers, a second purchase, both providers."""
    paddle = PaddlePurchase("u_paddle", "pri_pro", EPOCH)
    second = StripePurchase("u1", "price_pro", EPOCH, "sub_second", "cus_u1")
    nameless = StripePurchase(None, "price_pro", EPOCH, "sub_nameless", "cus_u2")
    gone = buy("u3")
    bodies = [body for name in ("u1", "u2", "u3", "u4") for body in whole(buy(name))]
    bodies += [second.checkout(), second.updated(), gone.deleted(at=EPOCH + DAY)]
    bodies += [nameless.created(), nameless.paid()]
    arrivals = [arrival(body) for body in bodies]
    return arrivals + [
        arrival(body, Provider.PADDLE) for body in (paddle.completed(), paddle.activated())
    ]


async def test_many_at_once_end_as_each_by_itself(shop):
    other = await shop.another()
    await take(shop, mixed(), at_once=True)
    await take(other, mixed(), at_once=False)
    together, apart = await standing(shop), await standing(other)
    assert together == apart
    assert len(together["subscriptions"]) == 7
    assert together["currents"] == together["access"] == ["u1", "u2", "u4", "u_paddle"]


async def test_a_sibling_in_the_same_moment_names_the_customer(shop):
    """A subscription without a checkout of its own is of whom its neighbor's names."""
    nameless = StripePurchase(None, "price_pro", EPOCH, "sub_a", "cus_x")
    named = StripePurchase("u9", "price_pro", EPOCH, "sub_b", "cus_x")
    bodies = [nameless.updated(), *whole(named)]
    await take(shop, [arrival(body) for body in bodies], at_once=True)
    made = await standing(shop)
    assert made["customers"] == ["u9"]
    assert [one[0] for one in made["subscriptions"]] == ["sub_a", "sub_b"]


@pytest.mark.parametrize("bad", ["price", "shape", "bug", "amount"])
async def test_one_bad_event_fails_alone(shop, bad):
    """Whatever is wrong with one subscription, its neighbors in the batch are applied, once."""
    poisoned = buy("bad", "price_none" if bad == "price" else "price_pro")
    bodies = [body for name in ("a", "bad", "z") if name != "bad" for body in whole(buy(name))]
    wrong = whole(poisoned)
    if bad == "shape":
        wrong[2] = reshaped(wrong[2], "status", "resting")
    if bad == "amount":
        wrong.append(renamed(reshaped(wrong[1], "amount_paid", 1), "evt_again"))
    async with shop.open() as ctx:
        await inbox.admit(ctx, [arrival(body) for body in [*bodies, *wrong]])
        if bad == "bug":
            await ctx.tx.execute(
                "update payments_event set body = convert_to(replace(convert_from(body, 'UTF8'),"
                " '\"evt_', '\"evt_other_'), 'UTF8') where subscription_ref = 'sub_bad'"
            )
    await shop.work()
    made = await standing(shop)
    good = [one for one in made["subscriptions"] if one[0] != "sub_bad"]
    assert [(name, status) for name, _, status in good] == [
        ("sub_a", Status.ACTIVE),
        ("sub_z", Status.ACTIVE),
    ]
    failed = await shop.inbox(EventState.FAILED)
    assert {one.subscription_ref for one in failed} == {"sub_bad"}
    assert len(failed) == {"price": 4, "shape": 1, "bug": 4, "amount": 1}[bad]
    assert len(await shop.audited("payments.event_failed")) == len(failed)
    assert len([one for one in made["money"] if "bad" not in one[0]]) == 2


def reshaped(body, field, value):
    event = json.loads(body)
    event["data"]["object"][field] = value
    return json.dumps(event).encode()


def renamed(body, event_id):
    return json.dumps(json.loads(body) | {"id": event_id}).encode()


async def test_a_renewal_of_many_is_one_change_of_each(shop):
    """The next period of each is told, its money booked, and its old period ended, once."""
    names = [f"r{number}" for number in range(6)]
    await take(shop, [arrival(b) for n in names for b in whole(buy(n))], at_once=True)
    due = EPOCH + 30 * DAY
    renewals = [
        arrival(body)
        for name in names
        for body in (buy(name).paid(period=1, at=due), buy(name).updated(period=1, at=due))
    ]
    await take(shop, renewals, at_once=True)
    async with shop.open() as ctx:
        held = await subscriptions.list_all(ctx, limit=50)
        periods = [await subscriptions.list_periods(ctx, one.id) for one in held]
    assert {one.period.start for one in held} == {due}
    assert [len(ended) for ended in periods] == [1] * 6
    assert len(await shop.fetch("select * from ledger_payment")) == 12
