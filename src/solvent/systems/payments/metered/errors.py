"""What can be wrong with telling Stripe of usage?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound


class EventNameInvalid(Invalid):
    """The name of a Stripe meter's events has 1 to 100 characters, none of them a space."""

    code = "payments.meter_event_name_invalid"


class EventNameTaken(Conflict):
    """Another meter is told to Stripe by this event name already."""

    code = "payments.meter_event_name_taken"


class MeterNotAdditive(Invalid):
    """Stripe adds events up: only meters that count or sum, and begin anew, can be told to it."""

    code = "payments.meter_not_additive"


class MeterNotReported(NotFound):
    """This meter is not told to Stripe."""

    code = "payments.meter_not_reported"


class MeterEventNotFound(NotFound):
    """There is no such meter event that waits for a decision."""

    code = "payments.meter_event_not_found"
