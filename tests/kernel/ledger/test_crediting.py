"""Do credit notes take back what was charged, exactly and never more, with the books in balance?"""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernel.ledger.test_rules import BASE, LOGS, final, given_for, measure, plan, whole

from solvent.app.testing import fresh_tenant
from solvent.kernel.ledger import rules
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.errors import (
    CreditChanged,
    CreditExceedsInvoice,
    CreditMalformed,
    CreditNoteNotFound,
    CreditNotRefunded,
    InvoiceNotCreditable,
    InvoiceNotVoidable,
)
from solvent.kernel.ledger.model import (
    CreditDraft,
    CreditNote,
    CreditPart,
    CreditTo,
    Discount,
    Invoice,
    InvoiceStatus,
    TaxRule,
)
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import OPERATOR
from solvent.kit.money import Money
from solvent.systems.billing.testing import Shop


async def credit(shop: Shop, invoice: Invoice, *parts: CreditPart, **more: object) -> CreditNote:
    more = {"reason": "Outage", "source": "c1", **more}
    return await shop.do(
        lambda ctx: ledger.issue_credit_note(ctx, invoice.id, parts=parts or None, **more)
    )


async def balance(shop: Shop) -> dict[str, int]:
    return {
        str(one.account).split(":")[0]: one.amount_minor for one in await shop.do(ledger.balances)
    }


async def sound(shop: Shop) -> None:
    assert (await shop.do(ledger.verify)).problems == ()


