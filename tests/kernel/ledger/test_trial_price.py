"""Is a trial that costs something invoiced when it begins, once, and derived again?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceKind, LineKind
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status
from solvent.systems.billing import service as billing
from solvent.systems.billing.testing import Shop

DAY = timedelta(days=1)
CATALOGUE = b"""
[products.logs]
[plans.taste]
name = "Taste"
product = "logs"
currency = "USD"
interval = "month"
trial_days = 7
trial_price = "1.00"
prices.base = { model = "flat", amount = 31 }

[plans.early]
product = "logs"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = 62, in_advance = true }
"""


async def test_a_paid_trial_is_invoiced_when_it_begins_and_once(shop: Shop) -> None:
    await shop.stock(CATALOGUE)
    held = await shop.subscribe(plan="taste")
    first = await shop.do(lambda ctx: billing.open_period(ctx, held.id))
    assert first is not None
    again = await shop.do(lambda ctx: billing.open_period(ctx, held.id))
    assert again is not None
    assert (again.id, again.number) == (first.id, 1)
    (line,) = first.draft.lines
    assert (line.kind, line.description, line.amount_minor) == (
        LineKind.TRIAL,
        "Trial of Taste",
        100,
    )
    assert first.draft.kind is InvoiceKind.ADVANCE
    rebuilt = await shop.do(lambda ctx: ledger.rebuild_invoice(ctx, first.id))
    assert (rebuilt.differences, rebuilt.digest) == ((), rebuilt.rebuilt_digest)
    await shop.move_clock(held.period.end + 32 * DAY)
    trial, paid = await shop.renew(held.id)
    assert trial == held.period
    assert (await shop.bill(held.id, paid)).draft.total_minor == 3100


async def test_a_trial_that_costs_nothing_has_no_invoice(shop: Shop) -> None:
    held = await shop.subscribe(plan="trial")
    assert held.status is Status.TRIALING
    assert await shop.do(lambda ctx: billing.open_period(ctx, held.id)) is None
    assert await shop.do(lambda ctx: ledger.draw_advance(ctx, held.id)) is None


async def test_a_fee_in_advance_that_begins_within_a_period_is_for_the_rest_of_it(
    shop: Shop,
) -> None:
    await shop.stock(CATALOGUE)
    held = await shop.subscribe(plan="taste")
    await shop.do(lambda ctx: subscriptions.cancel(ctx, held.id))
    await shop.do(lambda ctx: subscriptions.create(ctx, "globex", "taste", trial_days=0))
    (one,) = await shop.do(lambda ctx: subscriptions.list_current(ctx, held.customer_id))
    await shop.move_clock(one.period.start + 21 * DAY)
    await shop.do(lambda ctx: subscriptions.change_plan(ctx, one.id, "early"))
    invoice = await shop.do(lambda ctx: billing.open_period(ctx, one.id))
    assert invoice is not None
    assert invoice.draft.total_minor == 2000  # 10 of 31 days of 62.00
    rebuilt = await shop.do(lambda ctx: ledger.rebuild_invoice(ctx, invoice.id))
    assert rebuilt.differences == ()
    await shop.move_clock(one.period.end + DAY)
    (period,) = [each for each in await shop.renew(one.id) if each.start == one.period.start]
    assert period == Period(one.period.start, one.period.end)
    assert (await shop.bill(one.id, period)).draft.total_minor == 2100  # 21 days of 31.00
