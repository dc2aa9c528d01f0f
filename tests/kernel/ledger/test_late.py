"""Is usage that comes late, or is put right, charged once, on the next invoice, and explained?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from solvent.app.testing import EPOCH, fresh_tenant
from solvent.kernel.ledger import service
from solvent.kernel.ledger.model import Invoice, LineKind
from solvent.kernel.metering import amending, windows
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Amendment, Period, UsageEvent
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import Edge
from solvent.kit.ids import TenantId
from solvent.systems.billing.testing import Shop

CATALOGUE = b"""
[meters.gb]
aggregation = "sum"
late = "correct"
[meters.calls]
aggregation = "count"
[meters.pages]
aggregation = "sum"
late = "ignore"
[meters.seats]
aggregation = "sum"
carries = true
late = "correct"
[products.logs]
[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
[plans.pro.prices.base]
model = "flat"
amount = "10.00"
[plans.pro.prices.gb]
model = "graduated"
meter = "gb"
tiers = [{ up_to = 100, unit_price = "1.00" }, { unit_price = "0.50" }]
[plans.pro.prices.calls]
model = "per_unit"
meter = "calls"
unit_price = "1.00"
[plans.pro.prices.pages]
model = "per_unit"
meter = "pages"
unit_price = "1.00"
[plans.pro.prices.seats]
model = "per_unit"
meter = "seats"
unit_price = "3.00"
"""
MONTH = timedelta(days=31)
DAY = timedelta(days=1)


@pytest.fixture
async def shop(edge: Edge, tenant_id: TenantId) -> Shop:
    """A shop whose meters take late usage in each of the three ways."""
    made = Shop(edge, tenant_id)
    await made.stock(CATALOGUE)
    await made.customer("globex")
    return made


async def use(shop: Shop, id: str, at, value: int | None = 1, *, meter: str = "gb") -> None:
    given = None if value is None else Decimal(value)
    event = UsageEvent(id=id, customer_ref="globex", meter_key=meter, at=at, value=given)
    await shop.do(lambda ctx: metering.record(ctx, [event]))


async def next_invoice(shop: Shop, held: Subscription, month: int) -> Invoice:
    """Let the month, from one, be over, and make its invoice final."""
    await shop.move_clock(EPOCH + month * MONTH)
    period = (await shop.renew(held.id))[month - 1]
    return await shop.bill(held.id, period)


def amounts(invoice: Invoice, kind: LineKind = LineKind.USAGE) -> dict[str, int]:
    lines = [line for line in invoice.draft.lines if line.kind is kind]
    return {line.price_key: line.amount_minor for line in lines if line.amount_minor}


async def rebuilt_alike(shop: Shop, *invoices: Invoice) -> bool:
    told = [
        await shop.do(lambda ctx, i=one: service.rebuild_invoice(ctx, i.id)) for one in invoices
    ]
    assert [one.differences for one in told] == [()] * len(told)
    return all(one.identical for one in told)


async def test_late_usage_is_corrected_on_the_next_invoice(shop: Shop, held: Subscription) -> None:
    await use(shop, "a", EPOCH, 90)
    first = await next_invoice(shop, held, 1)
    await use(shop, "late", EPOCH + DAY, 20)
    await use(shop, "on time", EPOCH + MONTH + DAY, 5)
    second = await next_invoice(shop, held, 2)
    assert (amounts(first), amounts(second)) == ({"gb": 9000}, {"gb": 500})
    (line,) = [line for line in second.draft.lines if line.corrects]
    told = line.corrects
    assert line.amount_minor == 1500  # ten at 1.00 and ten at 0.50
    assert (told.invoice_id, told.reference) == (first.id, "INV-000001")
    assert (told.before_minor, told.after_minor) == (9000, 10_500)
    assert (told.before_quantity, told.after_quantity) == (90, 110)
    assert told.event_ids == ("late",)
    assert line.evidence is not None
    assert line.evidence.event_count == 1
    assert (line.plan_key, line.plan_version, line.period_start) == ("pro", 1, EPOCH)
    assert await rebuilt_alike(shop, first, second)
    third = await next_invoice(shop, held, 3)
    assert amounts(third, LineKind.CORRECTION) == {}
    await use(shop, "later still", EPOCH + 2 * DAY, 2)
    assert await rebuilt_alike(shop, first, second, third)
    fourth = await next_invoice(shop, held, 4)
    assert amounts(fourth, LineKind.CORRECTION) == {"gb": 100}
    assert await rebuilt_alike(shop, fourth)
    assert (await shop.do(service.verify)).sound


async def test_a_draft_is_drawn_anew_and_ignored_usage_stays_out(
    shop: Shop, held: Subscription
) -> None:
    for meter in ("gb", "calls", "pages"):
        await use(shop, f"{meter}1", EPOCH, None if meter == "calls" else 1, meter=meter)
    await shop.move_clock(EPOCH + MONTH)
    (period,) = await shop.renew(held.id)
    await shop.do(lambda ctx: service.draw_invoice(ctx, held.id, period))
    for meter in ("gb", "calls", "pages"):
        await use(shop, f"{meter}2", EPOCH, None if meter == "calls" else 1, meter=meter)
    again = await shop.bill(held.id, period)
    assert amounts(again) == {"gb": 200, "calls": 200, "pages": 100}
    for meter in ("gb", "calls", "pages"):
        await use(shop, f"{meter}3", EPOCH, None if meter == "calls" else 1, meter=meter)
    second = await next_invoice(shop, held, 2)
    assert amounts(second, LineKind.CORRECTION) == {"gb": 100}
    assert await rebuilt_alike(shop, again, second)
    told = await shop.do(lambda ctx: service.rebuild_invoice(ctx, again.id))
    assert told.late_events == 4  # one more each, and the page that was ignored before


async def test_what_is_taken_back_is_given_back(shop: Shop, held: Subscription) -> None:
    """1,100.00 too much comes off the next invoices as far as each of them goes."""
    await use(shop, "right", EPOCH, 10)
    await use(shop, "wrong", EPOCH, 2100)
    first = await next_invoice(shop, held, 1)
    await shop.do(lambda ctx: amending.void(ctx, "wrong", reason="sent twice"))
    await use(shop, "second", EPOCH + MONTH + DAY, 40)
    second = await next_invoice(shop, held, 2)
    assert (first.draft.total_minor, second.draft.total_minor) == (111_500, 0)
    assert amounts(second, LineKind.CORRECTION) == {"gb": -5000}
    assert second.draft.late_from is not None
    await use(shop, "third", EPOCH + 2 * MONTH + DAY, 3000)
    third = await next_invoice(shop, held, 3)
    assert amounts(third, LineKind.CORRECTION) == {"gb": -109_500 + 5000}
    assert third.draft.late_from is None
    assert await rebuilt_alike(shop, first, second, third)


async def test_an_amendment_and_its_undoing_come_to_nothing(shop: Shop, held: Subscription) -> None:
    await use(shop, "a", EPOCH, 10)
    first = await next_invoice(shop, held, 1)
    said = await shop.do(
        lambda ctx: amending.amend(ctx, "a", Amendment(value="12"), reason="misread")
    )
    second = await next_invoice(shop, held, 2)
    assert amounts(second, LineKind.CORRECTION) == {"gb": 200}
    await shop.do(lambda ctx: amending.undo(ctx, said.id, reason="it was right"))
    third = await next_invoice(shop, held, 3)
    assert amounts(third, LineKind.CORRECTION) == {"gb": -200}
    assert await rebuilt_alike(shop, first, second, third)


async def test_what_a_void_invoice_corrected_is_corrected_again(
    shop: Shop, held: Subscription
) -> None:
    await next_invoice(shop, held, 1)
    await use(shop, "late", EPOCH, 7)
    second = await next_invoice(shop, held, 2)
    assert amounts(second, LineKind.CORRECTION) == {"gb": 700}
    await shop.do(lambda ctx: service.void_invoice(ctx, second.id, reason="wrong address"))
    third = await next_invoice(shop, held, 3)
    assert amounts(third, LineKind.CORRECTION) == {"gb": 700}
    assert await rebuilt_alike(shop, second, third)


async def test_a_void_invoice_is_not_corrected(shop: Shop, held: Subscription) -> None:
    first = await next_invoice(shop, held, 1)
    await shop.do(lambda ctx: service.void_invoice(ctx, first.id, reason="a present"))
    await use(shop, "late", EPOCH, 7)
    assert amounts(await next_invoice(shop, held, 2), LineKind.CORRECTION) == {}


async def test_what_carries_on_corrects_every_period_since(shop: Shop, held: Subscription) -> None:
    await use(shop, "two", EPOCH, 2, meter="seats")
    first = await next_invoice(shop, held, 1)
    second = await next_invoice(shop, held, 2)
    assert amounts(first) == amounts(second) == {"seats": 600}
    await use(shop, "one more", EPOCH + DAY, 1, meter="seats")
    third = await next_invoice(shop, held, 3)
    lines = [line for line in third.draft.lines if line.corrects]
    assert [(line.corrects.reference, line.amount_minor) for line in lines] == [
        ("INV-000001", 300),
        ("INV-000002", 300),
    ]
    assert amounts(third) == {"seats": 900}
    assert await rebuilt_alike(shop, first, second, third)


async def test_an_open_window_holds_corrections_back(shop: Shop, held: Subscription) -> None:
    first = await next_invoice(shop, held, 1)
    period = Period(EPOCH, EPOCH + 3 * DAY)
    window = await shop.do(
        lambda ctx: windows.open_window(ctx, "gb", period, reason="lost", customer_ref="globex")
    )
    await use(shop, "late", EPOCH, 7)
    second = await next_invoice(shop, held, 2)
    assert amounts(second, LineKind.CORRECTION) == {}
    await shop.do(lambda ctx: windows.finish_window(ctx, window.id))
    third = await next_invoice(shop, held, 3)
    assert amounts(third, LineKind.CORRECTION) == {"gb": 700}
    assert await rebuilt_alike(shop, first, second, third)


async def test_usage_before_its_meter_and_beyond_the_subscription_is_never_charged(
    shop: Shop,
) -> None:
    await shop.move_clock(EPOCH + 5 * DAY)
    held = await shop.subscribe()
    await use(shop, "before the meter", EPOCH - DAY, 100)
    await use(shop, "before the start", EPOCH + DAY, 100)
    await shop.move_clock(EPOCH + 5 * DAY + MONTH)
    (period,) = await shop.renew(held.id)
    first = await shop.bill(held.id, period)
    await use(shop, "before the start, late", EPOCH + DAY, 100)
    await use(shop, "before the meter, late", EPOCH - DAY, 100)
    await shop.move_clock(EPOCH + 5 * DAY + 2 * MONTH)
    second = await shop.bill(held.id, (await shop.renew(held.id))[1])
    assert amounts(first) == amounts(second) == amounts(second, LineKind.CORRECTION) == {}


STORY = st.lists(
    st.tuples(
        st.integers(0, 62),  # the day of the use
        st.integers(1, 120),
        st.sampled_from(["gb", "seats"]),
        st.integers(0, 3),  # the months by which it comes late
        st.sampled_from(["stays", "stays", "void", "amend"]),
    ),
    max_size=6,
)


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(story=STORY)
async def test_any_order_of_arrival_comes_to_the_same(house, story) -> None:
    """One shop hears of everything late or wrong, another of what is true in time."""
    told, true = [Shop(house.edge, await fresh_tenant(house)) for _ in range(2)]
    totals = []
    for shop in (told, true):
        await shop.stock(CATALOGUE.replace(b'"10.00"', b'"900.00"'))
        await shop.customer("globex")
        held = await shop.subscribe()
        invoices = []
        for month in range(8):
            await shop.move_clock(EPOCH + (month + 1) * MONTH - timedelta(seconds=1))
            for n, one in enumerate(story):
                await happen(shop, f"e{n}", one, month, in_time=shop is true)
            invoices.append(await next_invoice(shop, held, month + 1))
        assert await rebuilt_alike(shop, *invoices[2:])
        assert invoices[-1].draft.late_from is None
        totals.append(sum(one.draft.total_minor for one in invoices))
    assert totals[0] == totals[1]


async def happen(shop: Shop, id: str, one, month: int, *, in_time: bool) -> None:
    """Let what a story tells of an event come to a shop in a month."""
    day, value, meter, late, fate = one
    at = EPOCH + day * DAY
    comes = day // 31 + late
    if in_time:
        counted = {"void": 0, "amend": value // 2}.get(fate, value)
        if month == day // 31 and counted:
            await use(shop, id, at, counted, meter=meter)
        return
    if month == comes:
        await use(shop, id, at, value, meter=meter)
    if month == comes + 1 and fate == "void":
        await shop.do(lambda ctx: amending.void(ctx, id, reason="wrong"))
    if month == comes + 1 and fate == "amend" and value // 2 != value:
        amendment = Amendment(value=str(value // 2))
        await shop.do(lambda ctx: amending.amend(ctx, id, amendment, reason="wrong"))