async def test_a_credit_note_takes_off_what_is_due_first(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.bill(held.id, first)
    note = await credit(shop, invoice, CreditPart(1, amount_minor=900))
    assert (note.reference, note.off_due_minor) == ("CN-000001", 900)
    left = await shop.do(lambda ctx: ledger.get_invoice(ctx, invoice.id))
    assert left.due_minor == invoice.due_minor - 900
    with pytest.raises(InvoiceNotVoidable):
        await shop.do(lambda ctx: ledger.void_invoice(ctx, invoice.id, reason="wrong"))
    await sound(shop)


async def test_all_of_an_open_invoice_leaves_nothing_due(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.bill(held.id, first)
    note = await credit(shop, invoice)
    assert note.said.total_minor == invoice.draft.total_minor
    left = await shop.do(lambda ctx: ledger.get_invoice(ctx, invoice.id))
    assert (left.status, left.due_minor) == (InvoiceStatus.PAID, 0)
    assert set((await balance(shop)).values()) == {0}
    with pytest.raises(CreditMalformed):
        await credit(shop, invoice, source="c2")
    await sound(shop)


async def test_what_was_paid_becomes_credit_for_the_next_invoice(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.bill(held.id, first)
    await shop.pay(held, invoice.due_minor)
    note = await credit(shop, invoice)
    assert note.off_due_minor == 0
    assert (await balance(shop))["credit"] == -invoice.draft.total_minor
    await sound(shop)


async def test_what_went_back_is_matched_and_no_more(
    shop: Shop, held: Subscription, first: Period
) -> None:
    invoice = await shop.bill(held.id, first)
    await shop.pay(held, invoice.due_minor, id="in_9")
    refund = ledger.Refund("stripe", "re_1", "in_9", Money(1_000, "USD"))
    await shop.do(lambda ctx: ledger.record_refund(ctx, refund))
    with pytest.raises(CreditNotRefunded):
        await credit(shop, invoice, CreditPart(1, amount_minor=1_001), to=CreditTo.REFUNDED)
    await credit(shop, invoice, CreditPart(1, amount_minor=1_000), to=CreditTo.REFUNDED)
    assert (await balance(shop))["refund"] == 0
    with pytest.raises(CreditNotRefunded):
        await credit(
            shop, invoice, CreditPart(1, amount_minor=1), to=CreditTo.REFUNDED, source="c2"
        )
    await sound(shop)


async def test_a_source_credits_once(shop: Shop, held: Subscription, first: Period) -> None:
    invoice = await shop.bill(held.id, first)
    one = await credit(shop, invoice, CreditPart(1, amount_minor=5))
    assert (await credit(shop, invoice, CreditPart(1, amount_minor=5))).id == one.id
    notes = await shop.do(lambda ctx: ledger.credit_notes_of(ctx, invoice.id))
    assert [note.id for note in notes] == [one.id]
    assert await shop.do(lambda ctx: ledger.get_credit_note(ctx, one.id)) == one
    await shop.move_clock((await _running(shop, held)).end)
    periods = await shop.renew(held.id)
    other = await shop.bill(held.id, periods[-1])
    with pytest.raises(CreditChanged):
        await credit(shop, other, CreditPart(1, amount_minor=5))


async def _running(shop: Shop, held: Subscription) -> Period:
    from solvent.kernel.subscriptions import service as subscriptions

    return (await shop.do(lambda ctx: subscriptions.get(ctx, held.id))).period


@pytest.mark.parametrize(
    "part",
    [
        CreditPart(0, amount_minor=1),
        CreditPart(99, amount_minor=1),
        CreditPart(1),
        CreditPart(1, Decimal(1), 1),
    ],
)
async def test_a_credit_note_that_makes_no_sense_is_refused(shop, held, first, part) -> None:
    invoice = await shop.bill(held.id, first)
    with pytest.raises(CreditMalformed):
        await credit(shop, invoice, part)
    with pytest.raises(CreditExceedsInvoice):
        await credit(shop, invoice, CreditPart(1, amount_minor=10**9))
    with pytest.raises(CreditMalformed):
        await credit(shop, invoice, CreditPart(1, amount_minor=1), reason=" ")


async def test_a_draft_is_not_credited(shop: Shop, held: Subscription, first: Period) -> None:
    drawn = await shop.do(lambda ctx: ledger.draw_invoice(ctx, held.id, first))
    with pytest.raises(InvoiceNotCreditable):
        await credit(shop, drawn)


async def test_mallory_finds_no_credit_note(shop, held, first, house) -> None:
    note = await credit(shop, await shop.bill(held.id, first))
    async with house.edge.open(await fresh_tenant(house), OPERATOR) as ctx:
        with pytest.raises(CreditNoteNotFound):
            await ledger.get_credit_note(ctx, note.id)
        assert await ledger.list_credit_notes(ctx) == []


@settings(max_examples=1000, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    fee=st.integers(1, 10**6),
    units=st.integers(1, 500),
    percent=st.sampled_from([None, 1, 33, 50]),
    rate=st.sampled_from([None, "0.19", "0.23", "0.055"]),
    included=st.booleans(),
)
def test_any_sequence_of_credit_notes_comes_to_the_invoice_and_never_more(
    seed, fee, units, percent, rate, included
) -> None:
    """Traps: refund and credit of partial quantities never pass what was charged."""
    tax = TaxRule("VAT", Decimal(rate), included) if rate else None
    off = (Discount("OFF", "Off", Decimal(percent)),) if percent else ()
    drawn = given_for(
        whole(plan(replace(BASE, amount_minor=fee), LOGS), measure(str(units))), tax=tax
    )
    invoice = final(rules.draft(replace(drawn, discounts=off)))
    chance = random.Random(seed)
    notes: list[CreditDraft] = []
    for _ in range(chance.randint(0, 12)):
        place = chance.choice([1, 2])
        left = invoice.draft.lines[place - 1].amount_minor - sum(
            line.amount_minor for note in notes for line in note.lines if line.line == place
        )
        if left:
            part = CreditPart(place, amount_minor=chance.randint(1, left))
            notes.append(rules.credit(invoice, [part], notes, reason="r", to=CreditTo.BALANCE))
        assert sum(note.total_minor for note in notes) <= invoice.draft.total_minor
    rest = rules.everything(invoice, notes)
    if rest:
        notes.append(rules.credit(invoice, rest, notes, reason="r", to=CreditTo.BALANCE))
    assert sum(note.total_minor for note in notes) == invoice.draft.total_minor
    assert sum(note.tax_minor for note in notes) == invoice.draft.tax_minor
    assert sum(note.net_minor for note in notes) == invoice.draft.net_minor
