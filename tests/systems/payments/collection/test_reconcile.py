"""Does the poller find and mend what webhooks have not told, and report the rest?"""

from datetime import timedelta

import pytest

from solvent.kernel.ledger import service as ledger
from solvent.kit.money import Money
from solvent.systems.payments.collection.model import CollectionState
from solvent.systems.payments.errors import GatewayKeyMissing
from solvent.systems.payments.gateways.source import Gateways
from solvent.systems.payments.model import EventState, Provider
from solvent.systems.payments.service import events
from solvent.systems.payments.service.reconcile import Poller
from solvent.systems.payments.settings import PaymentsSection

NO_QUIET = timedelta(seconds=-5)


@pytest.fixture
def poller(till):
    """A poller that leaves nothing alone, however young."""
    gateways = Gateways(PaymentsSection(stripe_api=till.bank.url))
    return Poller(till.edge, gateways, quiet=NO_QUIET)


async def look(till, poller, **more):
    return await poller.look(till.tenant_id, Provider.STRIPE, **more)


def kinds(report):
    return [one.kind for one in report.differences]


async def charged_unseen(till):
    """Charge, and let nobody know: neither answer nor webhook."""
    invoice = await till.bill()
    question = await till.up_to_charge(invoice)
    await till.collector.put(question)
    return invoice


async def test_what_no_webhook_told_is_fed_into_the_inbox_once(till, poller):
    invoice = await charged_unseen(till)
    report = await look(till, poller)
    assert "event_missed" in kinds(report)
    assert all(one.repaired for one in report.differences)
    assert (await till.story(invoice.id)).collection.state is CollectionState.PAID
    assert till.charged_minor() == await till.booked_minor() == 2900
    again = await look(till, poller)
    assert (again.differences, again.payments) == ((), 1)
    found = await till.do(lambda ctx: events.list_events(ctx, state=EventState.FAILED))
    assert found == []
    assert len(await till.audited("payments.reconciled")) == 1


async def test_a_dry_run_tells_and_changes_nothing(till, poller):
    invoice = await charged_unseen(till)
    report = await look(till, poller, dry_run=True)
    assert {"event_missed", "payment_missed"} <= set(kinds(report))
    assert not any(one.repaired for one in report.differences)
    assert (await till.story(invoice.id)).collection.state is CollectionState.COLLECTING
    assert await till.booked_minor() == 0
    assert await till.fetch("select * from payments_cursor") == []


async def test_a_payment_whose_event_is_gone_is_booked_from_the_list(till, poller):
    """As after 30 days, when Stripe lists the event no more."""
    invoice = await charged_unseen(till)
    told = [one["id"] for one in till.bank.events("payment_intent.succeeded")]
    with till.bank.desk.lock:
        for id_ in told:
            till.bank.world.store.drop(id_)
    report = await look(till, poller)
    assert "payment_missed" in kinds(report)
    assert (await till.story(invoice.id)).collection.state is CollectionState.PAID
    assert till.charged_minor() == await till.booked_minor() == 2900


async def test_a_refund_that_no_event_told_is_booked_from_the_list(till, poller):
    invoice = await till.bill()
    await till.work(invoice.id)
    [intent] = till.api.v1.payment_intents.list({}).data
    till.api.v1.refunds.create({"payment_intent": intent.id, "amount": 700})
    with till.bank.desk.lock:
        for one in till.bank.events():
            till.bank.world.store.drop(one["id"])
    report = await look(till, poller)
    assert kinds(report) == ["refund_missed"]
    assert till.charged_minor() == await till.booked_minor() == 2200


async def test_another_amount_is_reported_and_not_touched(till, poller):
    invoice = await charged_unseen(till)
    [intent] = till.api.v1.payment_intents.list({}).data
    await till.do(
        lambda ctx: ledger.record_payment(
            ctx,
            provider="stripe",
            provider_payment_id=intent.id,
            customer_id=till.customer.id,
            amount=Money(2800, "USD"),
            received_at=ctx.now(),
        )
    )
    report = await look(till, poller)
    [odd] = [one for one in report.differences if one.kind == "amount_differs"]
    assert not odd.repaired
    assert await till.booked_minor() == 2800
    assert len(await till.audited("payments.payment_differed")) >= 1
    assert invoice


async def test_a_payment_of_a_known_customer_that_is_no_charge_of_ours_is_reported(till, poller):
    charge = {"amount": 500, "currency": "usd", "confirm": True, "off_session": True}
    whose = {"customer": till.provider_customer_id, "payment_method": till.card}
    till.api.v1.payment_intents.create(charge | whose)
    report = await look(till, poller)
    [odd] = [one for one in report.differences if one.kind == "payment_missed"]
    assert (odd.detail, odd.repaired) == ("500 USD", False)


async def test_what_is_young_is_left_to_its_webhook(till, poller):
    invoice = await charged_unseen(till)
    patient = Poller(till.edge, poller.gateways)
    report = await look(till, patient)
    assert report.differences == ()
    assert (await till.story(invoice.id)).collection.state is CollectionState.COLLECTING


async def test_a_subscription_that_stands_otherwise_is_made_equal(till, poller):
    price = till.bank.add_price("price_pro")
    assert price
    made = till.api.v1.subscriptions.create(
        {"customer": till.provider_customer_id, "items": [{"price": "price_pro"}]}
    )
    with till.bank.desk.lock:
        for one in till.bank.events():
            till.bank.world.store.drop(one["id"])
    report = await look(till, poller)
    assert "subscription_differs" in kinds(report)
    rows = await till.fetch("select provider_subscription_id, status from payments_subscription")
    assert [tuple(row) for row in rows] in ([(made.id, None)], [(made.id, "active")])
    assert (await look(till, poller)).subscriptions is None


async def test_all_tenants_are_looked_at_and_one_that_fails_stops_no_other(till, poller):
    await charged_unseen(till)
    assert await poller.look_at_all() >= 1
    assert await till.booked_minor() == 2900


async def test_without_a_key_nobody_is_asked(till, poller):
    with pytest.raises(GatewayKeyMissing):
        await poller.look(till.tenant_id, Provider.PADDLE)
