"""Is money booked once, and is nobody charged twice or given back too much?"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from solvent.kernel.ledger import service
from solvent.kernel.ledger.errors import (
    AmountNotPositive,
    PaymentChanged,
    PaymentNotFound,
    RefundExceedsPayment,
)
from solvent.kernel.ledger.model import AccountKind, InvoiceStatus, Payment, Purpose
from solvent.kernel.ledger.service import Refund
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ids import TenantId
from solvent.kit.money import Money
from solvent.systems.billing.testing import Shop


async def balances(shop: Shop) -> dict[AccountKind, int]:
    return {one.account.kind: one.amount_minor for one in await shop.do(service.balances)}


def refund_of(amount_minor: int, *, id: str = "re_1", payment: str = "in_1") -> Refund:
    return Refund("stripe", id, payment, Money(amount_minor, "USD"))


async def test_payment_booked_once(shop: Shop, held: Subscription) -> None:
    paid = await asyncio.gather(*(shop.pay(held, 2900) for _ in range(8)))
    assert len({one.id for one in paid}) == 1
    assert await balances(shop) == {AccountKind.CASH: 2900, AccountKind.CREDIT: -2900}
    assert (await shop.do(service.verify)).payments == 1


async def test_a_known_payment_with_other_content_is_a_conflict(
    shop: Shop, held: Subscription
) -> None:
    await shop.pay(held, 2900)
    with pytest.raises(PaymentChanged):
        await shop.pay(held, 2901)


async def test_many_payments_are_booked_at_once(shop: Shop, held: Subscription) -> None:
    """One that is told twice in the same moment, and one that was known, are booked once."""

    def receipt(id_: str, amount_minor: int = 2900) -> service.Receipt:
        return service.Receipt(
            provider="stripe",
            provider_payment_id=id_,
            customer_id=held.customer_id,
            amount=Money(amount_minor, "USD"),
            received_at=held.created_at,
        )

    async def book(*receipts: service.Receipt) -> list[str]:
        made = await shop.do(lambda ctx: service.record_payments(ctx, receipts))
        return [one.id for one in made]

    [known] = await book(receipt("in_0"))
    ids = await book(receipt("in_1"), receipt("in_0"), receipt("in_1"), receipt("in_2"))
    assert ids[1] == known
    assert ids[0] == ids[2] != ids[3]
    with pytest.raises(PaymentChanged):
        await book(receipt("in_3"), receipt("in_0", 1))
    report = await shop.do(service.verify)
    assert (report.sound, report.payments) == (True, 3)
    assert await balances(shop) == {AccountKind.CASH: 8700, AccountKind.CREDIT: -8700}


@pytest.mark.parametrize("amount_minor", [0, -1])
async def test_nothing_is_no_payment(shop: Shop, held: Subscription, amount_minor: int) -> None:
    with pytest.raises(AmountNotPositive):
        await shop.pay(held, amount_minor)


async def test_prepaid_base_fee_is_not_charged_again(
    shop: Shop, held: Subscription, first: Period
) -> None:
    """Stripe collects the fees of this period and, on its last day, of the next in advance."""
    await shop.pay(held, 2900, id="in_1", covers_from=first.start)
    await shop.pay(held, 2900, id="in_2", covers_from=first.end)
    january = await shop.bill(held.id, first)
    assert (january.paid_minor, january.due_minor) == (2900, 110_00)  # only the usage is due
    (settled,) = await shop.do(lambda ctx: service.settlements(ctx, january.id))
    assert settled.payment.provider_payment_id == "in_1"
    await shop.move_clock(first.end + timedelta(days=32))
    second = (await shop.renew(held.id))[1]
    february = await shop.bill(held.id, second)
    assert (february.paid_minor, february.due_minor) == (2900, 700)
    assert (await shop.do(service.verify)).sound


class Counting:
    """A transaction that counts what it is asked."""

    def __init__(self, tx) -> None:
        self.tx, self.asked = tx, 0

    def __getattr__(self, name: str):
        self.asked += 1
        return getattr(self.tx, name)


async def test_settlements_are_read_at_once_however_many(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.bill(held.id, first)
    for number in range(5):
        await shop.pay(held, 1000, id=f"in_{number}")

    async def read(ctx):
        counting = Counting(ctx.tx)
        found = await service.settlements(replace(ctx, tx=counting), invoice.id)
        return counting.asked, [one.payment.provider_payment_id for one in found]

    assert await shop.do(read) == (2, [f"in_{number}" for number in range(5)])


async def test_payment_and_invoice_may_come_in_either_order(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.bill(held.id, first)
    await shop.pay(held, 2900, id="in_1", covers_from=first.start)
    await shop.pay(held, 110_00, id="in_2")
    paid = await shop.do(lambda ctx: service.get_invoice(ctx, invoice.id))
    assert (paid.status, paid.due_minor) == (InvoiceStatus.PAID, 0)
    assert paid.paid_at is not None
    assert await balances(shop) == {
        AccountKind.CASH: 139_00,
        AccountKind.CREDIT: 0,
        AccountKind.RECEIVABLE: 0,
        AccountKind.REVENUE: -139_00,
    }


async def test_a_payment_and_an_invoice_at_once_leave_nothing_open(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice, _ = await asyncio.gather(shop.bill(held.id, first), shop.pay(held, 139_00))
    found = await shop.do(lambda ctx: service.get_invoice(ctx, invoice.id))
    assert found.status is InvoiceStatus.PAID
    assert (await shop.do(service.verify)).sound


async def test_what_an_earmarked_payment_leaves_over_is_free_afterwards(
    shop: Shop, held: Subscription, first: Period
) -> None:
    await shop.pay(held, 150_00, covers_from=first.start)
    january = await shop.bill(held.id, first)
    assert january.status is InvoiceStatus.PAID
    await shop.move_clock(first.end + timedelta(days=32))
    february = await shop.bill(held.id, (await shop.renew(held.id))[1])
    assert (february.paid_minor, february.due_minor) == (11_00, 25_00)


async def test_a_purchase_is_revenue_and_never_pays_an_invoice(
    shop: Shop, held: Subscription, first: Period
) -> None:
    bought = [
        await shop.do(
            lambda ctx: service.record_purchase(
                ctx,
                provider="stripe",
                provider_payment_id="pi_1",
                customer_id=held.customer_id,
                amount=Money(500_00, "USD"),
                received_at=ctx.now(),
            )
        )
        for _ in range(2)
    ]
    assert bought[0] == bought[1]
    assert bought[0].purpose is Purpose.PURCHASE
    assert (await shop.bill(held.id, first)).due_minor == 139_00
    assert (await balances(shop))[AccountKind.REVENUE] == -639_00
    await shop.do(lambda ctx: service.record_refund(ctx, refund_of(200_00, payment="pi_1")))
    assert (await balances(shop))[AccountKind.REFUND] == 200_00
    assert (await shop.do(service.verify)).sound


async def test_refunds_never_exceed_payment(shop: Shop, held: Subscription, first: Period) -> None:
    """Random refunds, at once and repeated, until one more minor unit is refused."""
    await shop.pay(held, 200_00)
    await shop.bill(held.id, first)  # uses 139.00 of it
    chance = random.Random(7)
    wanted = [(f"re_{place}", chance.randint(1, 40_00)) for place in range(12)]

    async def give_back(id: str, amount_minor: int) -> Payment | None:
        try:
            refund = refund_of(amount_minor, id=id)
            return await shop.do(lambda ctx: service.record_refund(ctx, refund))
        except RefundExceedsPayment:
            return None

    await asyncio.gather(*(give_back(*one) for one in [*wanted, *wanted]))
    payment = await shop.pay(held, 200_00)  # known: returns it as it stands now
    left = payment.amount_minor - payment.refunded_minor
    assert left >= 0
    with pytest.raises(RefundExceedsPayment):
        await shop.do(lambda ctx: service.record_refund(ctx, refund_of(left + 1, id="re_more")))
    if left:
        await shop.do(lambda ctx: service.record_refund(ctx, refund_of(left, id="re_rest")))
    now = await balances(shop)
    assert now[AccountKind.CASH] == 0
    assert now[AccountKind.CREDIT] == 0  # the 61.00 that no invoice had used went first
    assert now[AccountKind.REFUND] == 139_00
    assert (await shop.do(service.verify)).sound


async def test_a_known_refund_with_other_content_is_a_conflict(
    shop: Shop, held: Subscription
) -> None:
    await shop.pay(held, 2900)
    await shop.do(lambda ctx: service.record_refund(ctx, refund_of(100)))
    with pytest.raises(PaymentChanged):
        await shop.do(lambda ctx: service.record_refund(ctx, refund_of(101)))
    euros = Refund("stripe", "re_2", "in_1", Money(1, "EUR"))
    with pytest.raises(PaymentChanged):
        await shop.do(lambda ctx: service.record_refund(ctx, euros))


async def test_a_refund_of_an_unknown_payment_is_not_found(
    shop: Shop, held: Subscription, mallory_id: TenantId
) -> None:
    with pytest.raises(PaymentNotFound):
        await shop.do(lambda ctx: service.record_refund(ctx, refund_of(1)))
    await shop.pay(held, 2900)
    mallory = Shop(shop.edge, mallory_id)
    with pytest.raises(PaymentNotFound):
        await mallory.do(lambda ctx: service.record_refund(ctx, refund_of(1)))
