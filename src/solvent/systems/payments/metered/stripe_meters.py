"""How does Stripe's own client tell Stripe of usage, and what has Stripe got of an hour?"""

# The client is heavy (30 MB) and is loaded with this module, which is imported at the first call.

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import stripe

from solvent.kit.money import plain_number
from solvent.systems.payments.gateways.stripe_client import client_of, told
from solvent.systems.payments.metered.model import Outgoing

_KNOWN = ("duplicate_meter_event", "already exists with identifier")
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StripeMeters:
    """Tells one account's meters."""

    api_key: str
    api_base: str

    def send(self, one: Outgoing) -> None:
        """Tell Stripe of one event; one that it has already, by its identifier, is fine.

        Raises:
            GatewayRefused: it will not take it; the same again will not help.
            GatewayUnavailable: whether it has it is not known.
        """
        event = one.event
        try:
            client_of(self.api_key, self.api_base).v1.billing.meter_events.create(
                {
                    "event_name": event.event_name,
                    "identifier": event.id,
                    "payload": {
                        "stripe_customer_id": one.stripe_customer,
                        "value": plain_number(event.value),
                    },
                    "timestamp": int(event.hour.timestamp()),
                }
            )
        except stripe.InvalidRequestError as fault:
            if fault.code != _KNOWN[0] and _KNOWN[1] not in str(fault):
                raise told(fault) from fault
        except stripe.StripeError as fault:
            raise told(fault) from fault

    def has(self, one: Outgoing) -> bool | None:
        """Return whether Stripe has an event, by what it has of that hour; None: one cannot say.

        Raises:
            GatewayRefused, GatewayUnavailable: as `send`.
        """
        try:
            found = self._of_hour(one.event.event_name, one.stripe_customer, one.event.hour)
        except stripe.StripeError as fault:
            raise told(fault) from fault
        answers = {one.arrived: False, one.arrived + one.event.value: True}
        return answers.get(found) if found is not None else None

    def _of_hour(self, event_name: str, customer: str, hour: datetime) -> Decimal | None:
        client = client_of(self.api_key, self.api_base).v1.billing.meters
        for meter in client.list({"limit": 100}).auto_paging_iter():
            if meter.event_name == event_name and meter.status == "active":
                asked = client.event_summaries.list(
                    meter.id,
                    {
                        "customer": customer,
                        "start_time": int(hour.timestamp()),
                        "end_time": int((hour + _HOUR).timestamp()),
                    },
                )
                return sum((Decimal(str(it.aggregated_value)) for it in asked.data), Decimal(0))
        return None
