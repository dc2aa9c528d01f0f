"""Is usage settled, once, that comes late for a subscription that has ended?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from solvent.app.house import House
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import CreditNote, Invoice, LegalEntity
from solvent.kernel.metering import amending
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription, When
from solvent.kit.jobs.testing import InlineJobs
from solvent.systems.billing import service
from solvent.systems.billing.taxes import service as taxes
from solvent.systems.billing.taxes.model import Seller
from solvent.systems.billing.testing import CATALOGUE, Shop

DAY = timedelta(days=1)
CORRECTING = CATALOGUE.replace(b'unit = "GB"', b'unit = "GB"\nlate = "correct"').replace(
    b"grace_days = 3", b"grace_days = 3\ndraft_days = 2"
)
FRENCH = Seller(LegalEntity("Acme", country="FR", tax_id="FR40303265045"))


@pytest.fixture
async def ended(shop: Shop) -> Subscription:
    """A subscription of a month that used 20 GB, has ended with it, and is invoiced."""
    await shop.stock(CORRECTING)
    await shop.do(lambda ctx: taxes.set_seller(ctx, FRENCH))
    held = await shop.subscribe()
    await shop.use("20", held.period.start, id="in time")
    await shop.do(lambda ctx: subscriptions.cancel(ctx, held.id, at=When.PERIOD_END))
    await shop.move_clock(held.period.end + 2 * DAY)
    (period,) = await shop.renew(held.id)
    invoice = await shop.do(lambda ctx: service.close_period(ctx, held.id, period))
    assert invoice is not None
    assert (invoice.number, invoice.draft.total_minor) == (1, 5880)  # 49.00 and 20 %
    return held


async def run_jobs(house: House) -> None:
    runtime = InlineJobs(house.system, house.edge, house.wiring.jobs)
    while await runtime.run_due():
        pass


async def papers(shop: Shop) -> tuple[list[Invoice], list[CreditNote]]:
    return await shop.do(ledger.list_invoices), await shop.do(ledger.list_credit_notes)


async def test_late_usage_of_an_ended_subscription_is_settled_once(
    shop: Shop, ended: Subscription, house: House
) -> None:
    """By an invoice of its own, when the next period would have been over."""
    await shop.use("3", ended.period.start + DAY, id="late")
    await run_jobs(house)
    assert len((await papers(shop))[0]) == 1
    await shop.move_clock(ended.period.end + 31 * DAY)
    await run_jobs(house)
    (late, first), _ = await papers(shop)
    assert (late.number, late.draft.total_minor) == (2, 360)
    (line,) = late.draft.lines
    assert line.corrects is not None
    assert (line.corrects.invoice_id, line.corrects.event_ids) == (first.id, ("late",))
    rebuilt = await shop.do(lambda ctx: ledger.rebuild_invoice(ctx, late.id))
    assert rebuilt.identical
    await shop.move_clock(ended.period.end + 32 * DAY)
    again = await shop.do(lambda ctx: service.settle_late(ctx, ended.id))
    assert (again.invoice, again.credit_notes) == (None, ())
    assert (await shop.do(ledger.verify)).sound


async def test_what_was_charged_too_much_is_credited_once_where_no_invoice_follows(
    shop: Shop, ended: Subscription, house: House
) -> None:
    await shop.use("1", ended.period.start + DAY, id="late")
    await shop.do(lambda ctx: amending.void(ctx, "in time", reason="sent twice"))
    await shop.move_clock(ended.period.end + 31 * DAY)
    await run_jobs(house)
    (first,), (note,) = await papers(shop)
    assert (note.said.invoice_id, note.said.total_minor) == (first.id, 1900 * 6 // 5)
    again = await shop.do(lambda ctx: service.settle_late(ctx, ended.id))
    assert (again.invoice, again.credit_notes) == (None, ())
    assert (await shop.do(ledger.verify)).sound


async def test_where_nothing_came_late_nothing_is_drawn(
    shop: Shop, ended: Subscription, house: House
) -> None:
    await shop.use("3", ended.period.end + DAY, id="after its end")
    await shop.move_clock(ended.period.end + 31 * DAY)
    await run_jobs(house)
    assert [len(some) for some in await papers(shop)] == [1, 0]


async def test_a_subscription_that_goes_on_is_corrected_by_its_next_invoice(shop: Shop) -> None:
    held = await shop.subscribe()
    settled = await shop.do(lambda ctx: service.settle_late(ctx, held.id))
    assert settled.invoice is None
