"""Does a line of an invoice list the very events that it charges, by their ids?"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.ledger import service
from solvent.kernel.ledger.errors import LineNotFound
from solvent.kernel.ledger.model import Invoice, LineEvent
from solvent.kernel.metering import amending
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Amendment, UsageEvent
from solvent.kit.ctx import Edge
from solvent.kit.errors import NotFound
from solvent.kit.ids import TenantId
from solvent.systems.billing.testing import Shop

CATALOGUE = b"""
[meters.gb]
aggregation = "sum"
late = "correct"
[meters.users]
aggregation = "unique"
[meters.calls]
aggregation = "count"
[meters.seats]
aggregation = "sum"
carries = true
[products.logs]
[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
[plans.pro.prices.base]
model = "flat"
amount = "10.00"
[plans.pro.prices.eu]
model = "per_unit"
meter = "gb"
unit_price = "1.00"
where = { region = ["eu", "uk"] }
[plans.pro.prices.rest]
model = "per_unit"
meter = "gb"
unit_price = "2.00"
otherwise = true
group_by = "region"
[plans.pro.prices.users]
model = "per_unit"
meter = "users"
unit_price = "3.00"
[plans.pro.prices.calls]
model = "per_unit"
meter = "calls"
unit_price = "0.10"
[plans.pro.prices.seats]
model = "per_unit"
meter = "seats"
unit_price = "5.00"
"""
HOUR = timedelta(hours=1)
MONTH = timedelta(days=31)
USED = [
    # id, meter, hours after the start, value, region
    ("a", "gb", 1, Decimal("1.5"), "eu"),
    ("b", "gb", 5, Decimal(2), "us"),
    ("c", "gb", 5, Decimal(3), "us"),
    ("d", "gb", 3, Decimal(4), None),
    ("e", "gb", 2, Decimal(5), "uk"),
    ("ada", "users", 1, "ada", None),
    ("ben", "users", 2, "ben", None),
    ("ada again", "users", 3, "ada", None),
    ("call", "calls", 4, None, None),
    ("hired", "seats", 6, Decimal(3), None),
    ("void", "gb", 7, Decimal(900), "us"),
    ("next month", "gb", 31 * 24, Decimal(7), "us"),
]


@pytest.fixture
async def shop(edge: Edge, tenant_id: TenantId) -> Shop:
    """A shop that charges by filters, groups and each kind of value."""
    made = Shop(edge, tenant_id)
    await made.stock(CATALOGUE)
    await made.customer("globex")
    return made


async def use(shop: Shop, *used: tuple[str, str, int, Decimal | str | None, str | None]) -> None:
    events = [
        UsageEvent(
            id=id_,
            customer_ref="globex",
            meter_key=meter,
            at=EPOCH + hours * HOUR,
            value=value,
            properties={} if region is None else {"region": region},
        )
        for id_, meter, hours, value, region in used
    ]
    await shop.do(lambda ctx: metering.record(ctx, events))


async def billed(shop: Shop, subscription_id: str, month: int) -> Invoice:
    await shop.move_clock(EPOCH + month * MONTH)
    return await shop.bill(subscription_id, (await shop.renew(subscription_id))[month - 1])


async def listed(shop: Shop, invoice: Invoice, place: int, *, limit: int = 2) -> list[LineEvent]:
    """Read a line's events in small pages."""
    found: list[LineEvent] = []
    while True:
        after = found[-1].event_id if found else None
        page = await shop.do(
            lambda ctx, after=after: service.line_events(
                ctx, invoice.id, place, after=after, limit=limit
            )
        )
        found += page
        if len(page) < limit:
            return found


async def by_line(shop: Shop, invoice: Invoice) -> dict[str, list[str]]:
    """Return the ids by line, having seen that they are those of its evidence."""
    told: dict[str, list[str]] = {}
    for place, line in enumerate(invoice.draft.lines, 1):
        events = await listed(shop, invoice, place)
        ids = [one.event_id for one in events]
        name = line.price_key + "".join(f" {value}" for _, value in line.group)
        told[name + (" corrected" if line.corrects else "")] = ids
        if line.evidence is None:
            assert not ids
            continue
        digest = hashlib.sha256("".join(f"{id_}\n" for id_ in sorted(ids)).encode()).hexdigest()
        assert (len(ids), digest) == (line.evidence.event_count, line.evidence.digest)
        assert [one.at for one in events] == sorted(one.at for one in events)
    return told


async def amend(shop: Shop, event_id: str, value: int | None = None) -> None:
    """Say that an event had another value, or without one that it never happened."""
    if value is None:
        await shop.do(lambda ctx: amending.void(ctx, event_id, reason="a test"))
    else:
        said = Amendment(value=Decimal(value))
        await shop.do(lambda ctx: amending.amend(ctx, event_id, said, reason="too much"))


async def test_each_line_lists_the_events_that_it_charges(shop: Shop) -> None:
    """By filter, group and kind of value; and the same whatever is said of them afterwards."""
    held = await shop.subscribe()
    await shop.move_clock(EPOCH + MONTH)
    await use(shop, *USED)
    await amend(shop, "void")
    invoice = await billed(shop, held.id, 1)
    charged = {
        "base": [],
        "eu": ["a", "e"],
        "rest us": ["b", "c"],
        "rest None": ["d"],
        "users": ["ada", "ben", "ada again"],
        "calls": ["call"],
        "seats": ["hired"],
    }
    assert await by_line(shop, invoice) == charged
    await use(shop, ("late", "gb", 2, Decimal(1), "us"))
    await amend(shop, "a", 70)
    await amend(shop, "c")
    assert await by_line(shop, invoice) == charged
    place = [line.price_key for line in invoice.draft.lines].index("eu") + 1
    assert [one.counted for one in await listed(shop, invoice, place)] == [Decimal("1.5"), 5]
    assert {one.what for one in await listed(shop, invoice, place)} == {"counted"}


async def test_a_correction_lists_what_came_late_or_was_put_right(shop: Shop) -> None:
    held = await shop.subscribe()
    await shop.move_clock(EPOCH + MONTH)
    await use(shop, *USED)
    await billed(shop, held.id, 1)
    await use(shop, ("late", "gb", 2, Decimal(1), "us"), ("later", "gb", 3, Decimal(1), "us"))
    await amend(shop, "a", 70)
    second = await billed(shop, held.id, 2)
    told = await by_line(shop, second)
    assert told["eu corrected"] == ["a"]
    assert told["rest us"] == ["next month"]
    (place,) = [
        n for n, one in enumerate(second.draft.lines, 1) if one.price_key == "eu" and one.corrects
    ]
    assert [one.what for one in await listed(shop, second, place)] == ["amend"]
    late = [ids for name, ids in told.items() if name.startswith("rest") and "corrected" in name]
    assert all({"late", "later"} <= set(ids) for ids in late)
    await amend(shop, "late")
    assert await by_line(shop, second) == told


async def test_a_line_that_is_none_and_an_invoice_of_others_list_nothing(
    shop: Shop, mallory_id: TenantId
) -> None:
    held = await shop.subscribe()
    invoice = await billed(shop, held.id, 1)
    for place in (0, len(invoice.draft.lines) + 1):
        with pytest.raises(LineNotFound):
            await listed(shop, invoice, place)
    with pytest.raises(NotFound):
        await listed(Shop(shop.edge, mallory_id), invoice, 1)
