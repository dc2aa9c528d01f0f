"""How do events and meters look to Stripe's clients?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from solvent.kernel.metering.model import Aggregation, Meter
from solvent.kit.ctx import Ctx
from solvent.systems.doors.api.route import echo
from solvent.systems.doors.model import MeterName, Use, Window
from solvent.systems.doors.rules.stripe import CUSTOMER_KEY, VALUE_KEY

METER_PREFIX = "mtr_"
FORMULAS = {Aggregation.SUM: "sum", Aggregation.COUNT: "count", Aggregation.LATEST: "last"}


def show_event(ctx: Ctx, use: Use, *, live: bool) -> dict[str, object]:
    """Return a meter event."""
    payload = {CUSTOMER_KEY: use.customer, **use.data}
    if use.value is not None:
        payload[VALUE_KEY] = use.value
    return {
        "object": "billing.meter_event",
        "created": _seconds(ctx.now()),
        "event_name": use.event,
        "identifier": use.id,
        "livemode": live,
        "payload": echo(payload),
        "timestamp": _seconds(use.at or ctx.now()),
    }


def show_meter(meter: Meter, name: MeterName | None, *, live: bool) -> dict[str, object]:
    """Return a meter; its id holds its key."""
    path = name.value_path if name else None
    key = path[3:-2] if path else VALUE_KEY
    return {
        "id": f"{METER_PREFIX}{meter.key}",
        "object": "billing.meter",
        "created": _seconds(meter.created_at),
        "updated": _seconds(meter.created_at),
        "customer_mapping": {"event_payload_key": CUSTOMER_KEY, "type": "by_id"},
        "default_aggregation": {
            "formula": FORMULAS.get(meter.aggregation, meter.aggregation.value)
        },
        "display_name": meter.name,
        "event_name": name.event if name else meter.key,
        "event_time_window": None,
        "livemode": live,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "value_settings": {"event_payload_key": key},
    }


def show_summaries(key: str, windows: Sequence[Window], *, live: bool) -> dict[str, object]:
    """Return a list of event summaries."""
    data = [
        {
            "id": f"mtrusg_{_digest(key, window)}",
            "object": "billing.meter_event_summary",
            "aggregated_value": _number(window.quantity),
            "start_time": _seconds(window.start),
            "end_time": _seconds(window.end),
            "livemode": live,
            "meter": f"{METER_PREFIX}{key}",
        }
        for window in windows
    ]
    url = f"/v1/billing/meters/{METER_PREFIX}{key}/event_summaries"
    return {"object": "list", "url": url, "has_more": False, "data": data}


def _number(quantity: Decimal) -> Decimal:
    return quantity.normalize() if quantity else Decimal(0)


def _digest(key: str, window: Window) -> str:
    told = f"{key} {window.start.isoformat()} {window.end.isoformat()}"
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
