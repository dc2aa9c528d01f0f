"""Does an invoice come to what its prices, seconds and usage say, to the minor unit?"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvent.kernel.catalogue.model import Interval, PlanVersion, Price, PriceModel, Terms, Tier
from solvent.kernel.ledger import document, rules
from solvent.kernel.ledger.errors import (
    AccountMalformed,
    DocumentMalformed,
    DraftMalformed,
    RefundExceedsPayment,
    TransactionUnbalanced,
)
from solvent.kernel.ledger.model import (
    Account,
    AccountKind,
    Available,
    DraftInput,
    Entry,
    Invoice,
    InvoiceDraft,
    InvoiceId,
    InvoiceKind,
    InvoiceStatus,
    LegalEntity,
    Letterhead,
    Parties,
    Payment,
    PaymentId,
    Posting,
    Purpose,
    Source,
    SourceKind,
    Stretch,
    TaxRule,
    Transaction,
    TransactionId,
    Usage,
)
from solvent.kernel.metering.model import Measure, Period
from solvent.kit.money import multiply, parse_rate, round_minor

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
BASE = Price("base", PriceModel.FLAT, "Base fee", amount_minor=2900)
LOGS = Price(
    "logs",
    PriceModel.GRADUATED,
    "Logs, GB",
    meter_key="logs",
    tiers=(Tier(Decimal(100), Decimal(100)), Tier(None, Decimal(50))),
)


def plan(*prices: Price, key: str = "pro", version: int = 1, currency: str = "USD") -> PlanVersion:
    terms = Terms("logs", "Pro", currency, Interval.MONTH, 1, prices, ())
    return PlanVersion(key, version, terms, "0" * 64, JANUARY.start)


def measure(
    quantity: str, period: Period = JANUARY, *, ids: tuple[str, ...] = ("e1", "e2")
) -> Measure:
    return Measure(
        meter_key="logs",
        customer_ref="globex",
        period=period,
        quantity=Decimal(quantity),
        event_count=len(ids),
        first_event_id=ids[0] if ids else None,
        last_event_id=ids[-1] if ids else None,
        digest=sha256("".join(f"{one}\n" for one in ids).encode()).hexdigest(),
    )


def given_for(
    *stretches: Stretch, period: Period = JANUARY, tax: TaxRule | None = None
) -> DraftInput:
    headline = stretches[-1].version if stretches else plan(BASE)
    return DraftInput(
        InvoiceKind.PERIOD, "cus_1", "sub_1", period, headline, tuple(stretches), 7, tax
    )


def whole(version: PlanVersion, *measures: Measure, period: Period = JANUARY) -> Stretch:
    usage = [
        Usage(price.key, (measure,))
        for price in version.prices
        for measure in measures
        if price.meter_key == measure.meter_key
    ]
    return Stretch(version, period, tuple(usage))


def drawn(*prices: Price, usage: str = "0", tax: TaxRule | None = None) -> InvoiceDraft:
    return rules.draft(given_for(whole(plan(*prices), measure(usage)), tax=tax))


def final(said: InvoiceDraft, *, number: int = 1, paid_minor: int = 0) -> Invoice:
    return Invoice(
        id=InvoiceId(f"inv_{number}"),
        status=InvoiceStatus.FINAL,
        draft=said,
        digest="0" * 64,
        drawn_at=JANUARY.end,
        number=number,
        paid_minor=paid_minor,
    )


def payment(amount_minor: int, *, at: datetime | None = None, id: str = "pay_1") -> Payment:
    return Payment(
        id=PaymentId(id),
        provider="stripe",
        provider_payment_id=f"in_{id}",
        purpose=Purpose.ACCOUNT,
        customer_id="cus_1",
        currency="USD",
        amount_minor=amount_minor,
        unapplied_minor=amount_minor,
        refunded_minor=0,
        received_at=JANUARY.start,
        subscription_id="sub_1" if at else None,
        covers_from=at,
    )


# ------------------------------------------------------------------------------------ amounts


@pytest.mark.parametrize("units, minor", [("100", 100_00), ("101", 100_50), ("0", 0)])
def test_graduated_tiers_charge_each_unit_where_it_falls(units: str, minor: int) -> None:
    assert drawn(LOGS, usage=units).total_minor == minor


@pytest.mark.parametrize("units, minor", [("100", 100_00), ("101", 50_50)])
def test_volume_tiers_charge_all_units_at_one_rate(units: str, minor: int) -> None:
    assert drawn(replace(LOGS, model=PriceModel.VOLUME), usage=units).total_minor == minor


def test_a_millionth_a_unit_times_a_thousand_million_units() -> None:
    rate = parse_rate("0.000001", "USD", field="rate")
    price = Price("calls", PriceModel.PER_UNIT, meter_key="logs", unit_rate=rate)
    assert drawn(price, usage="1000000000").total_minor == 1_000_00


def test_tax_is_computed_once_on_the_sum() -> None:
    """55.55 + 11.11 at 23 %: 15.33 on the total; 15.34 would be the sum over rounded lines."""
    tax = TaxRule("VAT", Decimal("0.23"))
    said = drawn(
        replace(BASE, amount_minor=5555), replace(BASE, key="b", amount_minor=1111), tax=tax
    )
    assert (said.net_minor, said.tax_minor, said.total_minor) == (6666, 1533, 8199)
    per_line = sum(round_minor(multiply(tax.rate, Decimal(net))) for net in (5555, 1111))
    assert per_line == 1534
    # BR-CO-10: the lines sum to the net; BR-CO-15: net and tax to the total; BR-CO-17: net x rate
    assert sum(line.amount_minor for line in said.lines) == said.net_minor
    assert said.taxes[0].amount_minor == round_minor(multiply(tax.rate, Decimal(said.net_minor)))


def test_a_discounted_line_rounds_once() -> None:
    """348.35 x 16 - 4 % at 22 %: the line is 5,350.66; rounding the unit price first gives .72."""
    discounted = multiply(Decimal(34835), Decimal("0.96"))
    price = Price("seats", PriceModel.PER_UNIT, meter_key="logs", unit_rate=discounted)
    said = drawn(price, usage="16", tax=TaxRule("IVA", Decimal("0.22")))
    assert (said.net_minor, said.tax_minor, said.total_minor) == (5350_66, 1177_15, 6527_81)


@given(
    st.integers(min_value=0, max_value=10**12),
    st.integers(min_value=0, max_value=3000).map(lambda basis: Decimal(basis) / 10_000),
)
def test_a_price_with_tax_included_goes_round(gross_minor: int, rate: Decimal) -> None:
    (line,) = rules.tax_lines(gross_minor, TaxRule("VAT", rate, included=True))
    assert line.net_minor + line.amount_minor == gross_minor
    again = line.net_minor + round_minor(multiply(rate, Decimal(line.net_minor)))
    assert abs(again - gross_minor) <= 1


def test_a_price_with_tax_included_is_what_the_customer_pays() -> None:
    said = drawn(
        replace(BASE, amount_minor=999), tax=TaxRule("VAT", Decimal("0.19"), included=True)
    )
    assert (said.net_minor, said.tax_minor, said.total_minor) == (839, 160, 999)
    assert said.adds_up


def test_without_a_tax_rule_there_is_no_tax_line() -> None:
    said = drawn(BASE)
    assert (said.taxes, said.tax_minor, said.lines[0].tax_rate) == ((), 0, None)


@pytest.mark.parametrize("currency, amount", [("JPY", 2900), ("KWD", 29_000)])
def test_currencies_of_other_decimals_are_whole_units_too(currency: str, amount: int) -> None:
    version = plan(replace(BASE, amount_minor=amount), currency=currency)
    said = rules.draft(given_for(whole(version)))
    assert (said.currency, said.total_minor) == (currency, amount)


# ----------------------------------------------------------------------------------- calendar


def cut(start: datetime, end: datetime, *at: datetime) -> list[Period]:
    edges = [start, *at, end]
    return [Period(one, other) for one, other in pairwise(edges)]


@given(st.lists(st.integers(min_value=1, max_value=31 * 86_400 - 1), unique=True, max_size=8))
def test_stretches_of_a_period_sum_to_the_full_fee(seconds: list[int]) -> None:
    moments = [JANUARY.start + timedelta(seconds=one) for one in sorted(seconds)]
    version = plan(BASE)
    stretches = [whole(version, period=part) for part in cut(JANUARY.start, JANUARY.end, *moments)]
    said = rules.draft(given_for(*stretches))
    assert said.total_minor == 2900
    assert sum(line.period_seconds for line in said.lines) == said.period_seconds


@pytest.mark.parametrize(
    "day, hours", [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 7, 1), 24)]
)
def test_a_day_of_23_or_25_hours_costs_one_day(day: tuple[int, int, int], hours: int) -> None:
    paris = ZoneInfo("Europe/Paris")
    start = datetime(*day, tzinfo=paris).astimezone(UTC)
    end = (datetime(*day, tzinfo=paris) + timedelta(days=1)).astimezone(UTC)
    period = Period(start, end)
    middle = start + timedelta(hours=7, seconds=13)
    version = plan(BASE)
    parts = [whole(version, period=part) for part in cut(start, end, middle)]
    said = rules.draft(given_for(*parts, period=period))
    assert said.period_seconds == hours * 3600
    assert said.total_minor == 2900


def test_seconds_in_which_nothing_is_charged_cost_nothing() -> None:
    half = JANUARY.start + timedelta(days=15, hours=12)
    said = rules.draft(given_for(whole(plan(BASE), period=Period(half, JANUARY.end))))
    assert said.total_minor == 1450
    assert rules.draft(given_for()).total_minor == 0


def test_a_change_of_plan_charges_each_for_its_seconds() -> None:
    half = JANUARY.start + timedelta(days=15, hours=12)
    small = whole(plan(BASE), period=Period(JANUARY.start, half))
    large = whole(
        plan(replace(BASE, amount_minor=9900), key="max"), period=Period(half, JANUARY.end)
    )
    said = rules.draft(given_for(small, large))
    assert [line.amount_minor for line in said.lines] == [1450, 4950]
    assert said.plan_key == "max"


def test_contradicting_inputs_are_refused() -> None:
    beyond = Period(JANUARY.start, JANUARY.end + timedelta(seconds=1))
    early = Period(JANUARY.start, JANUARY.start + timedelta(days=2))
    with pytest.raises(DraftMalformed):  # leaves the period
        rules.draft(given_for(whole(plan(BASE), period=beyond)))
    with pytest.raises(DraftMalformed):  # overlaps
        rules.draft(given_for(whole(plan(BASE), period=early), whole(plan(BASE))))
    euros = whole(plan(BASE, currency="EUR"), period=Period(early.end, JANUARY.end))
    with pytest.raises(DraftMalformed):  # another currency
        rules.draft(given_for(whole(plan(BASE), period=early), euros))
    with pytest.raises(DraftMalformed):  # no measure for a metered price
        rules.draft(given_for(whole(plan(LOGS))))


# ----------------------------------------------------------------------------------- document


def test_line_explains_itself() -> None:
    said = drawn(BASE, LOGS, usage="101")
    base, usage = said.lines
    assert (base.price_key, base.plan_version, base.evidence) == ("base", 1, None)
    assert usage.evidence is not None
    assert usage.evidence.event_count == 2
    assert (usage.evidence.first_event_id, usage.evidence.last_event_id) == ("e1", "e2")
    assert usage.evidence.digest == sha256(b"e1\ne2\n").hexdigest()
    assert (usage.period_start, usage.period_end) == (JANUARY.start, JANUARY.end)
    assert usage.period_seconds == 31 * 86_400
    assert [(tier.quantity, tier.rate_minor) for tier in usage.tiers] == [(100, 100), (1, 50)]
    assert round_minor(sum((tier.amount for tier in usage.tiers), Decimal(0))) == usage.amount_minor


quantities = st.decimals(min_value=0, max_value=10**9, places=6)
taxes = st.none() | st.builds(
    TaxRule, st.just("VAT"), st.sampled_from([Decimal("0.23"), Decimal("0.055")]), st.booleans()
)


@given(quantities, st.integers(min_value=0, max_value=10**9), taxes)
def test_totals_are_exact(quantity: Decimal, fee: int, tax: TaxRule | None) -> None:
    said = drawn(replace(BASE, amount_minor=fee), LOGS, usage=str(quantity), tax=tax)
    assert said.adds_up
    assert said.total_minor == said.net_minor + said.tax_minor
    assert not replace(said, total_minor=said.total_minor + 1).adds_up
    assert sum(entry.amount_minor for entry in rules.invoice_entries(final(said))) == 0


@given(quantities, taxes)
def test_a_document_is_read_back_as_it_was(quantity: Decimal, tax: TaxRule | None) -> None:
    said = drawn(BASE, LOGS, usage=str(quantity), tax=tax)
    text = document.canonical(said)
    assert document.parse(text) == said
    assert document.canonical(document.parse(text)) == text


def test_equal_numbers_make_equal_bytes() -> None:
    texts = {document.canonical(drawn(LOGS, usage=usage)) for usage in ("120", "120.00", "1.2E+2")}
    assert len(texts) == 1
    assert '"quantity":"120"' in texts.pop()


def test_the_document_of_today_stays_readable() -> None:
    """The golden digest: a changed document needs a new SCHEMA and a reader for the old one."""
    said = drawn(BASE, LOGS, usage="101.5", tax=TaxRule("VAT", Decimal("0.23")))
    assert document.SCHEMA == 1
    assert document.digest(document.canonical(replace(said, tax=None))) == GOLDEN
    assert document.digest(document.canonical(said)) == GOLDEN_WITH_ITS_TAX_RULE


GOLDEN = "9c78e9922ff8139812b7a8d96f9648902aca4b235393111556a010289d8c2c5c"
GOLDEN_WITH_ITS_TAX_RULE = "8ad03b3b27bc6042b6e21337dd77e06cc590f97d2771a1d6394f66d885dd846b"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema":2}', "null", '{"schema":1,"kind":"x"}']
)
def test_a_damaged_document_is_refused(text: str) -> None:
    with pytest.raises(DocumentMalformed):
        document.parse(text)


def test_differences_name_the_values() -> None:
    one, other = drawn(LOGS, usage="100"), drawn(LOGS, usage="101")
    told = document.differences(one, other)
    assert 'lines.1.quantity: "100" -> "101"' in told
    assert "total_minor: 10000 -> 10050" in told
    assert document.differences(one, one) == ()


def test_parties_are_read_back_as_they_were() -> None:
    parties = Parties("Acme", "globex", None, 'q"\n', None, "UTC", test_mode=True)
    assert document.parse_parties(document.canonical_parties(parties)) == parties
    assert "letterhead" not in document.canonical_parties(parties)
    seller = LegalEntity("Acme", ("Way 1",), "10115", "Berlin", "DE", tax_id="DE136695976")
    for letterhead in (Letterhead(), Letterhead(seller, seller, "footer", "#112233", "00ff")):
        told = replace(parties, letterhead=letterhead)
        assert document.parse_parties(document.canonical_parties(told)) == told


# ------------------------------------------------------------------------------------ entries


def test_unbalanced_entries_cannot_exist() -> None:
    cash = Account(AccountKind.CASH)
    off = (Entry(cash, 5, "USD"), Entry(cash, -5, "EUR"))
    source = Source(SourceKind.ADJUSTMENT, "a")
    for entries in (off, (), (Entry(cash, 1, "USD"),)):
        with pytest.raises(TransactionUnbalanced):
            Posting(source, "", entries)
        with pytest.raises(TransactionUnbalanced):
            Transaction(TransactionId("txn_1"), source, JANUARY.start, "", entries)


def test_accounts_know_whose_they_are() -> None:
    assert str(Account(AccountKind.RECEIVABLE, "cus_1")) == "receivable:cus_1"
    assert str(Account(AccountKind.CASH)) == "cash"
    for kind, customer in ((AccountKind.CASH, "cus_1"), (AccountKind.CREDIT, None)):
        with pytest.raises(AccountMalformed):
            Account(kind, customer)


# ----------------------------------------------------------------------------------- settling


def used(invoice: Invoice, *available: Available) -> list[tuple[str, int]]:
    return [(one.payment_id, one.amount_minor) for one in rules.settle(invoice, available)]


def test_earmarked_money_is_used_first_and_for_its_own_period_only() -> None:
    invoice = final(drawn(BASE, LOGS, usage="50"))  # 29.00 + 50.00
    mine = Available(payment(2900, at=JANUARY.start, id="pay_3"), waiting=False)
    free = Available(payment(1000, id="pay_1"), waiting=False)
    next_month = Available(payment(2900, at=JANUARY.end, id="pay_2"), waiting=True)
    assert used(invoice, free, next_month, mine) == [("pay_3", 2900), ("pay_1", 1000)]


def test_no_more_is_used_than_is_due() -> None:
    invoice = final(drawn(BASE))
    assert used(invoice, Available(payment(5000), waiting=False)) == [("pay_1", 2900)]
    paid = final(drawn(BASE), paid_minor=2900)
    assert used(paid, Available(payment(5000), waiting=False)) == []


def test_money_of_another_customer_or_currency_is_never_used() -> None:
    invoice = final(drawn(BASE))
    other = replace(payment(2900), customer_id="cus_2")
    euros = replace(payment(2900), currency="EUR")
    assert used(invoice, Available(other, waiting=False), Available(euros, waiting=False)) == []


# ------------------------------------------------------------------------------------ refunds


@given(st.integers(min_value=1, max_value=10**9), st.data())
def test_a_refund_past_what_was_paid_is_refused(amount: int, data: st.DataObject) -> None:
    refunded = data.draw(st.integers(min_value=0, max_value=amount))
    paid = replace(payment(amount), refunded_minor=refunded, unapplied_minor=0)
    if amount - refunded:
        entries = rules.refund_entries(paid, amount - refunded)
        assert sum(entry.amount_minor for entry in entries) == 0
    with pytest.raises(RefundExceedsPayment):
        rules.refund_entries(paid, amount - refunded + 1)


@settings(max_examples=1000)
@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=0, max_value=2**63))
def test_partial_credits_sum_to_the_line_exactly(amount_minor: int, seed: int) -> None:
    """1,000 random sequences of refunds and credits of partial quantities."""
    chance = random.Random(seed)
    quantity = Decimal(chance.randint(1, 10**6)).scaleb(-chance.randint(0, 4))
    credited, given_back = Decimal(0), 0
    while credited < quantity:
        more = min(quantity - credited, quantity * chance.randint(1, 40) / 100)
        part = rules.partial_credit(amount_minor, quantity=quantity, credited=credited, more=more)
        assert part >= 0
        credited, given_back = credited + more, given_back + part
        assert given_back <= amount_minor
    assert given_back == amount_minor


def test_more_units_than_there_are_cannot_be_credited() -> None:
    with pytest.raises(RefundExceedsPayment):
        rules.partial_credit(100, quantity=Decimal(3), credited=Decimal(2), more=Decimal("1.01"))
