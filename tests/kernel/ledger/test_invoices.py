"""Is a period invoiced once, with a number of its own, and frozen from then on?"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256

import asyncpg
import pytest

from solvent.app.supervisor.engines import Engines
from solvent.kernel.ledger import document, service
from solvent.kernel.ledger.errors import (
    InvoiceNotDraft,
    InvoiceNotFound,
    InvoiceNotVoidable,
    PeriodNotOver,
)
from solvent.kernel.ledger.model import AccountKind, InvoiceStatus
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import Ctx
from solvent.systems.billing.testing import Shop


class Undone(Exception):
    """Rolls a transaction back."""


async def test_a_period_charges_its_base_fee_and_its_usage(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.bill(held.id, first)
    base, usage = invoice.draft.lines
    assert (base.amount_minor, usage.amount_minor) == (2900, 100_00 + 10_00)
    assert invoice.draft.total_minor == 139_00
    assert (invoice.number, invoice.reference, invoice.status) == (1, "INV-000001", "final")
    assert invoice.due_minor == 139_00
    assert invoice.parties is not None
    assert (invoice.parties.seller_name, invoice.parties.buyer_name) == ("Test", "Globex Ltd")


async def test_an_event_at_exactly_the_end_belongs_to_the_next_period(
    shop: Shop, held: Subscription, first: Period
) -> None:
    january = await shop.bill(held.id, first)
    evidence = january.draft.lines[1].evidence
    assert evidence is not None
    assert evidence.event_count == 2
    assert evidence.last_event_id == "use-2"
    assert evidence.digest == sha256(b"use-1\nuse-2\n").hexdigest()
    await shop.move_clock(first.end + timedelta(days=32))
    february = (await shop.renew(held.id))[1]
    assert february.start == first.end
    evidence = (await shop.bill(held.id, february)).draft.lines[1].evidence
    assert evidence is not None
    assert (evidence.event_count, evidence.first_event_id) == (1, "use-of-the-next-period")


async def test_period_invoiced_once(shop: Shop, held: Subscription, first: Period) -> None:
    drawn = await asyncio.gather(*(shop.bill(held.id, first) for _ in range(8)))
    assert len({(one.id, one.number, one.digest) for one in drawn}) == 1
    everything = await shop.do(service.list_invoices)
    assert [one.number for one in everything] == [1]


async def test_a_period_that_is_not_over_cannot_be_invoiced(
    shop: Shop, held: Subscription, first: Period
) -> None:
    running = Period(first.end, first.end + timedelta(days=28))
    longer = Period(first.start, first.end + timedelta(seconds=1))
    part = Period(first.start, first.end - timedelta(seconds=1))
    for period in (running, longer, part):
        with pytest.raises(PeriodNotOver):
            await shop.bill(held.id, period)


async def test_a_draft_takes_usage_that_comes_late(
    shop: Shop, held: Subscription, first: Period
) -> None:
    early = await shop.do(lambda ctx: service.draw_invoice(ctx, held.id, first))
    await shop.use("10", first.start + timedelta(days=1), id="late")
    later = await shop.do(lambda ctx: service.draw_invoice(ctx, held.id, first))
    assert later.id == early.id
    assert (early.number, later.number) == (None, None)
    assert later.draft.total_minor == early.draft.total_minor + 500


async def test_final_invoice_never_changes(shop: Shop, held: Subscription, first: Period) -> None:
    invoice = await shop.bill(held.id, first)
    await shop.use("10", first.start + timedelta(days=1), id="late")
    assert await shop.bill(held.id, first) == invoice
    for change in (
        "document = '{}'",
        "digest = repeat('0', 64)",
        "number = 7",
        "total_minor = total_minor + 1",
        "parties = '{}'",
        "period_end = period_end + interval '1 day'",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await shop.do(_sql(f"update ledger_invoice set {change} where id = '{invoice.id}'"))
    assert await shop.do(lambda ctx: service.get_invoice(ctx, invoice.id)) == invoice


def _sql(statement: str) -> Callable[[Ctx], Awaitable[int]]:
    return lambda ctx: ctx.tx.execute(statement)


async def test_same_inputs_same_bytes(shop: Shop, held: Subscription, first: Period) -> None:
    invoice = await shop.bill(held.id, first)
    rebuilt = await shop.do(lambda ctx: service.rebuild_invoice(ctx, invoice.id))
    assert rebuilt.identical
    assert rebuilt.differences == ()
    assert rebuilt.rebuilt_digest == document.digest(document.canonical(invoice.draft))
    await shop.use("10", first.start + timedelta(days=1), id="late")
    rebuilt = await shop.do(lambda ctx: service.rebuild_invoice(ctx, invoice.id))
    assert (rebuilt.identical, rebuilt.late_events) == (True, 1)


async def test_an_event_that_is_gone_is_a_difference(
    shop: Shop, held: Subscription, first: Period, engines: Engines
) -> None:
    invoice = await shop.bill(held.id, first)
    connection = await asyncpg.connect(engines.access.postgres.owner_dsn)
    await connection.execute(
        "delete from metering_event where tenant_id = $1 and id = 'use-2'", shop.tenant_id
    )
    await connection.close()
    rebuilt = await shop.do(lambda ctx: service.rebuild_invoice(ctx, invoice.id))
    assert (rebuilt.identical, rebuilt.late_events) == (False, 0)
    assert "lines.2.evidence.event_count: 2 -> 1" in rebuilt.differences
    assert 'lines.2.quantity: "120" -> "100"' in rebuilt.differences


async def test_a_new_version_of_the_plan_changes_no_invoice(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.bill(held.id, first)
    await shop.stock(CHEAPER)
    rebuilt = await shop.do(lambda ctx: service.rebuild_invoice(ctx, invoice.id))
    assert rebuilt.identical


CHEAPER = b"""
[meters.log_gb]
aggregation = "sum"
unit = "GB"
[products.logs]
[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = "1.00" }
"""


async def test_numbers_have_no_gap(shop: Shop) -> None:
    """Twenty invoices finalized at once, some rolled back after their number was drawn."""
    chance = random.Random(70)
    held = []
    for place in range(20):
        await shop.customer(f"customer-{place}")
        held.append(await shop.subscribe(f"customer-{place}"))
    await shop.move_clock(held[0].period.end + timedelta(seconds=1))
    periods = [(await shop.renew(one.id))[0] for one in held]

    async def bill(place: int, *, undo: bool) -> None:
        with contextlib.suppress(Undone):
            async with shop.open() as ctx:
                drawn = await service.draw_invoice(ctx, held[place].id, periods[place])
                await service.finalize_invoice(ctx, drawn.id)
                if undo:
                    raise Undone

    tries = [(place, place % 3 == 0) for place in range(20)] + [(p, False) for p in range(0, 20, 3)]
    chance.shuffle(tries)
    await asyncio.gather(*(bill(place, undo=undo) for place, undo in tries))
    await asyncio.gather(*(bill(place, undo=False) for place in range(20)))
    numbers = sorted(one.number or 0 for one in await shop.do(service.list_invoices))
    assert numbers == list(range(1, 21))
    assert (await shop.do(service.verify)).sound


async def test_a_void_invoice_is_taken_back_and_keeps_its_number(
    shop: Shop, held: Subscription, first: Period
) -> None:
    await shop.pay(held, 50_00)
    invoice = await shop.bill(held.id, first)
    assert invoice.due_minor == 89_00
    void = await shop.do(lambda ctx: service.void_invoice(ctx, invoice.id, reason="a mistake"))
    again = await shop.do(lambda ctx: service.void_invoice(ctx, invoice.id, reason="again"))
    assert (void.status, void.number, void.due_minor) == (InvoiceStatus.VOID, 1, 0)
    assert again == void
    balances = {one.account.kind: one.amount_minor for one in await shop.do(service.balances)}
    assert balances[AccountKind.RECEIVABLE] == 0
    assert balances[AccountKind.REVENUE] == 0
    assert balances[AccountKind.CREDIT] == -50_00
    assert (await shop.do(service.verify)).sound
    drawn = await shop.do(lambda ctx: service.draw_invoice(ctx, held.id, first))
    assert drawn == void  # its period stays invoiced


async def test_a_paid_invoice_cannot_be_voided(
    shop: Shop, held: Subscription, first: Period
) -> None:
    await shop.pay(held, 139_00)
    invoice = await shop.bill(held.id, first)
    assert invoice.status is InvoiceStatus.PAID
    with pytest.raises(InvoiceNotVoidable):
        await shop.do(lambda ctx: service.void_invoice(ctx, invoice.id, reason=""))


async def test_a_void_draft_cannot_become_final(
    shop: Shop, held: Subscription, first: Period
) -> None:
    drawn = await shop.do(lambda ctx: service.draw_invoice(ctx, held.id, first))
    await shop.do(lambda ctx: service.void_invoice(ctx, drawn.id, reason=""))
    with pytest.raises(InvoiceNotDraft):
        await shop.do(lambda ctx: service.finalize_invoice(ctx, drawn.id))
    assert (await shop.do(service.verify)).sound


async def test_a_preview_saves_nothing(shop: Shop, held: Subscription) -> None:
    await shop.use("3.5", held.period.start + timedelta(hours=1), id="use-1")
    said = await shop.do(lambda ctx: service.preview_invoice(ctx, held.id))
    assert said.total_minor == 29_00 + 3_50
    assert await shop.do(service.list_invoices) == []


async def test_an_invoice_over_nothing_is_paid_at_once(shop: Shop) -> None:
    held = await shop.subscribe(plan="trial")
    await shop.move_clock(held.period.end + timedelta(days=40))
    periods = await shop.renew(held.id)
    invoice = await shop.bill(held.id, periods[0])
    assert invoice.draft.total_minor == 0
    assert (invoice.status, invoice.draft.lines) == (InvoiceStatus.PAID, ())
    assert (await shop.do(service.verify)).sound


async def test_tenants_books_are_apart(
    shop: Shop, held: Subscription, first: Period, mallory_id: str
) -> None:
    invoice = await shop.bill(held.id, first)
    mallory = Shop(shop.edge, mallory_id)
    for reach in (service.get_invoice, service.finalize_invoice, service.rebuild_invoice):
        with pytest.raises(InvoiceNotFound):
            await mallory.do(lambda ctx, reach=reach: reach(ctx, invoice.id))
    with pytest.raises(InvoiceNotFound):
        await mallory.do(lambda ctx: service.void_invoice(ctx, invoice.id, reason=""))
    with pytest.raises(InvoiceNotFound):
        await mallory.do(lambda ctx: service.find_invoice(ctx, 1))
    assert await mallory.do(service.list_invoices) == []
    assert await mallory.do(service.balances) == []
    assert await mallory.do(_sql("update ledger_invoice set due_at = now()")) == 0


@pytest.mark.parametrize("act", [service.get_invoice, service.finalize_invoice])
async def test_an_id_that_is_none_is_not_found(shop: Shop, act) -> None:
    for wrong in ("", "inv_", "nonsense", "inv_" + "0" * 26, "inv_\0", "inv_\ud800"):
        with pytest.raises(InvoiceNotFound):
            await shop.do(lambda ctx, wrong=wrong: act(ctx, wrong))
