"""Do movements follow what really happens to subscriptions, and is the ledger all earned?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import asyncpg
import pytest

from solvent.app.house import House
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import CreditPart, CreditTo, Discount
from solvent.kernel.ledger.service import Refund
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import When
from solvent.kit.bus.envelope import Registry, decode
from solvent.kit.money import Money
from solvent.kit.testing import eventually
from solvent.kit.wiring import Event, Handler
from solvent.systems.revenue import service
from solvent.systems.revenue.model import Kind, Policy, Rate, Row, Step
from solvent.systems.revenue.service import Ask
from solvent.systems.revenue.service.report import trials_in
from solvent.systems.revenue.testing import CATALOGUE, Founder, at

YEAR = Ask(since=date(2026, 1, 1), until=date(2027, 1, 1))


async def rows(founder: Founder, ask: Ask = YEAR) -> list[Row]:
    return await founder.do(lambda ctx: service.mrr(ctx, ask))


async def kinds(founder: Founder) -> list[tuple[str, str, int]]:
    """Each movement's day, kind and amount."""
    found = await founder.do(lambda ctx: service.list_movements(ctx, YEAR, limit=100))
    return [
        (f"{one.told.day:%m-%d}", one.told.kind.value, one.told.movement.delta_minor)
        for one in found
    ]


async def test_a_trial_is_nothing_and_converts_to_new(founder: Founder) -> None:
    held = await founder.subscribe("alice", "large", trial_days=14)
    await founder.follow()
    assert await kinds(founder) == []
    await founder.move("2026-02-10T00:00:00", held)
    await founder.follow()
    assert await kinds(founder) == [("01-29", "new", 4000)]
    (found,) = await founder.do(lambda ctx: service.retention(ctx, YEAR))
    assert [(one.trials.ended, one.trials.converted) for one in found.ratios[:2]] == [
        (1, 1),
        (0, 0),
    ]


async def test_a_trial_that_waits_for_a_card_has_not_converted(founder: Founder) -> None:
    text = CATALOGUE.replace(b"trial_days = 14", b'trial_days = 14\ntrial_without_card = "pend"')
    await founder.stock(text)
    held = await founder.subscribe("alice", "large", trial_days=14)
    await founder.move("2026-02-10T00:00:00", held)
    await founder.follow()
    assert await kinds(founder) == []
    assert (await founder.do(lambda ctx: subscriptions.get(ctx, held.id))).awaits_card
    async with founder.open() as ctx:
        scope = await service.scope_of(ctx, YEAR)
        (january, *_) = await trials_in(ctx, scope)
    assert (january.ended, january.converted) == (1, 0)


async def test_past_due_counts_a_pause_does_not(founder: Founder) -> None:
    held = await founder.subscribe("alice", "small")
    await founder.do(lambda ctx: subscriptions.mark_past_due(ctx, held.id))
    await founder.follow()
    assert await kinds(founder) == [("01-15", "new", 1500)]
    await founder.do(lambda ctx: subscriptions.mark_paid(ctx, held.id))
    await founder.move("2026-01-20T00:00:00")
    await founder.do(lambda ctx: subscriptions.pause(ctx, held.id))
    await founder.move("2026-01-25T00:00:00")
    await founder.do(lambda ctx: subscriptions.resume(ctx, held.id))
    await founder.follow()
    assert await kinds(founder) == [
        ("01-15", "new", 1500),
        ("01-20", "churn", -1500),
        ("01-25", "reactivation", 1500),
    ]


async def test_plan_changes_seats_and_lengths_of_periods_count(founder: Founder) -> None:
    desk = await founder.subscribe("alice", "small")
    team = await founder.subscribe("alice", "team")
    await founder.move("2026-01-20T00:00:00")
    await founder.do(lambda ctx: subscriptions.change_plan(ctx, desk.id, "yearly", when=When.NOW))
    await founder.do(lambda ctx: subscriptions.change_quantity(ctx, team.id, 4))
    await founder.follow()
    assert [row.closing_minor for row in await rows(founder)][:1] == [1000 + 3600]
    assert {kind for _, kind, _ in await kinds(founder)} == {"new", "expansion"}
    levels = await founder.do(lambda ctx: service.mrr_by_plan(ctx, YEAR))
    assert [(one.plan_key, one.levels_minor[0]) for one in levels] == [
        ("team", 3600),
        ("yearly", 1000),
    ]


