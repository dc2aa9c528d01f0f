"""What does an event mean that a client of Lago sends?

Shape: the documentation of Lago's `POST /api/v1/events`, version 1 of its API.
"""

from __future__ import annotations

from solvent.systems.doors.model import Use
from solvent.systems.doors.rules.fields import (
    as_event,
    data_of,
    epoch_time,
    may_be_name,
    must_be_name,
)

DYNAMIC = "precise_total_amount_cents"
"""What an event costs, where its charge is dynamic; kept as a property."""


def read(value: object) -> Use:
    """Return the use that an event tells of.

    `external_customer_id`, which older clients send, is the tenant's own name of the customer.

    Raises:
        EventMalformed: naming the field.
    """
    given = as_event(value)
    customer = may_be_name(given, "external_customer_id")
    subscription = may_be_name(given, "external_subscription_id")
    when = given.get("timestamp")
    amount = given.get(DYNAMIC)
    data = data_of(given, "properties")
    return Use(
        id=must_be_name(given, "transaction_id"),
        customer=customer or subscription or must_be_name(given, "external_subscription_id"),
        own=customer is not None,
        event=must_be_name(given, "code"),
        at=None if when is None else epoch_time(when, field="timestamp"),
        data=data if amount is None else {**data, DYNAMIC: amount},
    )
