"""Do the events that other systems read still have the shape that they were promised?"""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from solvent.contracts import payments

AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
ISO = "2026-11-01T10:00:00Z"

GOLDEN = [
    (
        payments.WebhooksReceived("stripe", ("evt_1", "evt_2")),
        "payments.webhooks_received.v1",
        {"provider": "stripe", "provider_event_ids": ["evt_1", "evt_2"]},
    ),
    (
        payments.PurchaseCompleted(
            "stripe", "cs_1", "pi_1", "cus_1", "u42", "pro", 2900, "USD", AT
        ),
        "payments.purchase_completed.v1",
        {
            "provider": "stripe",
            "checkout_id": "cs_1",
            "payment_id": "pi_1",
            "customer_id": "cus_1",
            "customer_ref": "u42",
            "plan_key": "pro",
            "amount_minor": 2900,
            "currency": "USD",
            "occurred_at": ISO,
        },
    ),
    (
        payments.PaymentFailed("paddle", "txn_1", "cus_1", None, 2900, "USD", "declined", AT),
        "payments.payment_failed.v1",
        {
            "provider": "paddle",
            "payment_id": "txn_1",
            "customer_id": "cus_1",
            "subscription_id": None,
            "amount_minor": 2900,
            "currency": "USD",
            "reason": "declined",
            "occurred_at": ISO,
        },
    ),
    (
        payments.RefundSeen("stripe", "ch_1:900", "pi_1", 900, "USD", AT),
        "payments.refund_seen.v1",
        {
            "provider": "stripe",
            "refund_id": "ch_1:900",
            "payment_id": "pi_1",
            "returned_minor": 900,
            "currency": "USD",
            "occurred_at": ISO,
        },
    ),
    (
        payments.DisputeSeen("stripe", "dp_1", "pi_1", 900, "USD", "lost", "fraudulent", AT),
        "payments.dispute_seen.v1",
        {
            "provider": "stripe",
            "dispute_id": "dp_1",
            "payment_id": "pi_1",
            "disputed_minor": 900,
            "currency": "USD",
            "status": "lost",
            "reason": "fraudulent",
            "occurred_at": ISO,
        },
    ),
]


@pytest.mark.parametrize("event,name,golden", GOLDEN)
def test_events_keep_their_shape(event, name, golden):
    adapter = TypeAdapter(type(event))
    assert name == event.NAME
    assert adapter.dump_python(event, mode="json") == golden
    assert adapter.validate_python(golden) == event
