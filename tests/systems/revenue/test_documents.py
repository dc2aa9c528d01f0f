"""Does what a document earns come to its net, for the time that it is for?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.catalogue.model import Interval, PlanVersion, Price, PriceModel, Terms
from solvent.kernel.ledger import rules as ledger_rules
from solvent.kernel.ledger.model import (
    CreditDraft,
    CreditNote,
    CreditPart,
    CreditTo,
    Discount,
    DraftInput,
    Invoice,
    InvoiceId,
    InvoiceKind,
    InvoiceStatus,
    Item,
    LineKind,
    Stretch,
    TaxRule,
)
from solvent.kernel.ledger.model.history import GivenBack
from solvent.kernel.metering.model import Period
from solvent.systems.revenue.model import LineOf, Why
from solvent.systems.revenue.rules.documents import credited, lines_of, net_of, refunded, shares_of

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
FEBRUARY_2 = datetime(2026, 2, 2, tzinfo=UTC)


def invoice(fees=(2900, 1100), *, item_minor=0, **more) -> Invoice:
    prices = tuple(
        Price(f"fee{place}", PriceModel.FLAT, amount_minor=amount, every=1 + 11 * place)
        for place, amount in enumerate(fees)
    )
    terms = Terms("desk", "Desk", "USD", Interval.MONTH, 1, prices, ())
    version = PlanVersion("desk", 1, terms, "0" * 64, JANUARY.start)
    item = Item(
        "i", "cus_1", None, "s", "Help", Decimal(1), item_minor, item_minor, "USD", FEBRUARY_2
    )
    said = ledger_rules.draft(
        DraftInput(
            InvoiceKind.PERIOD,
            "cus_1",
            "sub_1",
            JANUARY,
            version,
            (Stretch(version, JANUARY, ()),),
            0,
            items=(item,) if item_minor else (),
            **more,
        )
    )
    return Invoice(
        InvoiceId("inv_1"),
        InvoiceStatus.FINAL,
        said,
        "0" * 64,
        FEBRUARY_2,
        number=1,
        finalized_at=FEBRUARY_2,
    )


TAXED = TaxRule("VAT", Decimal("0.19"), included=True)
TEN = Discount("TEN", "Ten", percent=Decimal(10))


def test_what_was_taken_off_is_shared_and_sums_to_the_net() -> None:
    made = invoice(item_minor=777, tax=TAXED, discounts=(TEN,))
    lines = lines_of(made, further={})
    assert sum(line.amount_minor for line in lines) == made.draft.net_minor == 3613
    assert [line.of for line in lines] == [LineOf.FEE, LineOf.FEE, LineOf.ITEM]
    assert [(line.since, line.until) for line in lines[1:]] == [
        (JANUARY.start, JANUARY.end),
        (FEBRUARY_2, FEBRUARY_2),
    ]


def test_a_yearly_fee_on_a_monthly_plan_is_for_a_year() -> None:
    (_, yearly) = lines_of(invoice(), further={("desk", 1, "fee1"): 11})
    assert yearly.until.date() == date(2027, 1, 1)


def test_a_correction_is_earned_when_it_is_billed() -> None:
    made = invoice()
    lines = (replace(made.draft.lines[0], kind=LineKind.CORRECTION), *made.draft.lines[1:])
    found = lines_of(replace(made, draft=replace(made.draft, lines=lines)), further={})
    assert [line.since for line in found] == [FEBRUARY_2, JANUARY.start]


def test_a_draft_and_an_invoice_of_nothing_earn_nothing() -> None:
    assert lines_of(replace(invoice(), finalized_at=None), further={}) == []
    assert lines_of(invoice((0, 0)), further={}) == []


def note(said: CreditDraft) -> CreditNote:
    return CreditNote("cn_1", 1, said, "s", "0" * 64, 0, FEBRUARY_2)


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=4),
    st.sampled_from([None, TAXED, TaxRule("VAT", Decimal("0.21"))]),
    st.sampled_from([(), (TEN,)]),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5000)), max_size=4),
)
def test_notes_take_back_the_net_and_never_another_amount(fees, tax, discounts, wanted) -> None:
    made = invoice(tuple(fees), tax=tax, discounts=discounts)
    lines = lines_of(made, further={})
    before: list[CreditDraft] = []
    taken = 0
    for place, amount in wanted:
        left = fees[place % len(fees)] - sum(
            line.amount_minor
            for said in before
            for line in said.lines
            if line.line == place % len(fees) + 1
        )
        if min(left, amount) > 0:
            part = CreditPart(place % len(fees) + 1, amount_minor=min(left, amount))
            said = ledger_rules.credit(made, [part], before, reason="r", to=CreditTo.BALANCE)
            before.append(said)
            taken += sum(one.amount_minor for one in credited(note(said), lines))
    rest = ledger_rules.everything(made, before)
    if rest:
        said = ledger_rules.credit(made, rest, before, reason="r", to=CreditTo.BALANCE)
        taken += sum(one.amount_minor for one in credited(note(said), lines))
    assert taken == sum(line.amount_minor for line in lines) == made.draft.net_minor


def test_a_refund_is_shared_by_what_had_used_it_net_of_tax() -> None:
    back = GivenBack("rfd_1", "pay_1", False, "USD", 1000, FEBRUARY_2, (("inv_1", 200), ("b", 100)))
    assert shares_of(back) == [("inv_1", 667), ("b", 333)]
    assert shares_of(replace(back, used=())) == []
    made = invoice(tax=TaxRule("VAT", Decimal("0.25")))
    assert net_of(made.draft, 1000) == 800
    found = refunded(back, 800, lines_of(made, further={}))
    assert [(one.why, one.line, one.amount_minor) for one in found] == [
        (Why.REFUND, 1, 580),
        (Why.REFUND, 2, 220),
    ]


@pytest.mark.parametrize("net_minor", [0, -5])
def test_nothing_is_taken_back_by_nothing(net_minor) -> None:
    back = GivenBack("rfd_1", "pay_1", False, "USD", 1, FEBRUARY_2, ())
    assert refunded(back, net_minor, lines_of(invoice(), further={})) == []
