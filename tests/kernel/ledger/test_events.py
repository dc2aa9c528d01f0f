"""Do the events that others read still have the shape that they were promised?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from solvent.contracts.billing import PeriodClosed
from solvent.kernel.ledger.events import (
    InvoiceFinalized,
    InvoicePaid,
    InvoiceVoided,
    PaymentRecorded,
    RefundRecorded,
)

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
START_TEXT, END_TEXT = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"

GOLDEN = [
    (
        InvoiceFinalized("inv_1", 7, "cus_1", "sub_1", START, END, "USD", 13900, 11000, "ab"),
        "ledger.invoice_finalized.v1",
        {
            "invoice_id": "inv_1",
            "number": 7,
            "customer_id": "cus_1",
            "subscription_id": "sub_1",
            "period_start": START_TEXT,
            "period_end": END_TEXT,
            "currency": "USD",
            "total_minor": 13900,
            "due_minor": 11000,
            "digest": "ab",
        },
    ),
    (
        InvoicePaid("inv_1", 7, "cus_1", "sub_1", "USD", 13900, END),
        "ledger.invoice_paid.v1",
        {
            "invoice_id": "inv_1",
            "number": 7,
            "customer_id": "cus_1",
            "subscription_id": "sub_1",
            "currency": "USD",
            "total_minor": 13900,
            "paid_at": END_TEXT,
        },
    ),
    (
        InvoiceVoided("inv_1", None, "cus_1", "sub_1", "a mistake"),
        "ledger.invoice_voided.v1",
        {
            "invoice_id": "inv_1",
            "number": None,
            "customer_id": "cus_1",
            "subscription_id": "sub_1",
            "reason": "a mistake",
        },
    ),
    (
        PaymentRecorded("pay_1", "cus_1", "stripe", "in_1", "USD", 2900, START),
        "ledger.payment_recorded.v1",
        {
            "payment_id": "pay_1",
            "customer_id": "cus_1",
            "provider": "stripe",
            "provider_payment_id": "in_1",
            "currency": "USD",
            "amount_minor": 2900,
            "received_at": START_TEXT,
        },
    ),
    (
        RefundRecorded("pay_1", "cus_1", "stripe", "re_1", "USD", 900),
        "ledger.refund_recorded.v1",
        {
            "payment_id": "pay_1",
            "customer_id": "cus_1",
            "provider": "stripe",
            "provider_refund_id": "re_1",
            "currency": "USD",
            "amount_minor": 900,
        },
    ),
    (
        PeriodClosed("sub_1", "cus_1", START, END, "inv_1", 7, "USD", 13900, 11000),
        "billing.period_closed.v1",
        {
            "subscription_id": "sub_1",
            "customer_id": "cus_1",
            "period_start": START_TEXT,
            "period_end": END_TEXT,
            "invoice_id": "inv_1",
            "number": 7,
            "currency": "USD",
            "total_minor": 13900,
            "due_minor": 11000,
        },
    ),
]


@pytest.mark.parametrize("event, name, payload", GOLDEN, ids=[one[1] for one in GOLDEN])
def test_an_event_keeps_its_golden_shape(event, name: str, payload: dict[str, object]) -> None:
    adapter = TypeAdapter(type(event))
    assert name == event.NAME
    assert adapter.dump_python(event, mode="json") == payload
    assert adapter.validate_python(payload) == event
