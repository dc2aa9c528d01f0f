"""What do clients of other vendors send for the same events, and what must be named for them?"""

import json
from datetime import datetime

PATHS = {
    "lago": "/doors/lago/api/v1/events/batch",
    "openmeter": "/doors/openmeter/api/v1/events",
    "stripe": "/doors/stripe/v2/billing/meter_event_stream",
}


def body_of(door, events):
    """Return a batch of our own events as the clients of a vendor send it."""
    if door == "openmeter":
        return json.dumps([cloud_event(one) for one in events]).encode()
    told = [(lago_event if door == "lago" else meter_event)(one) for one in events]
    return json.dumps({"events": told}).encode()


def lago_event(event):
    """An event as Lago's clients tell it."""
    return {
        "transaction_id": event["id"],
        "external_subscription_id": event["customer"],
        "code": event["meter"],
        "timestamp": f"{datetime.fromisoformat(event['at']).timestamp():.3f}",
        "properties": {"value": event["value"]},
    }


def cloud_event(event):
    """An event as OpenMeter's clients tell it."""
    return {
        "id": event["id"],
        "source": "bench",
        "specversion": "1.0",
        "type": event["meter"],
        "subject": event["customer"],
        "time": event["at"],
        "data": {"value": event["value"]},
    }


def meter_event(event):
    """An event as Stripe's clients stream it."""
    return {
        "identifier": event["id"],
        "event_name": event["meter"],
        "timestamp": event["at"],
        "payload": {"stripe_customer_id": event["customer"], "value": event["value"]},
    }


async def name_meters(ctx, keys):
    """Say where the value of these meters stands in what Lago's and OpenMeter's clients send."""
    from solvent.systems.doors import service
    from solvent.systems.doors.model import Door

    for door in (Door.LAGO, Door.OPENMETER):
        for key in keys:
            await service.name_meter(ctx, door, key, key, value_path="$.value", dimensions={})