async def test_an_addon_counts_from_its_moment_to_its_end(founder: Founder) -> None:
    held = await founder.subscribe("alice", "small")
    ends_at, later = at("2026-02-01T00:00:00"), at("2026-01-20T00:00:00")
    added = await founder.do(
        lambda ctx: subscriptions.add_addon(
            ctx, held.id, "phone", quantity=1, start=later, ends_at=ends_at
        )
    )
    await founder.follow()
    assert await kinds(founder) == [("01-15", "new", 1500)]
    await founder.move("2026-01-21T00:00:00", held)
    await founder.follow()
    assert (await kinds(founder))[1:] == [("01-20", "expansion", 500)]
    await founder.move("2026-02-16T00:00:00", held)
    await founder.follow()
    assert (await kinds(founder))[1:] == [
        ("01-20", "expansion", 500),
        ("02-01", "contraction", -500),
    ]
    assert added.plan.plan_key == "phone"
    levels = await founder.do(lambda ctx: service.mrr_by_plan(ctx, YEAR))
    assert [one.plan_key for one in levels] == ["small", "phone"]


async def test_a_coupon_for_some_periods_changes_nothing_one_for_ever_does(
    founder: Founder,
) -> None:
    """14 dollars off the first of 15 leave an MRR of 15."""
    held = await founder.subscribe("alice", "small")
    once, ever = (
        Discount(code, code, amount_minor=1400 if code == "ONCE" else None, percent=share)
        for code, share in (("ONCE", None), ("EVER", Decimal(20)))
    )
    async with founder.open() as ctx:
        await ledger.make_coupon(ctx, once, currency="USD", periods=1)
        await ledger.make_coupon(ctx, ever)
        await ledger.redeem_coupon(ctx, "ONCE", held.id)
    await founder.follow()
    assert [row.closing_minor for row in await rows(founder)][:1] == [1500]
    await founder.do(lambda ctx: ledger.redeem_coupon(ctx, "EVER", held.id))
    await founder.follow()
    assert [row.closing_minor for row in await rows(founder)][:1] == [1200]


async def test_a_coupon_for_ever_is_seen_with_the_next_invoice(
    founder: Founder, house: House
) -> None:
    held = await founder.subscribe("alice", "small")
    await founder.follow()
    async with founder.open() as ctx:
        await ledger.make_coupon(ctx, Discount("EVER", "Ever", percent=Decimal(20)))
        await ledger.redeem_coupon(ctx, "EVER", held.id)
    await founder.move("2026-02-16T00:00:00", held)
    (period,) = await founder.do(lambda ctx: subscriptions.list_periods(ctx, held.id))
    await founder.invoice(held, period)
    for handler, event in await told(house, founder):
        if handler.name == "revenue.on_invoice_finalized":
            async with founder.open() as ctx:
                await handler.run(ctx, [event])
    assert [row.closing_minor for row in await rows(founder)][:1] == [1200]


async def test_history_rebuilds_the_same_rows(founder: Founder) -> None:
    held = [await founder.subscribe(f"c{number}", "small") for number in range(3)]
    await founder.follow()
    await founder.move("2026-03-01T00:00:00", *held)
    await founder.do(lambda ctx: subscriptions.cancel(ctx, held[0].id))
    await founder.do(lambda ctx: subscriptions.change_plan(ctx, held[1].id, "large", when=When.NOW))
    found = await founder.do(service.verify)
    assert not found.same
    assert len(found.differences) == 3
    assert await founder.follow() == 3
    before = await kinds(founder)
    again = await founder.do(service.rebuild)
    assert (again.same, again.customers, again.movements) == (True, 3, 6)
    assert await kinds(founder) == before
    assert (await founder.do(service.verify)).same


