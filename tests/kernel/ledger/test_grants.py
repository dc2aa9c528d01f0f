"""Is credit used in its order, once, and taken back to the second, with the books in balance?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from solvent.app.testing import fresh_tenant
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.errors import (
    AmountNotPositive,
    GrantMalformed,
    GrantNotFound,
    PaymentChanged,
)
from solvent.kernel.ledger.model import InvoiceStatus, Payment
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.money import Money
from solvent.systems.billing.testing import Shop


async def give(
    shop: Shop, held: Subscription, minor: int, source: str = "g1", **more: object
) -> Payment:
    async def act(ctx: Ctx) -> Payment:
        return await ledger.grant_credit(
            ctx,
            customer_id=held.customer_id,
            amount=Money(minor, "USD"),
            name="Welcome",
            source=source,
            **more,
        )

    return await shop.do(act)


async def left(shop: Shop, held: Subscription) -> dict[str, int]:
    grants = await shop.do(lambda ctx: ledger.list_grants(ctx, held.customer_id))
    return {one.provider_payment_id: one.unapplied_minor for one in grants}


async def must_be_sound(shop: Shop) -> None:
    report = await shop.do(ledger.verify)
    assert report.problems == ()


async def test_an_invoice_uses_grants_before_money_in_their_order(
    shop: Shop, held: Subscription, first: Period
) -> None:
    later, soon = first.end + timedelta(days=9), first.end + timedelta(days=2)
    await shop.pay(held, 100_000)
    await give(shop, held, 1_000, "for ever")
    await give(shop, held, 1_000, "later", expires_at=later)
    await give(shop, held, 1_000, "soon", expires_at=soon)
    await give(shop, held, 500, "first of all", priority=0)
    invoice = await shop.bill(held.id, first)
    assert invoice.status is InvoiceStatus.PAID
    assert invoice.draft.total_minor > 3_500
    assert set((await left(shop, held)).values()) == {0}
    used = await shop.do(lambda ctx: ledger.settlements(ctx, invoice.id))
    assert sum(one.amount_minor for one in used) == invoice.draft.total_minor
    await must_be_sound(shop)


async def test_what_is_not_needed_stays_and_the_soonest_goes_first(
    shop: Shop, held: Subscription, first: Period
) -> None:
    await give(shop, held, 10**6, "for ever")
    await give(shop, held, 1_000, "soon", expires_at=first.end + timedelta(days=2))
    invoice = await shop.bill(held.id, first)
    spent = invoice.draft.total_minor - 1_000
    assert await left(shop, held) == {"for ever": 10**6 - spent, "soon": 0}
    await must_be_sound(shop)


async def test_credit_is_given_once_a_source(shop: Shop, held: Subscription) -> None:
    one, other = await give(shop, held, 700), await give(shop, held, 700)
    assert one.id == other.id
    with pytest.raises(PaymentChanged):
        await give(shop, held, 701)
    assert await left(shop, held) == {"g1": 700}
    await must_be_sound(shop)


async def test_an_open_invoice_uses_credit_at_once(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.bill(held.id, first)
    await give(shop, held, invoice.due_minor + 5)
    paid = await shop.do(lambda ctx: ledger.get_invoice(ctx, invoice.id))
    assert paid.status is InvoiceStatus.PAID
    assert await left(shop, held) == {"g1": 5}


async def test_credit_ends_at_its_second_and_not_before(shop: Shop, held: Subscription) -> None:
    async with shop.open() as ctx:
        end = ctx.now() + timedelta(days=3)
    grant = await give(shop, held, 700, expires_at=end)
    await shop.move_clock(end - timedelta(seconds=1))
    assert await shop.do(lambda ctx: ledger.expire_grant(ctx, grant.id)) == 0
    await shop.move_clock(end)
    assert await shop.do(lambda ctx: ledger.expire_grant(ctx, grant.id)) == 700
    assert await shop.do(lambda ctx: ledger.expire_grant(ctx, grant.id)) == 0
    assert await left(shop, held) == {"g1": 0}
    await must_be_sound(shop)


async def test_an_invoice_never_uses_credit_that_has_expired(
    shop: Shop, held: Subscription
) -> None:
    end = held.period.end - timedelta(seconds=1)
    await give(shop, held, 700, expires_at=end)
    await shop.move_clock(held.period.end + timedelta(seconds=1))
    (period,) = await shop.renew(held.id)
    invoice = await shop.bill(held.id, period)
    assert invoice.paid_minor == 0
    assert await left(shop, held) == {"g1": 700}  # its job has not run here; nothing used it


async def test_a_void_invoice_gives_the_credit_back(
    shop: Shop, held: Subscription, first: Period
) -> None:
    await give(shop, held, 700)
    invoice = await shop.bill(held.id, first)
    assert await left(shop, held) == {"g1": 0}
    await shop.do(lambda ctx: ledger.void_invoice(ctx, invoice.id, reason="wrong"))
    assert await left(shop, held) == {"g1": 700}
    await must_be_sound(shop)


async def test_credit_can_be_taken_back(shop: Shop, held: Subscription) -> None:
    grant = await give(shop, held, 700)
    assert await shop.do(lambda ctx: ledger.take_back(ctx, grant.id)) == 700
    await must_be_sound(shop)


@pytest.mark.parametrize(
    "more, field",
    [({"priority": 10}, "priority"), ({"priority": -1}, "priority"), ({"source": ""}, "source")],
)
async def test_a_grant_that_makes_no_sense_is_refused(shop, held, more, field) -> None:
    with pytest.raises(GrantMalformed) as refused:
        await give(shop, held, 700, **more)
    assert refused.value.field == field
    with pytest.raises(AmountNotPositive):
        await give(shop, held, 0)
    async with shop.open() as ctx:
        past = ctx.now()
    with pytest.raises(GrantMalformed) as refused:
        await give(shop, held, 700, expires_at=past)
    assert refused.value.field == "expires_at"


async def test_mallory_finds_no_grant(shop: Shop, held: Subscription, house) -> None:
    grant = await give(shop, held, 700)
    mallory_id = await fresh_tenant(house)
    async with house.edge.open(mallory_id, OPERATOR) as ctx:
        with pytest.raises(GrantNotFound):
            await ledger.get_grant(ctx, grant.id)
        with pytest.raises(GrantNotFound):
            await ledger.take_back(ctx, grant.id)
        assert await ledger.list_grants(ctx, held.customer_id) == []
