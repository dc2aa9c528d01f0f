"""Is an invoice of seats that changed drawn from what was held, and derived again to the byte?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice, LineKind
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import When
from solvent.systems.billing import rules as paper
from solvent.systems.billing import service as billing
from solvent.systems.billing.testing import Shop

DAY = timedelta(days=1)
CATALOGUE = """
[meters.log_gb]
aggregation = "sum"
[products.logs]
[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
proration = "{proration}"
prices.early = {{ model = "flat", amount = "3.10", per_seat = true, in_advance = true }}
prices.late = {{ model = "flat", amount = "6.20", per_seat = true }}
prices.use = {{ model = "per_unit", meter = "log_gb", unit_price = 1, free_units = 10 }}
"""


async def change(shop: Shop, held, seats: int) -> None:
    await shop.do(lambda ctx: subscriptions.change_quantity(ctx, held.id, seats, when=When.NOW))


async def must_rebuild(shop: Shop, invoice: Invoice) -> None:
    rebuilt = await shop.do(lambda ctx: ledger.rebuild_invoice(ctx, invoice.id))
    assert (rebuilt.differences, rebuilt.rebuilt_digest) == ((), invoice.digest)


@pytest.mark.parametrize(
    "proration, early, late, told",
    [
        # 2 seats for 10 days, 5 for 5, 1 for 16: 61 seat-days of 31; 2 seats were paid in advance.
        ("second", 610, 1220, "864,000 seconds of the 2,678,400 in the period"),
        ("day", 610, 1220, "10 of the 31 days in the period"),
        ("none", 1550, 3100, "charged whole"),
    ],
)
async def test_seats_are_charged_as_they_were_held_and_usage_once(
    shop: Shop, proration: str, early: int, late: int, told: str
) -> None:
    await shop.stock(CATALOGUE.format(proration=proration).encode())
    held = await shop.do(lambda ctx: subscriptions.create(ctx, "globex", "pro", quantity=2))
    advance = await shop.do(lambda ctx: billing.open_period(ctx, held.id))
    assert advance is not None
    assert advance.draft.total_minor == 620
    start = held.period.start
    for day, seats in ((10, 5), (15, 1)):
        await shop.move_clock(start + day * DAY)
        await shop.use("8", start + (day - 1) * DAY, id=f"use-{day}")
        await change(shop, held, seats)
    await shop.move_clock(held.period.end + DAY)
    (first,) = await shop.renew(held.id)
    invoice = await shop.bill(held.id, first)
    paid_before = min(early, 620)
    assert invoice.draft.total_minor == 600 + late + early - paid_before
    usage = [line for line in invoice.draft.lines if line.kind is LineKind.USAGE]
    assert [line.quantity for line in usage] == [16]  # its free units are given once
    lines = [line for line in invoice.draft.lines if line.price_key == "late"]
    assert [line.quantity for line in lines] == [2, 5, 1]
    explained = [paper.explain(invoice.draft, line, zone_name="UTC") for line in lines]
    assert any(told in sentence for line in explained for sentence in line)
    await shop.do(lambda ctx: subscriptions.change_time_zone(ctx, held.id, "Asia/Tokyo"))
    for one in (advance, invoice):
        await must_rebuild(shop, one)
