"""Does every order of a subscription's events end in the very same rows?"""

import asyncio
import itertools
from datetime import timedelta

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status
from solvent.systems.payments.model import Provider
from solvent.systems.payments.testing import PaddlePurchase, StripePurchase

DAY = timedelta(days=1)

OWN = {"tenant_id", "id", "customer_id", "subscription_id", "provider_subscription_id"}
CLOCKS = {"noted_at", "last_event_id", "awaits_customer_since"}


async def outcome(shop, found):
    """Every column of what is kept of a subscription, but whose it is and when it was written."""
    tables = {
        "subscriptions_subscription": "id",
        "subscriptions_period": "subscription_id",
        "subscriptions_segment": "subscription_id",
        "payments_subscription": "subscription_id",
    }
    rows = []
    for table, column in tables.items():
        sql = f"select * from {table} as kept where {column} = $1 order by kept"
        rows += [(table, *told(row)) for row in await shop.fetch(sql, found.id)]
    return tuple(rows)


def told(row):
    return [(key, value) for key, value in row.items() if key not in OWN | CLOCKS]


def stripe_month(index):
    buy = StripePurchase(
        f"u{index}", "price_pro", EPOCH, f"sub_{index}", f"cus_{index}", email="same@x.org"
    )
    return buy, [
        buy.created(),
        buy.updated(),
        buy.paid(),
        buy.checkout(),
        buy.deleted(at=EPOCH + DAY),
    ]


def stripe_renewal(index):
    buy = stripe_month(index)[0]
    later = EPOCH + 31 * DAY
    return buy, [
        buy.checkout(),
        buy.updated(period=1, at=later),
        buy.paid(period=1),
        buy.payment_failed(period=1, at=later - DAY / 2),
        buy.deleted(at=EPOCH + 40 * DAY, period=1),
    ]


def paddle_month(index):
    buy = PaddlePurchase(f"u{index}", "pri_pro", EPOCH, f"sub_{index}", f"ctm_{index}")
    return buy, [
        buy.created(),
        buy.activated(),
        buy.completed(),
        buy.updated(),
        buy.canceled(at=EPOCH + DAY),
    ]


@pytest.mark.parametrize(
    "story,provider",
    [
        (stripe_month, Provider.STRIPE),
        (stripe_renewal, Provider.STRIPE),
        (paddle_month, Provider.PADDLE),
    ],
)
async def test_all_orders_converge_to_one_subscription(shop, story, provider):
    """All 5! orders, each event applied on its own as it comes, as if each came days apart."""

    async def run(index, order):
        buy, five = story(index)
        await shop.take(*[five[place] for place in order], provider=provider)
        async with shop.open() as ctx:
            found = await subscriptions.find_by_provider(ctx, provider, buy.subscription_id)
        return str(await outcome(shop, found)), (found.status, found.ended_at)

    orders = list(enumerate(itertools.permutations(range(5))))
    seen = set()
    for some in chunks(orders, 8):
        seen |= set(await asyncio.gather(*[run(index, order) for index, order in some]))
    assert len(seen) == 1
    [(_, (status, _))] = seen
    assert status is Status.CANCELED
    booked = await shop.fetch("select * from ledger_payment")
    assert len(booked) == 120
    assert {row["amount_minor"] for row in booked} == {2900}
    assert len(await shop.subscriptions()) == 120
    customers = await shop.fetch("select external_ref from tenants_customer")
    assert {row["external_ref"] for row in customers} == {f"u{n}" for n in range(120)}
    folds = await shop.fetch("select status, event_count, last_event_id from payments_subscription")
    assert {(row["status"], row["event_count"]) for row in folds} == {("canceled", 5)}


def chunks(rows, size):
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
