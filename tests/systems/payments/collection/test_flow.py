"""Does it all come together: cycle, events, jobs, collector and the provider's webhooks?"""

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceStatus
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status
from solvent.kit.testing import eventually
from solvent.systems.payments.collection.model import CollectionState


async def collected(till, subscription_id, *, attempts):
    """Let the collector work until the first invoice has so many attempts that are known."""
    await till.collector.once()
    drawn = await till.do(
        lambda ctx: ledger.list_invoices(ctx, subscription_id=subscription_id, limit=1)
    )
    rows = await till.fetch(
        "select count(*) from payments_attempt where state not in ('asked', 'pending')"
    )
    return drawn[0] if drawn and rows[0][0] == attempts else None


async def test_from_the_end_of_a_period_to_the_money(till, worker):
    """The card fails at first; a day later the job of the next step finds it mended."""
    del worker
    held = await till.subscribe()
    till.bank.let_card_fail(till.card, "insufficient_funds")
    await till.move_clock(days=32)
    invoice = await eventually(lambda: collected(till, held.id, attempts=1))
    assert invoice.status is InvoiceStatus.FINAL
    assert (await till.held(held)).status is Status.PAST_DUE
    till.bank.let_card_fail(till.card, None)
    await till.move_clock(days=1, seconds=1)
    invoice = await eventually(lambda: collected(till, held.id, attempts=2))
    assert invoice.status is InvoiceStatus.PAID
    assert (await till.held(held)).status is Status.ACTIVE
    story = await till.story(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert till.charged_minor() == await till.booked_minor() == 2900


async def test_a_cancellation_reaches_the_collection_by_its_event(till, worker):
    del worker
    invoice = await till.bill()
    till.bank.let_card_fail(till.card, "insufficient_funds")
    await till.work(invoice.id)
    sub = invoice.draft.subscription_id
    await till.do(lambda ctx: subscriptions.cancel(ctx, sub))

    async def stopped():
        story = await till.story(invoice.id)
        return story.collection.state is CollectionState.STOPPED

    assert await eventually(stopped)
