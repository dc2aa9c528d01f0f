"""Does a license follow what is paid for it, and nothing else?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from solvent.app.testing import EPOCH
from solvent.contracts.licensing import LicenseChanged, LicenseIssued
from solvent.contracts.payments import DisputeSeen, PurchaseCompleted
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.events import RefundRecorded
from solvent.kernel.ledger.service.payments import Refund
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kernel.subscriptions.model import Status, Subscription, SubscriptionFacts
from solvent.kernel.tenants import service as tenants
from solvent.kit.money import Money
from solvent.systems.licensing import service
from solvent.systems.licensing.errors import LicenseExpired, LicenseRevoked, LicenseSuspended
from solvent.systems.licensing.model import License
from solvent.systems.licensing.rules.reason import Reason
from solvent.systems.licensing.testing import Seller

MONTH = timedelta(days=31)
SECOND = timedelta(seconds=1)


@pytest.fixture
async def shop(seller: Seller) -> Seller:
    """A seller with a catalogue whose plan pro is fulfilled by licenses."""
    await seller.stock()
    await seller.policy(plan_key="pro", limit=5, features={"export": False, "tier": "pro"})
    return seller


async def told(shop: Seller) -> None:
    """Hand on what the kernel has told since, as the worker would, the latest twice."""
    changed = await shop.events(SubscriptionChanged)
    for batch in (changed, changed[-1:]):
        await shop.do(lambda ctx, batch=batch: service.on_subscriptions(ctx, batch))
    for kind, handle in (
        (PurchaseCompleted, service.on_purchase),
        (RefundRecorded, service.on_refund),
    ):
        events = await shop.events(kind)
        for event in [*events, *events[-1:]]:
            await shop.do(lambda ctx, event=event, handle=handle: handle(ctx, event))


async def only_license(shop: Seller) -> License:
    (held,) = await shop.do(service.list_licenses)
    return held


async def subscribe(shop: Seller, plan: str = "pro") -> Subscription:
    made = await shop.do(lambda ctx: subscriptions.create(ctx, "alice", plan))
    await told(shop)
    return made


async def sync(
    shop: Seller, status: Status, *, order: int, start: datetime = EPOCH, **more
) -> None:
    """Let Stripe tell how a subscription stands."""
    customer = await shop.do(lambda ctx: tenants.get_customer(ctx, "alice"))
    facts = SubscriptionFacts(
        provider="stripe",
        provider_subscription_id="sub_1",
        customer_id=customer.id,
        status=status,
        period_start=start,
        period_end=start + MONTH,
        order=order,
        plan_key="pro",
        **more,
    )
    await shop.do(lambda ctx: subscriptions.sync(ctx, facts))
    await told(shop)


async def key_of(shop: Seller) -> None:
    """Let the customer make the key that the license came without."""
    held = await only_license(shop)
    shop.key = (await shop.do(lambda ctx: service.make_key(ctx, held.id))).key


async def test_a_subscription_gives_one_license_with_what_its_plan_grants(shop: Seller) -> None:
    paid = await subscribe(shop)
    held = await only_license(shop)
    assert (held.subscription_id, held.customer_id) == (paid.id, paid.customer_id)
    assert held.expires_at == paid.plan_expires_at - SECOND
    assert held.key_digest is None
    await key_of(shop)
    answer = await shop.activate("laptop")
    said = (await shop.judge(answer.text, "laptop")).contents
    assert said.entitlements == {"export": False, "batch": 100, "tier": "pro"}
    assert said.extra.meters == {"exports": 100}
    assert len(await shop.events(LicenseIssued)) == 1


async def test_a_plan_without_a_policy_gives_no_license(shop: Seller) -> None:
    await subscribe(shop, "team")
    assert not await shop.do(service.list_licenses)


async def test_past_due_has_its_grace_and_ends_at_the_second(shop: Seller) -> None:
    await sync(shop, Status.ACTIVE, order=1)
    await key_of(shop)
    await sync(shop, Status.PAST_DUE, order=2)
    held = await only_license(shop)
    (paid,) = await shop.do(subscriptions.list_all)
    assert paid.status is Status.PAST_DUE
    await shop.pass_time(seconds=(paid.plan_expires_at - SECOND - shop.now).total_seconds())
    await shop.activate("laptop")
    assert held.expires_at == shop.now
    await shop.pass_time(seconds=1)
    with pytest.raises(LicenseExpired):
        await shop.activate("laptop")


async def test_a_late_payment_brings_it_back(shop: Seller) -> None:
    await sync(shop, Status.ACTIVE, order=1)
    await key_of(shop)
    before = (await only_license(shop)).expires_at
    await sync(shop, Status.ACTIVE, order=2, start=EPOCH + MONTH)
    after = await only_license(shop)
    assert after.expires_at > before
    assert len(await shop.events(LicenseChanged)) == 1


async def test_a_canceled_subscription_ends_its_license(shop: Seller) -> None:
    await sync(shop, Status.ACTIVE, order=1)
    await key_of(shop)
    await shop.pass_time(days=3)
    await sync(shop, Status.CANCELED, order=2, ended_at=shop.now)
    with pytest.raises(LicenseExpired):
        await shop.activate("laptop")


async def test_with_a_fall_back_what_was_paid_for_runs_on(shop: Seller) -> None:
    await shop.policy(plan_key="pro", fallback=True, limit=5)
    await shop.do(
        lambda ctx: service.add_release(
            ctx, product="mytool", version="3.1", released_at=EPOCH - MONTH
        )
    )
    await sync(shop, Status.ACTIVE, order=1, paid_through=EPOCH + MONTH)
    await key_of(shop)
    await shop.pass_time(days=20)
    await sync(shop, Status.CANCELED, order=2, ended_at=shop.now, paid_through=EPOCH + MONTH)
    ended = shop.now
    await shop.pass_time(days=400)
    answer = await shop.activate("laptop")
    old = await shop.judge(answer.text, "laptop", released_at=ended - SECOND)
    assert old.valid
    assert old.contents.extra.fallback_version == "3.1"
    new = await shop.judge(answer.text, "laptop", released_at=ended + timedelta(days=1))
    assert new.reason is Reason.RELEASE_NOT_COVERED


async def test_a_trial_that_was_never_paid_leaves_no_fall_back(shop: Seller) -> None:
    await shop.policy(plan_key="pro", fallback=True, limit=5)
    await sync(shop, Status.TRIALING, order=1, trial_end_at=EPOCH + MONTH)
    await key_of(shop)
    await shop.activate("laptop")
    await shop.pass_time(days=3)
    await sync(shop, Status.CANCELED, order=2, ended_at=shop.now)
    with pytest.raises(LicenseExpired):
        await shop.activate("laptop")


async def test_another_plan_is_another_policy(shop: Seller) -> None:
    paid = await subscribe(shop)
    await shop.policy(key="team", plan_key="team", limit=50)
    await shop.do(lambda ctx: subscriptions.change_plan(ctx, paid.id, "team"))
    await told(shop)
    held = await only_license(shop)
    assert (held.policy.key, held.slots) == ("team", 50)


# ---------------------------------------------------------------------------------------- purchases


def purchase(
    customer_id: str, *, checkout: str = "cs_1", payment: str = "pi_1"
) -> PurchaseCompleted:
    return PurchaseCompleted(
        provider="stripe",
        checkout_id=checkout,
        payment_id=payment,
        customer_id=customer_id,
        customer_ref="alice",
        plan_key="once",
        amount_minor=4900,
        currency="USD",
        occurred_at=EPOCH,
    )


async def buy(shop: Seller, **named: str) -> PurchaseCompleted:
    customer = await shop.do(lambda ctx: tenants.get_customer(ctx, "alice"))
    bought = purchase(customer.id, **named)
    await shop.do(
        lambda ctx: ledger.record_purchase(
            ctx,
            provider="stripe",
            provider_payment_id=bought.payment_id,
            customer_id=customer.id,
            amount=Money(4900, "USD"),
            received_at=EPOCH,
        )
    )
    await shop.do(lambda ctx: service.on_purchase(ctx, bought))
    return bought


async def test_each_checkout_gives_one_license_however_often_it_is_told(shop: Seller) -> None:
    await shop.policy(key="once", plan_key="once", days=None, maintenance_days=365)
    bought = await buy(shop)
    again = [shop.do(lambda ctx: service.on_purchase(ctx, bought)) for _ in range(5)]
    await asyncio.gather(*again)
    held = await only_license(shop)
    assert held.purchase == "stripe:cs_1"
    assert held.expires_at is None
    assert held.maintenance_until == shop.now + timedelta(days=365)
    assert len(await shop.events(LicenseIssued)) == 1


async def test_a_second_purchase_gives_a_second_license(shop: Seller) -> None:
    await shop.policy(key="once", plan_key="once")
    await buy(shop)
    await buy(shop, checkout="cs_2", payment="pi_2")
    held = await shop.do(service.list_licenses)
    assert len(held) == 2
    assert len({one.customer_id for one in held}) == 1


async def test_what_no_policy_fulfils_is_left_alone(shop: Seller) -> None:
    await buy(shop)
    customer = await shop.do(lambda ctx: tenants.get_customer(ctx, "alice"))
    unnamed = replace(purchase(customer.id), plan_key=None)
    await shop.do(lambda ctx: service.on_purchase(ctx, unnamed))
    assert not await shop.do(service.list_licenses)


async def refund(shop: Seller, amount_minor: int, *, of: str = "pi_1", id: str = "re_1") -> None:
    given = Refund("stripe", id, of, Money(amount_minor, "USD"))
    await shop.do(lambda ctx: ledger.record_refund(ctx, given))
    await told(shop)


async def test_a_refunded_purchase_is_revoked_and_half_a_refund_changes_nothing(
    shop: Seller,
) -> None:
    await shop.policy(key="once", plan_key="once")
    await buy(shop)
    await key_of(shop)
    await refund(shop, 2000)
    await shop.activate("laptop")
    await refund(shop, 2900, id="re_2")
    with pytest.raises(LicenseRevoked):
        await shop.activate("laptop")
    assert (await only_license(shop)).reason == "refunded"
    assert len((await shop.revocations()).revoked) == 1


async def test_a_lost_dispute_takes_a_purchase_back(shop: Seller) -> None:
    await shop.policy(key="once", plan_key="once")
    await buy(shop)
    await key_of(shop)
    seen = DisputeSeen(
        provider="stripe",
        dispute_id="dp_1",
        payment_id="pi_1",
        disputed_minor=4900,
        currency="USD",
        status="needs_response",
        reason="fraudulent",
        occurred_at=EPOCH,
    )
    await shop.do(lambda ctx: service.on_dispute(ctx, seen))
    await shop.activate("laptop")
    await shop.do(lambda ctx: service.on_dispute(ctx, replace(seen, status="lost")))
    with pytest.raises(LicenseRevoked):
        await shop.activate("laptop")


async def pay(shop: Seller, id: str, covers_from: datetime) -> None:
    (paid,) = await shop.do(subscriptions.list_all)
    await shop.do(
        lambda ctx: ledger.record_payment(
            ctx,
            provider="stripe",
            provider_payment_id=id,
            customer_id=paid.customer_id,
            amount=Money(2900, "USD"),
            received_at=shop.now,
            subscription_id=paid.id,
            covers_from=covers_from,
        )
    )


async def test_a_refunded_subscription_rests_until_it_is_paid_again(shop: Seller) -> None:
    await sync(shop, Status.ACTIVE, order=1)
    await key_of(shop)
    await pay(shop, "in_1", EPOCH)
    await shop.pass_time(days=2)
    await refund(shop, 2900, of="in_1")
    with pytest.raises(LicenseSuspended):
        await shop.activate("laptop")
    await sync(shop, Status.ACTIVE, order=2)
    with pytest.raises(LicenseSuspended):
        await shop.activate("laptop")
    await shop.pass_time(days=30)
    await sync(shop, Status.ACTIVE, order=3, start=EPOCH + MONTH)
    await shop.activate("laptop")
    assert not (await shop.revocations()).revoked


async def test_a_refund_of_a_past_month_changes_nothing(shop: Seller) -> None:
    await sync(shop, Status.ACTIVE, order=1)
    await key_of(shop)
    await pay(shop, "in_1", EPOCH)
    await shop.pass_time(days=32)
    await sync(shop, Status.ACTIVE, order=2, start=EPOCH + MONTH)
    await refund(shop, 2900, of="in_1")
    await shop.activate("laptop")


async def test_the_worker_hands_on_what_the_kernel_tells(shop: Seller, worker: None) -> None:
    from solvent.kit.testing import eventually

    await shop.do(lambda ctx: subscriptions.create(ctx, "alice", "pro"))
    (held,) = await eventually(lambda: shop.do(service.list_licenses))
    assert held.subscription_id
