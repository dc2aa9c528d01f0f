"""Are fees in advance, things sold once and coupons charged right, once, and derived again?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.app.testing import fresh_tenant
from solvent.kernel.ledger import rules
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.errors import (
    CouponExists,
    CouponMalformed,
    CouponNotForThis,
    CouponNotFound,
    CouponRedeemed,
    CouponSpent,
    ItemChanged,
    ItemMalformed,
    ItemNotFound,
)
from solvent.kernel.ledger.model import Discount, Invoice, InvoiceKind, InvoiceStatus, LineKind
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription, When
from solvent.kit.bus.envelope import Envelope, decode
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.money import Money
from solvent.systems.billing import service as billing
from solvent.systems.billing.testing import Shop

PLANS = b"""
[meters.log_gb]
aggregation = "sum"
[products.logs]
[plans.small]
product = "logs"
currency = "USD"
interval = "month"
[plans.small.prices.base]
model = "flat"
amount = "30.00"
in_advance = true
[plans.small.prices.logs]
model = "per_unit"
meter = "log_gb"
unit_price = "1"
[plans.large]
product = "logs"
currency = "USD"
interval = "month"
minimum = "90.00"
[plans.large.prices.base]
model = "flat"
amount = "90.00"
in_advance = true
"""


@pytest.fixture
async def paid_ahead(shop: Shop) -> Subscription:
    await shop.stock(PLANS)
    return await shop.subscribe(plan="small")


async def opened(shop: Shop, held: Subscription) -> Invoice:
    made = await shop.do(lambda ctx: billing.open_period(ctx, held.id))
    assert made is not None
    return made


async def closed(shop: Shop, held: Subscription) -> Invoice:
    """Let the running period end, and return its invoice."""
    now = await shop.do(lambda ctx: subscriptions.get(ctx, held.id))
    await shop.move_clock(now.period.end)
    periods = await shop.renew(held.id)
    return await shop.bill(held.id, periods[-1])


async def must_hold(shop: Shop, *invoices: Invoice) -> None:
    for one in invoices:
        rebuilt = await shop.do(lambda ctx, one=one: ledger.rebuild_invoice(ctx, one.id))
        assert rebuilt.identical, rebuilt.differences
    assert (await shop.do(ledger.verify)).problems == ()


def told(invoice: Invoice) -> list[tuple[str, int]]:
    return [(line.kind.value, line.amount_minor) for line in invoice.draft.lines]


# ---------------------------------------------------------------------------------- in advance


async def test_a_fee_in_advance_is_charged_when_its_period_begins_and_not_again(
    shop: Shop, paid_ahead: Subscription
) -> None:
    first = await opened(shop, paid_ahead)
    assert first.draft.kind is InvoiceKind.ADVANCE
    assert told(first) == [("base", 3000)]
    assert (await opened(shop, paid_ahead)).id == first.id
    await shop.use("7", paid_ahead.period.start, id="u1")
    last = await closed(shop, paid_ahead)
    assert told(last) == [("usage", 700)]
    second = await opened(shop, paid_ahead)
    assert second.id != first.id
    assert [one.number for one in (first, last, second)] == [1, 2, 3]
    await must_hold(shop, first, last, second)


async def test_an_upgrade_charges_the_difference_by_the_second(
    shop: Shop, paid_ahead: Subscription
) -> None:
    first = await opened(shop, paid_ahead)
    half = paid_ahead.period.start + paid_ahead.period.duration / 2
    await shop.move_clock(half)
    await shop.do(lambda ctx: subscriptions.change_plan(ctx, paid_ahead.id, "large", when=When.NOW))
    last = await closed(shop, paid_ahead)
    assert told(last) == [("usage", 0), ("base", 1500), ("base", 4500), ("advanced", -3000)]
    assert last.draft.total_minor == 3000
    assert sum(one.draft.total_minor for one in (first, last)) == 1500 + 4500
    await must_hold(shop, first, last)


async def test_a_downgrade_gives_nothing_back_within_its_period(
    shop: Shop, paid_ahead: Subscription
) -> None:
    await shop.do(lambda ctx: subscriptions.change_plan(ctx, paid_ahead.id, "large", when=When.NOW))
    first = await opened(shop, paid_ahead)
    assert first.draft.total_minor == 9000
    await shop.move_clock(paid_ahead.period.start + timedelta(days=1))
    await shop.do(lambda ctx: subscriptions.change_plan(ctx, paid_ahead.id, "small", when=When.NOW))
    last = await closed(shop, paid_ahead)
    assert last.draft.total_minor == 0
    await must_hold(shop, first, last)


async def test_a_void_invoice_in_advance_is_charged_when_the_period_is_over(
    shop: Shop, paid_ahead: Subscription
) -> None:
    first = await opened(shop, paid_ahead)
    await shop.do(lambda ctx: ledger.void_invoice(ctx, first.id, reason="wrong"))
    last = await closed(shop, paid_ahead)
    assert last.draft.total_minor == 3000
    await must_hold(shop, last)


async def test_a_trial_is_not_charged_in_advance(shop: Shop) -> None:
    await shop.stock(
        PLANS.replace(b'interval = "month"\n', b'interval = "month"\ntrial_days = 7\n')
    )
    held = await shop.subscribe(plan="small")
    assert await shop.do(lambda ctx: billing.open_period(ctx, held.id)) is None
    await shop.move_clock(held.period.end)
    await shop.renew(held.id)
    assert told(await opened(shop, held)) == [("base", 3000)]


# --------------------------------------------------------------------------------------- items


async def item(shop: Shop, minor: int = 5000, source: str = "s1", **more: object):
    async def act(ctx: Ctx):
        return await ledger.add_item(
            ctx,
            customer="globex",
            unit=Money(minor, "USD"),
            description="Set-up",
            source=source,
            **more,
        )

    return await shop.do(act)


async def test_an_item_is_charged_once_on_the_next_invoice(
    shop: Shop, held: Subscription, first: Period
) -> None:
    await item(shop, quantity=Decimal("2.5"))
    await item(shop, quantity=Decimal("2.5"))
    await item(shop, 1, "of another currency's plan", quantity=Decimal(3))
    invoice = await shop.bill(held.id, first)
    lines = [line for line in invoice.draft.lines if line.kind is LineKind.ITEM]
    assert [line.amount_minor for line in lines] == [12_500, 3]
    assert await shop.do(lambda ctx: ledger.list_items(ctx, held.customer_id)) == []
    await must_hold(shop, invoice)


async def test_a_void_invoice_lets_its_items_go_to_the_next(
    shop: Shop, held: Subscription, first: Period
) -> None:
    one = await item(shop)
    invoice = await shop.bill(held.id, first)
    with pytest.raises(ItemNotFound):
        await shop.do(lambda ctx: ledger.remove_item(ctx, one.id))
    await shop.do(lambda ctx: ledger.void_invoice(ctx, invoice.id, reason="wrong"))
    later = await closed(shop, held)
    assert ("item", 5000) in told(later)
    await must_hold(shop, later)


@pytest.mark.parametrize(
    "more, field",
    [
        ({"minor": 0}, "unit"),
        ({"minor": -1}, "unit"),
        ({"quantity": Decimal(0)}, "quantity"),
        ({"quantity": Decimal("NaN")}, "quantity"),
        ({"quantity": Decimal("1e400")}, "quantity"),
        ({"source": " "}, "source"),
    ],
)
async def test_an_item_that_makes_no_sense_is_refused(shop: Shop, more, field) -> None:
    with pytest.raises(ItemMalformed) as refused:
        await item(shop, **more)
    assert refused.value.field == field


async def test_the_same_source_with_another_content_is_refused(shop: Shop) -> None:
    await item(shop)
    with pytest.raises(ItemChanged):
        await item(shop, 5001)


# ------------------------------------------------------------------------------------- coupons


async def coupon(shop: Shop, code: str = "HALF", **more: object) -> None:
    percent = more.pop("percent", None if "amount_minor" in more else Decimal(50))
    off = Discount(code, f"Coupon {code}", percent, more.pop("amount_minor", None))
    await shop.do(lambda ctx: ledger.make_coupon(ctx, off, **more))


async def redeem(shop: Shop, held: Subscription, code: str = "half"):
    return await shop.do(lambda ctx: ledger.redeem_coupon(ctx, code, held.id))


async def test_a_coupon_counts_for_its_periods_and_then_ends(
    shop: Shop, held: Subscription
) -> None:
    await coupon(shop, periods=2)
    await redeem(shop, held)
    invoices = [await closed(shop, held) for _ in range(3)]
    assert [one.draft.total_minor for one in invoices] == [1450, 1450, 2900]
    await must_hold(shop, *invoices)


async def test_an_amount_is_taken_off_once_a_period_and_never_below_nothing(
    shop: Shop, paid_ahead: Subscription
) -> None:
    await coupon(shop, "FORTY", amount_minor=4000, currency="USD", periods=1)
    await redeem(shop, paid_ahead, "FORTY")
    first = await opened(shop, paid_ahead)
    assert told(first) == [("base", 3000), ("discount", -3000)]
    assert first.status is InvoiceStatus.PAID
    await shop.use("25", paid_ahead.period.start, id="u1")
    last = await closed(shop, paid_ahead)
    assert told(last) == [("usage", 2500), ("discount", -1000)]
    assert (await opened(shop, paid_ahead)).draft.total_minor == 3000
    await must_hold(shop, first, last)


@given(
    gross=st.integers(0, 10**9),
    percents=st.lists(st.integers(1, 100), max_size=4),
    amounts=st.lists(st.integers(1, 10**9), max_size=4),
)
def test_discounts_never_take_more_than_all(gross, percents, amounts) -> None:
    left = gross
    for percent in percents:
        left -= rules.discount_of(Discount("P", "P", percent=Decimal(percent)), left)
        assert 0 <= left <= gross
    for amount in amounts:
        left -= rules.discount_of(Discount("A", "A", amount_minor=amount), left)
        assert 0 <= left <= gross


async def test_the_last_redemption_is_given_once(shop: Shop) -> None:
    await coupon(shop, redemptions_max=3)
    held = []
    for number in range(6):
        await shop.customer(f"c{number}")
        held.append(await shop.subscribe(f"c{number}"))
    outcomes = await asyncio.gather(*(redeem(shop, one) for one in held), return_exceptions=True)
    assert sum(isinstance(one, CouponSpent) for one in outcomes) == 3
    assert (await shop.do(lambda ctx: ledger.get_coupon(ctx, "HALF"))).redeemed == 3


async def test_who_may_not_redeem_is_told_why(shop: Shop, held: Subscription) -> None:
    async with shop.open() as ctx:
        now = ctx.now()
    await coupon(shop, "OTHER", plan_keys=("team",))
    await coupon(shop, "PAST", redeem_by=now)
    await coupon(shop, "GONE")
    await shop.do(lambda ctx: ledger.close_coupon(ctx, "GONE"))
    await coupon(shop, "TWICE", redemptions_max=5)
    await redeem(shop, held, "TWICE")
    wanted: dict[str, type[Exception]] = {
        "OTHER": CouponNotForThis,
        "PAST": CouponSpent,
        "GONE": CouponSpent,
        "TWICE": CouponRedeemed,
        "NONE": CouponNotFound,
    }
    for code, error in wanted.items():
        with pytest.raises(error):
            await redeem(shop, held, code)
    twice = await shop.do(lambda ctx: ledger.get_coupon(ctx, "TWICE"))
    assert twice.redeemed == 1


MALFORMED: dict[str, Callable[[], dict[str, object]]] = {
    "code": lambda: {"code": "no spaces"},
    "percent": lambda: {"percent": Decimal(101)},
    "currency": lambda: {"currency": "USD"},
    "periods": lambda: {"periods": 0},
    "redemptions_max": lambda: {"redemptions_max": 0},
    "amount_minor": lambda: {"amount_minor": 0, "currency": "USD"},
}


@pytest.mark.parametrize("field", MALFORMED)
async def test_a_coupon_that_makes_no_sense_is_refused(shop: Shop, field: str) -> None:
    with pytest.raises(CouponMalformed) as refused:
        await coupon(shop, **MALFORMED[field]())
    assert refused.value.field == field


async def test_a_code_is_not_used_again(shop: Shop) -> None:
    await coupon(shop)
    with pytest.raises(CouponExists):
        await coupon(shop)


async def test_an_ended_coupon_takes_nothing_more_off_and_is_told_of(
    shop: Shop, held: Subscription, house
) -> None:
    await coupon(shop)
    await redeem(shop, held)
    assert (await closed(shop, held)).draft.total_minor == 1450
    await shop.do(lambda ctx: ledger.end_redemption(ctx, "half", held.id))
    assert (await closed(shop, held)).draft.total_minor == 2900
    named = {"code": "HALF", "subscription_id": held.id, "customer_id": held.customer_id}
    assert [
        (one.name, one.payload) for one in await events_of(shop, house) if "coupon" in one.name
    ] == [
        ("ledger.coupon_redeemed.v1", named),
        ("ledger.coupon_ended.v1", named),
    ]


async def events_of(shop: Shop, house) -> list[Envelope]:
    """What is on its way to who listens, in its order."""
    async with house.system.transaction() as tx:
        rows = await tx.fetch(
            "select envelope from kit_outbox where tenant_id = $1 order by position", shop.tenant_id
        )
    return [decode(row["envelope"]) for row in rows]


async def test_mallory_finds_no_coupon_and_no_item(shop: Shop, held: Subscription, house) -> None:
    await coupon(shop)
    one = await item(shop)
    mallory_id = await fresh_tenant(house)
    async with house.edge.open(mallory_id, OPERATOR) as ctx:
        with pytest.raises(CouponNotFound):
            await ledger.get_coupon(ctx, "HALF")
        with pytest.raises(ItemNotFound):
            await ledger.remove_item(ctx, one.id)
        assert await ledger.list_items(ctx, held.customer_id) == []
