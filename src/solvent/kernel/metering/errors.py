"""In which ways can metering refuse?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound


class MeterMalformed(Invalid):
    """The meter is not described correctly."""

    code = "metering.meter_malformed"


class MeterUnknown(Invalid):
    """There is no meter of this key; define it before sending its events."""

    code = "metering.meter_unknown"


class MeterNotFound(NotFound):
    """There is no such meter."""

    code = "metering.meter_not_found"


class MeterInUse(Conflict):
    """The meter has events, so only its name can change; define a meter with another key."""

    code = "metering.meter_in_use"


class EventMalformed(Invalid):
    """The usage event is not written correctly."""

    code = "metering.event_malformed"


class BodyNotJson(Invalid):
    """The request body is not JSON."""

    code = "metering.body_not_json"


class BatchSizeWrong(Invalid):
    """A batch holds 1 to 1000 events."""

    code = "metering.batch_size_wrong"


class PropertyUnknown(Invalid):
    """The meter does not know a property of this name."""

    code = "metering.property_unknown"


class ValueMissing(Invalid):
    """The meter needs a value and the event has none."""

    code = "metering.value_missing"


class ValueUnexpected(Invalid):
    """The meter counts each event once; send no value, or 1."""

    code = "metering.value_unexpected"


class ValueMalformed(Invalid):
    """A value is a plain number such as 12 or "0.25": no sign, exponent, NaN or infinity."""

    code = "metering.value_malformed"


class ValueOutOfRange(Invalid):
    """A value has at most 20 digits before the point and 12 after it."""

    code = "metering.value_out_of_range"


class TimeTooFarAhead(Invalid):
    """An event may be dated at most 24 hours ahead."""

    code = "metering.time_too_far_ahead"


class TimeTooFarBack(Invalid):
    """The meter takes no event that is so old, and no window is open for it."""

    code = "metering.time_too_far_back"


class EventConflict(Conflict):
    """An event of this id was recorded before with other content; nothing of the batch was kept."""

    code = "metering.event_conflict"


class PeriodMalformed(Invalid):
    """A period needs a start and a later end, both with an offset from UTC."""

    code = "metering.period_malformed"


class EventNotFound(NotFound):
    """There is no usage event of this id."""

    code = "metering.event_not_found"


class OverlayNotFound(NotFound):
    """Nothing of this id was said of any event."""

    code = "metering.overlay_not_found"


class EventVoided(Conflict):
    """The event was taken back: undo that first."""

    code = "metering.event_voided"


class OverlayNotLatest(Conflict):
    """Something else was said of the event after this, or it was undone: undo the latest."""

    code = "metering.overlay_not_latest"


class AmendmentMalformed(Invalid):
    """An amendment says another value or other properties, and why."""

    code = "metering.amendment_malformed"


class WindowMalformed(Invalid):
    """A window has a start, a later end, and a reason."""

    code = "metering.window_malformed"


class WindowNotFound(NotFound):
    """There is no open window of this id."""

    code = "metering.window_not_found"
