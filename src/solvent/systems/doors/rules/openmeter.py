"""What does a CloudEvent mean that a client of OpenMeter sends?

Sources: CloudEvents 1.0.2 and its JSON format; OpenMeter's documentation of its ingest.
"""

from __future__ import annotations

from solvent.systems.doors.errors import EventMalformed
from solvent.systems.doors.model import Use
from solvent.systems.doors.rules.fields import as_event, data_of, must_be_name, rfc3339_time

JSON_TYPES = frozenset({"application/json", None})


def read(value: object) -> Use:
    """Return the use that a CloudEvent tells of; its subject is who used something.

    Raises:
        EventMalformed: naming the attribute.
    """
    given = as_event(value)
    if must_be_name(given, "specversion") != "1.0":
        raise EventMalformed('expected "1.0"', field="specversion")
    if given.get("datacontenttype") not in JSON_TYPES:
        raise EventMalformed("expected application/json", field="datacontenttype")
    when = given.get("time")
    return Use(
        id=must_be_name(given, "id"),
        source=must_be_name(given, "source"),
        customer=must_be_name(given, "subject"),
        event=must_be_name(given, "type"),
        at=None if when is None else rfc3339_time(when, field="time"),
        data=data_of(given, "data"),
    )
