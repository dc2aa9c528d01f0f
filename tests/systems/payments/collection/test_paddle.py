"""Is an invoice of ours charged once at Paddle, which knows no idempotency keys?"""

from datetime import timedelta

import pytest

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceStatus
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status, SubscriptionFacts
from solvent.kit.money import Money
from solvent.systems.payments.collection.model import (
    AttemptState,
    CollectionState,
    Decline,
    RefundState,
)
from solvent.systems.payments.collection.service import ask, begin, links, refunds
from solvent.systems.payments.collection.service.collector import Collector
from solvent.systems.payments.collection.service.refunds import Wish
from solvent.systems.payments.gateways.source import Gateways
from solvent.systems.payments.model import Provider
from solvent.systems.payments.paddle_emulator import PADDLE_KEY, PaddleEmulator
from solvent.systems.payments.service import accounts
from solvent.systems.payments.service.reconcile import Poller
from solvent.systems.payments.settings import PaymentsSection
from solvent.systems.payments.store import standing

QUIET_OVER = (
    "update payments_attempt set tried_at = tried_at - interval '3 minutes' where tenant_id = $1"
)
CUSTOMER = "ctm_01globex"
CATALOGUE = b"""
[products.app]
name = "App"

[plans.pro]
name = "Pro"
product = "app"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = "29.00" }
provider_prices.paddle = "pri_pro"
"""


@pytest.fixture
def paddle():
    with PaddleEmulator() as running:
        yield running


@pytest.fixture
async def shop(till, paddle):
    """A till whose customer subscribes at Paddle and owes us an overage."""
    gateways = Gateways(PaymentsSection(stripe_api=till.bank.url, paddle_api=paddle.url))
    till.collector = Collector(till.edge, gateways)
    await till.do(lambda ctx: accounts.disconnect(ctx, Provider.STRIPE))
    await till.do(lambda ctx: accounts.connect(ctx, Provider.PADDLE, api_key=PADDLE_KEY))
    known = {(Provider.PADDLE, CUSTOMER): till.customer.id}
    await till.do(lambda ctx: standing.save_customers(ctx.tx, ctx.tenant_id, known))
    paddle.subscribe(CUSTOMER)
    return till


async def bill(shop, paddle):
    """Make an invoice of a subscription that Paddle runs, with 4.00 due."""

    async def follow(ctx):
        await catalogue.apply(ctx, parse(CATALOGUE, file="catalogue.toml"))
        start = ctx.now()
        facts = SubscriptionFacts(
            provider="paddle",
            provider_subscription_id="sub_01emulated",
            customer_id=shop.customer.id,
            status=Status.ACTIVE,
            period_start=start,
            period_end=start + timedelta(days=31),
            order=1,
            provider_price_id="pri_pro",
            trial_end_at=None,
            paid_through=start + timedelta(days=31),
            cancel_at=None,
            ended_at=None,
            created_at=start,
        )
        return await subscriptions.sync(ctx, facts)

    held = await shop.do(follow)
    await shop.do(
        lambda ctx: ledger.record_payment(
            ctx,
            provider="paddle",
            provider_payment_id="txn_renewal",
            customer_id=shop.customer.id,
            amount=Money(2500, "USD"),
            received_at=ctx.now(),
            subscription_id=held.id,
            covers_from=held.period.start,
        )
    )
    invoice = await shop.invoice(held)
    assert invoice.due_minor == 400
    await shop.begin(invoice)
    return invoice


def taken(paddle):
    return [one for one in paddle.transactions.values() if one["status"] == "completed"]


async def test_what_is_due_is_charged_on_the_subscription(shop, paddle):
    invoice = await bill(shop, paddle)
    story = await shop.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    [made] = taken(paddle)
    assert made["details"]["totals"]["grand_total"] == "400"
    [price] = [one["price"] for one in made["items"]]
    assert (price["tax_mode"], price["unit_price"]["amount"]) == ("internal", "400")
    assert (await shop.get(invoice)).status is InvoiceStatus.PAID


async def test_a_lost_answer_is_looked_for_before_it_is_asked_again(shop, paddle):
    invoice = await bill(shop, paddle)
    paddle.lost = 1
    story = await shop.work(invoice.id)
    assert story.under_way.state is AttemptState.ASKED
    charges = len([one for one in paddle.calls if one.path.endswith("/charge")])
    await shop.work(invoice.id)  # too early: the request might still be on its way
    assert len([one for one in paddle.calls if one.path.endswith("/charge")]) == charges == 1
    await shop.fetch(QUIET_OVER, shop.tenant_id)
    story = await shop.work(invoice.id)
    assert (story.collection.state, len(taken(paddle))) == (CollectionState.PAID, 1)


