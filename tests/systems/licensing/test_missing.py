"""Do those get a license who paid before there was a policy for it, once, and nobody else?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from solvent.app.testing import EPOCH
from solvent.contracts.licensing import LicenseIssued
from solvent.contracts.payments import DisputeSeen, PurchaseCompleted
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.events import RefundRecorded
from solvent.kernel.ledger.service.payments import Refund
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import CustomerDetails
from solvent.kit.money import Money
from solvent.systems.licensing import service
from solvent.systems.licensing.errors import PolicyInvalid, PurchaseNotFound
from solvent.systems.licensing.model import License
from solvent.systems.licensing.testing import Seller


@pytest.fixture
async def shop(seller: Seller) -> Seller:
    """A seller with a catalogue and no policy yet."""
    await seller.stock()
    return seller


async def subscribe(shop: Seller, name: str = "alice", plan: str = "pro") -> str:
    """Let a customer subscribe, and hand on what the kernel tells."""
    await shop.do(lambda ctx: tenants.upsert_customer(ctx, name, CustomerDetails()))
    made = await shop.do(lambda ctx: subscriptions.create(ctx, name, plan))
    changed = await shop.events(SubscriptionChanged)
    await shop.do(lambda ctx: service.on_subscriptions(ctx, changed))
    return made.id


async def buy(shop: Seller, checkout: str = "cs_1", plan_key: str | None = None) -> str:
    """Let alice buy once; return what the purchase is called."""
    customer = await shop.do(lambda ctx: tenants.get_customer(ctx, "alice"))
    payment = checkout.replace("cs", "pi")
    await shop.do(
        lambda ctx: ledger.record_purchase(
            ctx,
            provider="stripe",
            provider_payment_id=payment,
            customer_id=customer.id,
            amount=Money(4900, "USD"),
            received_at=EPOCH,
        )
    )
    bought = PurchaseCompleted(
        provider="stripe",
        checkout_id=checkout,
        payment_id=payment,
        customer_id=customer.id,
        customer_ref="alice",
        plan_key=plan_key,
        amount_minor=4900,
        currency="USD",
        occurred_at=EPOCH,
    )
    await shop.do(lambda ctx: service.on_purchase(ctx, bought))
    return f"stripe:{checkout}"


async def give(shop: Seller, limit: int = 200) -> list[License]:
    """Give all that are missing."""
    given: list[License] = []
    after: str | None = ""
    while after is not None:
        page, made = await shop.do(
            lambda ctx, at=after: service.issue_missing(ctx, after=at, limit=limit)
        )
        given, after = given + made, page.after
    return given


async def test_who_paid_before_there_was_a_policy_gets_one_license(shop: Seller) -> None:
    paid = await subscribe(shop)
    bought = await buy(shop, plan_key="once")
    await subscribe(shop, "bert", "team")
    assert not await give(shop)
    await shop.policy(plan_key="pro")
    await shop.policy(key="once", plan_key="once", maintenance_days=365)
    given = await give(shop)
    assert {one.purchase or one.subscription_id for one in given} == {paid, bought}
    assert not await give(shop)
    changed = await shop.events(SubscriptionChanged)
    await shop.do(lambda ctx: service.on_subscriptions(ctx, changed))
    assert len(await shop.events(LicenseIssued)) == 2


async def test_looking_changes_nothing(shop: Seller) -> None:
    await subscribe(shop)
    await shop.policy(plan_key="pro")
    page = await shop.do(lambda ctx: service.find_missing(ctx, after="subscriptions/"))
    assert [one.policy.key for one in page.found] == ["pro"]
    assert not await shop.do(service.list_licenses)


async def test_a_subscription_that_ended_gets_none(shop: Seller) -> None:
    paid = await subscribe(shop)
    await shop.do(lambda ctx: subscriptions.cancel(ctx, paid))
    await shop.policy(plan_key="pro")
    assert not await give(shop)


async def test_the_work_is_done_part_by_part(shop: Seller) -> None:
    """Each part a transaction of its own, none left out and none twice."""
    for name in ("alice", "bert", "cleo"):
        await subscribe(shop, name)
    for number in range(3):
        await buy(shop, f"cs_{number}")
    await shop.policy(plan_key="pro", unnamed_purchases=True)
    given = await give(shop, limit=2)
    assert len({one.id for one in given}) == 6
    assert not await give(shop)


async def test_of_a_tenant_without_policies_nothing_but_that_is_asked(shop: Seller) -> None:
    """However many subscriptions change: one query finds that there is nothing to do."""
    await subscribe(shop)
    changed = await shop.events(SubscriptionChanged)
    async with shop.open() as ctx:
        counted = Counting(ctx.tx)
        await service.on_subscriptions(replace(ctx, tx=counted), changed * 50)
    assert counted.queries == 1


class Counting:
    """A transaction that counts what is asked of it."""

    def __init__(self, tx: Any) -> None:
        self.tx, self.queries = tx, 0

    def __getattr__(self, name: str) -> Any:
        self.queries += 1
        return getattr(self.tx, name)


# ---------------------------------------------------------------------------------------- purchases


async def test_a_purchase_that_names_no_plan_is_fulfilled_by_the_policy_for_those(
    shop: Seller,
) -> None:
    await shop.policy(unnamed_purchases=True, maintenance_days=365)
    bought = await buy(shop)
    (held,) = await shop.do(service.list_licenses)
    assert (held.purchase, held.policy.key, held.expires_at) == (bought, "pro", None)
    await shop.do(
        lambda ctx: service.add_release(ctx, product="mytool", version="3.1", released_at=EPOCH)
    )
    shop.key = (await shop.do(lambda ctx: service.make_key(ctx, held.id))).key
    answer = await shop.activate("laptop")
    said = (await shop.judge(answer.text, "laptop")).contents
    assert said.extra.fallback_version == "3.1"
    assert said.extra.maintenance_expiry == held.maintenance_until


async def test_the_worker_hands_on_what_payments_tell(shop: Seller, worker: None) -> None:
    from solvent.kit.testing import eventually

    await shop.policy(unnamed_purchases=True)
    customer = await shop.do(lambda ctx: tenants.get_customer(ctx, "alice"))
    bought = PurchaseCompleted(
        provider="stripe",
        checkout_id="cs_9",
        payment_id="pi_9",
        customer_id=customer.id,
        customer_ref="alice",
        plan_key=None,
        amount_minor=4900,
        currency="USD",
        occurred_at=EPOCH,
    )
    for _ in range(2):
        await shop.do(lambda ctx: ctx.bus.emit(ctx, bought))
    (held,) = await eventually(lambda: shop.do(service.list_licenses))
    assert held.purchase == "stripe:cs_9"


async def test_only_one_policy_is_for_purchases_that_name_no_plan(shop: Seller) -> None:
    await shop.policy(unnamed_purchases=True)
    with pytest.raises(PolicyInvalid) as caught:
        await shop.policy(key="other", unnamed_purchases=True)
    assert caught.value.field == "unnamed_purchases"
    with pytest.raises(PolicyInvalid):
        await shop.policy(key="trial", trial=True, days=14, unnamed_purchases=True)


async def test_a_purchase_that_waits_is_given_its_license_by_hand_once(
    shop: Seller, other_seller: Seller
) -> None:
    bought = await buy(shop)
    await shop.policy()
    await other_seller.policy()
    (waiting,) = await shop.do(service.list_waiting)
    assert waiting.key == bought
    with pytest.raises(PurchaseNotFound):
        await other_seller.do(lambda ctx: service.issue(ctx, "pro", purchase=bought))
    issued = await shop.do(lambda ctx: service.issue(ctx, "pro", purchase=bought))
    assert issued.license.customer_id == waiting.customer_id
    with pytest.raises(PurchaseNotFound):
        await shop.do(lambda ctx: service.issue(ctx, "pro", purchase=bought))
    assert not await shop.do(service.list_waiting)
    await refund(shop)
    (held,) = await shop.do(service.list_licenses)
    assert held.reason == "refunded"


async def refund(shop: Seller) -> None:
    given = Refund("stripe", "re_1", "pi_1", Money(4900, "USD"))
    await shop.do(lambda ctx: ledger.record_refund(ctx, given))
    for event in await shop.events(RefundRecorded):
        await shop.do(lambda ctx, event=event: service.on_refund(ctx, event))


async def test_what_was_refunded_or_disputed_waits_no_more(shop: Seller) -> None:
    await buy(shop)
    await refund(shop)
    await buy(shop, "cs_2")
    lost = DisputeSeen(
        provider="stripe",
        dispute_id="dp_1",
        payment_id="pi_2",
        disputed_minor=4900,
        currency="USD",
        status="lost",
        reason="fraudulent",
        occurred_at=EPOCH,
    )
    await shop.do(lambda ctx: service.on_dispute(ctx, lost))
    assert not await shop.do(service.list_waiting)
    await shop.policy(unnamed_purchases=True)
    assert not await give(shop)


# -------------------------------------------------------------------------------- HTTP and terminal


async def test_over_http_it_is_looked_at_and_then_given(
    shop: Seller, alice: httpx.AsyncClient, bob: httpx.AsyncClient, mallory: httpx.AsyncClient
) -> None:
    bought = await buy(shop)
    listed = (await alice.get("/v1/licensing/purchases")).json()["data"]
    assert [one["purchase"] for one in listed] == [bought]
    terms = {"name": "Pro", "product": "mytool", "unnamed_purchases": True}
    saved = await alice.put("/v1/licensing/policies/pro", json=terms)
    assert saved.status_code == 200, saved.text
    seen = (await bob.get("/v1/licensing/missing")).json()
    assert [(one["of"], one["policy"]) for one in seen["missing"]] == [(bought, "pro")]
    assert seen["issued"] == []
    assert (await bob.post("/v1/licensing/missing", json={})).status_code == 403
    assert (await mallory.get("/v1/licensing/missing")).json()["missing"] == []
    given = (await alice.post("/v1/licensing/missing", json={})).json()
    assert [one["purchase"] for one in given["issued"]] == [bought]
    rest = (await alice.post("/v1/licensing/missing", json={"after": given["after"]})).json()
    assert (rest["issued"], rest["after"]) == ([], None)
    assert (await alice.get("/v1/licensing/missing")).json()["missing"] == []