async def test_movements_are_never_changed(founder: Founder) -> None:
    await founder.subscribe("alice", "small")
    assert await founder.follow() == 1
    assert await founder.follow() == 0
    for sql in ("delete from revenue_movement", "update revenue_movement set delta_minor = 1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await founder.do(lambda ctx, sql=sql: ctx.tx.execute(sql))


async def test_handlers_follow_a_subscription_over_the_log(
    founder: Founder, house: House, worker: None
) -> None:
    """The handlers themselves, over the log, with all that happens to a subscription."""
    held = await founder.subscribe("alice", "small")
    await founder.move("2026-02-16T00:00:00", held)
    (period,) = await founder.do(lambda ctx: subscriptions.list_periods(ctx, held.id))
    await founder.do(lambda ctx: subscriptions.cancel(ctx, held.id))

    async def settled():
        return await founder.do(service.verify)

    found = await eventually(settled, until=lambda one: one.same and one.lines == 2)
    assert found.movements == 2
    assert [kind for _, kind, _ in await kinds(founder)] == ["new", "churn"]
    assert period.end == at("2026-02-15T10:00:00")


async def invoiced(founder: Founder, *, note: bool = True) -> tuple[str, str]:
    """An invoice of a year in advance, and its subscription."""
    held = await founder.subscribe("alice", "yearly")
    async with founder.open() as ctx:
        drawn = await ledger.draw_advance(ctx, held.id)
        assert drawn is not None
        made = await ledger.finalize_invoice(ctx, drawn.id)
    if note:
        await told_invoice(founder, made.id)
    return made.id, held.id


async def told_invoice(founder: Founder, invoice_id: str) -> None:
    async with founder.open() as ctx:
        await service.note_invoices(ctx, [invoice_id])


async def test_lines_sum_to_the_revenue_of_the_ledger(founder: Founder) -> None:
    invoice_id, subscription_id = await invoiced(founder)
    held = await founder.do(lambda ctx: subscriptions.get(ctx, subscription_id))
    async with founder.open() as ctx:
        paid = await ledger.record_payment(
            ctx,
            provider="stripe",
            provider_payment_id="in_1",
            customer_id=held.customer_id,
            amount=Money(12_000, "USD"),
            received_at=ctx.now(),
        )
        bought = await ledger.record_purchase(
            ctx,
            provider="stripe",
            provider_payment_id="pi_2",
            customer_id=held.customer_id,
            amount=Money(777, "USD"),
            received_at=ctx.now(),
        )
    await founder.move("2026-03-01T00:00:00")
    async with founder.open() as ctx:
        await ledger.record_refund(ctx, Refund("stripe", "re_1", "in_1", Money(2000, "USD")))
        await ledger.record_refund(ctx, Refund("stripe", "re_2", "pi_2", Money(77, "USD")))
        parts = [CreditPart(1, amount_minor=1500)]
        await ledger.issue_credit_note(
            ctx, invoice_id, reason="sorry", source="s1", parts=parts, to=CreditTo.REFUNDED
        )
        parts = [CreditPart(1, amount_minor=300)]
        await ledger.issue_credit_note(ctx, invoice_id, reason="more", source="s2", parts=parts)
    await founder.do(service.rebuild)
    assert (await founder.do(service.verify)).same
    falls = await founder.do(lambda ctx: service.recognition(ctx, YEAR))
    assert all(fall.adds_up for fall in falls)
    assert sum(fall.billed_minor for fall in falls) == 12_000 + 777 - 2000 - 77 - 300
    assert falls[0].billed_minor == 12_777
    assert falls[0].earned_minor == 777 + 17 * 33
    assert paid.id != bought.id
    for fall in falls:
        ask = Ask(fall.span.start, fall.span.end)
        shares = await founder.do(lambda ctx, ask=ask: service.list_shares(ctx, ask))
        assert sum(share.earned_minor for share in shares) == fall.earned_minor
        assert sum(share.left_minor for share in shares) == fall.deferred_minor


async def told(house: House, founder: Founder) -> list[tuple[Handler, Event]]:
    """What the outbox holds for the handlers of revenue, in order: nobody has published it yet."""
    async with house.system.transaction() as tx:
        rows = await tx.fetch(
            "select envelope from kit_outbox where tenant_id = $1 order by position",
            founder.tenant_id,
        )
    handlers = [one for one in house.wiring.handlers.values() if one.name.startswith("revenue.")]
    registry = Registry(one.event for one in handlers)
    return [
        (handler, registry.event_of(envelope))
        for envelope in (decode(row["envelope"]) for row in rows)
        for handler in handlers
        if envelope.name == handler.event.NAME
    ]


async def test_events_in_any_order_and_twice_keep_one_history(
    founder: Founder, house: House
) -> None:
    """A credit note brings the lines of its invoice, where it is heard of first."""
    invoice_id, subscription_id = await invoiced(founder, note=False)
    held = await founder.do(lambda ctx: subscriptions.get(ctx, subscription_id))
    for record in (ledger.record_payment, ledger.record_purchase):
        async with founder.open() as ctx:
            await record(
                ctx,
                provider="stripe",
                provider_payment_id=record.__name__,
                customer_id=held.customer_id,
                amount=Money(12_000, "USD"),
                received_at=ctx.now(),
            )
    await founder.move("2026-02-01T00:00:00")
    async with founder.open() as ctx:
        refund = Refund("stripe", "re_1", "record_payment", Money(1000, "USD"))
        await ledger.record_refund(ctx, refund)
        await ledger.issue_credit_note(ctx, invoice_id, reason="r", source="s")
    heard = await told(house, founder)
    assert {handler.name for handler, _ in heard} == {
        "revenue.on_subscription_changed",
        "revenue.on_invoice_finalized",
        "revenue.on_payment_recorded",
        "revenue.on_refund_recorded",
        "revenue.on_credit_note_issued",
    }
    for handler, event in [*reversed(heard), *heard]:
        async with founder.open() as ctx:
            await handler.run(ctx, [event])
    found = await founder.do(service.verify)
    assert (found.differences, found.movements, found.lines) == ((), 1, 2)


async def test_a_void_invoice_earns_nothing_from_its_day_on(founder: Founder) -> None:
    invoice_id, _ = await invoiced(founder)
    await founder.move("2026-02-01T00:00:00")
    await founder.do(lambda ctx: ledger.void_invoice(ctx, invoice_id, reason="wrong"))
    await told_invoice(founder, invoice_id)
    falls = await founder.do(lambda ctx: service.recognition(ctx, YEAR))
    assert [fall.earned_minor for fall in falls[:3]] == [561, -561, 0]
    rate = Rate("USD", "EUR", date(2026, 1, 1), Decimal("0.5"))
    await founder.do(lambda ctx: service.set_rate(ctx, rate))
    euros = Ask(YEAR.since, YEAR.until, currency="EUR")
    falls = await founder.do(lambda ctx: service.recognition(ctx, euros))
    assert [fall.earned_minor for fall in falls[:3]] == [289, -289, 0]
    await founder.follow()
    assert (await founder.do(service.verify)).same


async def test_two_currencies_are_one_report_by_the_founders_rates(founder: Founder) -> None:
    await founder.subscribe("alice", "small")
    await founder.subscribe("bob", "euro")
    await founder.follow()
    each = await rows(founder)
    assert {row.currency: row.closing_minor for row in each} == {"USD": 1500, "EUR": 1000}
    rate = Rate("EUR", "USD", date(2026, 1, 10), Decimal("1.1"))
    await founder.do(lambda ctx: service.set_rate(ctx, rate))
    both = await rows(founder, Ask(YEAR.since, YEAR.until, currency="USD"))
    assert [(row.closing_minor, row.customers) for row in both][:1] == [(2600, 2)]


async def test_more_than_a_thousand_rows_are_all_counted(founder: Founder) -> None:
    async with founder.open() as ctx:
        await ctx.tx.execute(
            """insert into revenue_movement
               select $1, 'cus_' || lpad(n::text, 5, '0'), 'sub_' || n, $2, 'small', 1, 0, 'USD',
                      1500, $2
               from generate_series(1, 2600) as n""",
            founder.tenant_id,
            at("2026-01-20T00:00:00"),
        )
    (row,) = await rows(founder, Ask(date(2026, 1, 1), date(2026, 2, 1)))
    assert (row.closing_minor, row.customers) == (2600 * 1500, 2600)


async def test_days_of_the_business_move_the_months_not_the_rows(founder: Founder) -> None:
    await founder.move("2026-01-31T23:30:00")
    await founder.subscribe("alice", "small")
    await founder.follow()
    assert (await rows(founder))[0].moved == {Kind.NEW: 1500}
    async with founder.open() as ctx:
        await service.set_policy(ctx, Policy("Europe/Paris"))
    found = await rows(founder)
    assert (found[0].moved, found[1].moved) == ({}, {Kind.NEW: 1500})
    day = Ask(date(2026, 2, 1), date(2026, 2, 2), Step.DAY)
    assert [row.closing_minor for row in await rows(founder, day)] == [1500]


async def test_a_report_without_bounds_is_of_twelve_months_or_of_the_days_so_far(
    founder: Founder,
) -> None:
    async def spans(ask: Ask) -> list[str]:
        scope = await founder.do(lambda ctx: service.scope_of(ctx, ask))
        return [span.label for span in scope.spans]

    months = await spans(Ask())
    assert (months[0], months[-1], len(months)) == ("2025-02", "2026-01", 12)
    assert (await spans(Ask(until=date(2025, 4, 1))))[0] == "2024-04"
    days = await spans(Ask(step=Step.DAY))
    assert (days[0], days[-1]) == ("2026-01-01", "2026-01-15")
    assert await spans(Ask(step=Step.DAY, until=date(2025, 4, 3))) == ["2025-04-01", "2025-04-02"]


async def test_a_tenants_numbers_are_its_own(founder: Founder, edge, mallory_id) -> None:
    await founder.subscribe("alice", "small")
    await founder.follow()
    other = Founder(edge, mallory_id)
    assert await rows(other) == []
    assert await kinds(other) == []
    assert (await other.do(service.verify)).customers == 0