async def test_what_was_not_done_is_asked_again_after_the_quiet(shop, paddle):
    invoice = await bill(shop, paddle)
    error = {"type": "api_error", "code": "internal", "detail": "x", "documentation_url": ""}
    paddle.failures.append((503, {"error": error}))
    await shop.work(invoice.id)
    await shop.fetch(QUIET_OVER, shop.tenant_id)
    story = await shop.work(invoice.id)
    assert (story.collection.state, len(taken(paddle))) == (CollectionState.PAID, 1)


async def test_two_who_look_at_once_charge_once_after_the_quiet(shop, paddle):
    invoice = await bill(shop, paddle)
    error = {"type": "api_error", "code": "internal", "detail": "x", "documentation_url": ""}
    paddle.failures.append((503, {"error": error}))
    await shop.work(invoice.id)
    await shop.fetch(QUIET_OVER, shop.tenant_id)
    attempt = (await shop.story(invoice.id)).under_way
    first = await shop.do(lambda ctx: ask.first_question(ctx, attempt.id))
    second = await shop.do(lambda ctx: ask.first_question(ctx, attempt.id))
    answers = [await shop.collector.put(one) for one in (first, second)]
    charge = await shop.do(lambda ctx: ask.answered(ctx, first, answers[0]))
    assert charge.ask is ask.Ask.CHARGE
    assert await shop.do(lambda ctx: ask.answered(ctx, second, answers[1])) is None


async def test_a_decline_is_soft_and_leaves_the_providers_subscription_alone(shop, paddle):
    invoice = await bill(shop, paddle)
    paddle.declines = "declined"
    story = await shop.work(invoice.id)
    assert story.collection.decline is Decline.SOFT
    held = await shop.do(lambda ctx: subscriptions.get(ctx, invoice.draft.subscription_id))
    assert held.status is Status.ACTIVE
    paddle.declines = None
    await shop.do(lambda ctx: begin.collect_now(ctx, invoice.id))
    assert (await shop.work(invoice.id)).collection.state is CollectionState.PAID
    assert len(taken(paddle)) == 1


async def test_a_customer_pays_on_a_transactions_page(shop, paddle):
    invoice = await bill(shop, paddle)
    paddle.declines = "declined"
    await shop.work(invoice.id)
    attempt = await shop.do(
        lambda ctx: links.prepare_link(ctx, invoice.id, return_url="https://a.example/")
    )
    await shop.collector.carry_out(shop.tenant_id, attempt.id)
    page = await shop.do(lambda ctx: links.made_link(ctx, attempt.id))
    paddle.pay(page.payment_ref)
    assert (await shop.work(invoice.id)).collection.state is CollectionState.PAID
    assert len(taken(paddle)) == 1


async def test_a_refund_is_booked_when_paddle_approves_it(shop, paddle):
    invoice = await bill(shop, paddle)
    story = await shop.work(invoice.id)
    reference = story.attempts[0].payment_ref
    payment = await shop.do(lambda ctx: ledger.find_payment(ctx, "paddle", reference))
    wish = Wish("r1", "by request", payment.id, amount_minor=150)
    refund = await shop.do(lambda ctx: refunds.write(ctx, wish))
    paddle.lost = 1
    await shop.collector.give_back(shop.tenant_id, refund.id)
    await shop.collector.give_back(shop.tenant_id, refund.id)  # too early: nothing is asked
    assert len([one for one in paddle.calls if one.path == "/adjustments"]) == 1
    await shop.fetch(
        "update payments_refund set tried_at = tried_at - interval '3 minutes'"
        " where tenant_id = $1",
        shop.tenant_id,
    )
    await shop.collector.give_back(shop.tenant_id, refund.id)
    held = await shop.do(lambda ctx: refunds.get_refund(ctx, refund.id))
    assert (held.state, len(paddle.adjustments)) == (RefundState.PENDING, 1)
    paddle.approve(held.refund_ref)
    await shop.collector.give_back(shop.tenant_id, refund.id)
    held = await shop.do(lambda ctx: refunds.get_refund(ctx, refund.id))
    assert held.state is RefundState.MADE
    payment = await shop.do(lambda ctx: ledger.get_payment(ctx, payment.id))
    assert payment.refunded_minor == 150


async def test_what_paddles_webhooks_did_not_tell_is_read_from_its_events(shop, paddle):
    invoice = await bill(shop, paddle)
    question = await shop.up_to_charge(invoice)
    await shop.collector.put(question)
    gateways = Gateways(PaymentsSection(paddle_api=paddle.url))
    poller = Poller(shop.edge, gateways, quiet=timedelta(seconds=-5))
    report = await poller.look(shop.tenant_id, Provider.PADDLE)
    assert "event_missed" in [one.kind for one in report.differences]
    assert (await shop.story(invoice.id)).collection.state is CollectionState.PAID
    assert (await poller.look(shop.tenant_id, Provider.PADDLE)).differences == ()
