"""How do usage events and measures read as JSON?"""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeVar, cast

import pydantic_core
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictStr,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic import ValidationError as BodyWrong
from pydantic_core import PydanticCustomError

from solvent.kernel.metering.errors import BatchSizeWrong, BodyNotJson
from solvent.kernel.metering.model import (
    EVENTS_PER_BATCH_MAX,
    Measure,
    PropertyValue,
    StoredEvent,
    UsageEvent,
)
from solvent.kit.clock import parse_time

ERRORS_TOLD_MAX = 20

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
B = TypeVar("B")


def _number_or_text(given: object) -> Decimal | str | None:
    """Take what JSON calls a number, a string or null; what it means, the meter decides."""
    if given is None or isinstance(given, str | Decimal):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return Decimal(given)
    raise PydanticCustomError("number_or_text", "Input should be a number or a text")


def _property(given: object) -> PropertyValue:
    """Take a flat JSON value."""
    if given is None or isinstance(given, str | int | Decimal):
        return given
    raise PydanticCustomError("flat_value", "Input should be a text, number, boolean or null")


class UsageEventBody(BaseModel):
    """One use. `value` is a number or a numeric text; a `unique` meter takes any text."""

    model_config = _STRICT

    id: StrictStr
    meter: StrictStr
    customer: StrictStr
    at: StrictStr
    value: Annotated[
        Decimal | str | None,
        PlainValidator(_number_or_text),
        WithJsonSchema({"type": ["number", "string", "null"]}),
    ] = None
    properties: dict[
        StrictStr,
        Annotated[
            PropertyValue,
            PlainValidator(_property),
            WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
        ],
    ] = Field(default_factory=dict)


class UsageBatchBody(BaseModel):
    """Up to 1000 uses, stored all or none."""

    model_config = _STRICT

    events: list[UsageEventBody]


class UsageEventShown(BaseModel):
    """A usage event as it was kept; numbers with a fraction are texts, so that no digit is lost."""

    id: str
    meter: str
    customer: str
    at: datetime
    value: str | None
    properties: dict[str, str | int | bool | None]
    received_at: datetime


class MeasureShown(BaseModel):
    """A quantity with its proof: `digest` is SHA-256 over the sorted ids, a newline after each."""

    meter: str
    customer: str
    start: datetime
    end: datetime
    quantity: str
    event_count: int
    first_event_id: str | None
    last_event_id: str | None
    digest: str


_BATCH = TypeAdapter(UsageBatchBody)
_ONE = TypeAdapter(UsageEventBody)


def usage_schema() -> dict[str, object]:
    """Return the JSON schema of what is sent: an event or a batch.

    An event stands in the batch in full: `#/$defs` would lead nowhere in a larger document.
    """
    one, batch = _ONE.json_schema(), _BATCH.json_schema()
    del batch["$defs"]
    batch["properties"]["events"]["items"] = one
    return {"oneOf": [batch, one]}


def load(raw: bytes) -> object:
    """Return the JSON with numbers as decimals of every digit that was written.

    Raises:
        BodyNotJson: it is none in UTF-8, nested beyond reason, or holds half a character.
    """
    try:
        text = raw.decode()
        if _SURROGATE.search(text):
            pydantic_core.from_json(raw)  # refuses halves, which Python's own reader lets pass
        return json.loads(text, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as wrong:
        raise BodyNotJson(reason=str(wrong)[:100]) from None


def is_batch(body: object) -> bool:
    """Return whether a decoded body is a batch rather than an event."""
    return isinstance(body, dict) and "events" in body


def event_of(body: object) -> UsageEvent:
    """Return the event that a decoded body is.

    Raises:
        RequestValidationError: it has another shape; names each field.
        TimeWithoutZone: `at` is no time, or lacks its offset.
    """
    return _event(_validated(_ONE, body), field="at")


def batch_of(body: object) -> list[UsageEvent]:
    """Return the events of a batch.

    Raises:
        BatchSizeWrong: more than 1000.
        RequestValidationError: it has another shape; names each field.
        TimeWithoutZone: an `at` is no time, or lacks its offset.
    """
    events = cast("dict[str, object]", body)["events"]
    if isinstance(events, list) and len(cast("list[object]", events)) > EVENTS_PER_BATCH_MAX:
        raise BatchSizeWrong(field="events", given=len(cast("list[object]", events)))
    batch = _validated(_BATCH, body)
    return [_event(event, field=f"events[{place}].at") for place, event in enumerate(batch.events)]


def _validated(adapter: TypeAdapter[B], body: object) -> B:
    try:
        return adapter.validate_python(body)
    except BodyWrong as wrong:
        from fastapi.exceptions import (  # noqa: PLC0415 - half a command's start, and rarely needed
            RequestValidationError,
        )

        errors = wrong.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**error, "loc": ("body", *error["loc"])} for error in errors[:ERRORS_TOLD_MAX]]
        ) from None


def _event(body: UsageEventBody, *, field: str) -> UsageEvent:
    return UsageEvent(
        id=body.id,
        customer_ref=body.customer,
        meter_key=body.meter,
        at=parse_time(body.at, field=field),
        value=body.value,
        properties=body.properties,
    )


def show_event(event: StoredEvent) -> UsageEventShown:
    """Return the event as callers see it."""
    return UsageEventShown(
        id=event.id,
        meter=event.meter_key,
        customer=event.customer_ref,
        at=event.at,
        value=event.unique_value if event.value is None else format(event.value, "f"),
        properties={
            name: format(value, "f") if isinstance(value, Decimal) else value
            for name, value in event.properties.items()
        },
        received_at=event.received_at,
    )


def show_measure(measure: Measure) -> MeasureShown:
    """Return the measured quantity as callers see it."""
    return MeasureShown(
        meter=measure.meter_key,
        customer=measure.customer_ref,
        start=measure.period.start,
        end=measure.period.end,
        quantity=format(measure.quantity, "f"),
        event_count=measure.event_count,
        first_event_id=measure.first_event_id,
        last_event_id=measure.last_event_id,
        digest=measure.digest,
    )
