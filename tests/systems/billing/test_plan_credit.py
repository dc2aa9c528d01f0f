"""Does each period bring its credit once, and does no more of the rest go on than the plan says?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Payment
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import Ctx
from solvent.systems.billing import plan_credit
from solvent.systems.billing.testing import Shop

PLAN = b"""
[meters.log_gb]
aggregation = "sum"
[products.logs]
[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
[plans.pro.prices.logs]
model = "per_unit"
meter = "log_gb"
unit_price = "1"
[plans.pro.credits.included]
amount = "10.00"
rollover = "4.00"
"""


async def running(shop: Shop, held: Subscription) -> Subscription:
    return await shop.do(lambda ctx: subscriptions.get(ctx, held.id))


async def grant(shop: Shop, held: Subscription) -> list[Payment]:
    """Give what the running period brings."""

    async def give(ctx: Ctx) -> list[Payment]:
        now = await subscriptions.get(ctx, held.id)
        version = await catalogue.plan_version(ctx, now.plan_key, now.plan_version)
        return await plan_credit.grant(ctx, now, version)

    return await shop.do(give)


async def pass_period(shop: Shop, held: Subscription) -> list[Payment]:
    """Let the period end, bill it, begin the next, and let the old credit expire a day later."""
    end = (await running(shop, held)).period.end
    await shop.move_clock(end)
    periods = await shop.renew(held.id)
    given = await grant(shop, held)
    await shop.bill(held.id, periods[-1])
    await shop.move_clock(end + plan_credit.USABLE_AFTER)
    for one in await grants(shop, held):
        left = await shop.do(lambda ctx, one=one: ledger.expire_grant(ctx, one.id))
        if left:
            await shop.do(lambda ctx, one=one, left=left: plan_credit.roll_over(ctx, one.id, left))
            await shop.do(lambda ctx, one=one, left=left: plan_credit.roll_over(ctx, one.id, left))
    return given


async def grants(shop: Shop, held: Subscription) -> list[Payment]:
    return await shop.do(lambda ctx: ledger.list_grants(ctx, held.customer_id))


async def left(shop: Shop, held: Subscription) -> int:
    return sum(one.unapplied_minor for one in await grants(shop, held))


async def test_each_period_brings_its_credit_once(shop: Shop) -> None:
    await shop.stock(PLAN)
    held = await shop.subscribe()
    for _ in range(3):
        await grant(shop, held)
    assert await left(shop, held) == 1000


async def test_the_credit_of_a_period_pays_for_its_usage(shop: Shop) -> None:
    await shop.stock(PLAN)
    held = await shop.subscribe()
    await grant(shop, held)
    await shop.use("12.50", held.period.start, id="u1")
    await pass_period(shop, held)
    (invoice,) = await shop.do(ledger.list_invoices)
    assert (invoice.draft.total_minor, invoice.due_minor) == (1250, 250)


async def test_no_more_goes_on_than_the_plan_says_however_long(shop: Shop) -> None:
    await shop.stock(PLAN)
    held = await shop.subscribe()
    await grant(shop, held)
    for _ in range(4):
        await pass_period(shop, held)
        assert await left(shop, held) == 1000 + 400
    assert (await shop.do(ledger.verify)).problems == ()


async def test_what_was_taken_back_by_hand_does_not_go_on(shop: Shop) -> None:
    await shop.stock(PLAN)
    held = await shop.subscribe()
    (given,) = await grant(shop, held)
    await shop.do(lambda ctx: ledger.take_back(ctx, given.id))
    await shop.move_clock(held.period.start + timedelta(days=2))
    assert await shop.do(lambda ctx: plan_credit.roll_over(ctx, given.id, 1000)) is None
