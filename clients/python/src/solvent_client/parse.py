"""What does Solvent's JSON say, if it says what the protocol allows?"""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final, NoReturn, cast

from solvent_client.decision import NEVER, Decision, FailMode, Holding, Record
from solvent_client.errors import ProtocolError

_MAX_DIGITS: Final = 64
_EPOCH_MS_LIMIT: Final = 2**53


def parse_object(text: str | bytes) -> Mapping[str, object]:
    """Return the JSON object that `text` holds.

    Raises:
        ProtocolError: it is not JSON, not an object, or nested without end.
    """
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("Not JSON.") from error
    return as_object(value, "message")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def as_object(value: object, name: str) -> Mapping[str, object]:
    """Return `value` as an object, or raise ProtocolError."""
    if not isinstance(value, dict):
        raise ProtocolError(f"`{name}` is not an object.")
    return cast("Mapping[str, object]", value)


def as_list(value: object, name: str) -> list[object]:
    """Return `value` as a list, or raise ProtocolError."""
    if not isinstance(value, list):
        raise ProtocolError(f"`{name}` is not a list.")
    return cast("list[object]", value)


def as_text(value: object, name: str) -> str:
    """Return `value` as text, or raise ProtocolError."""
    if not isinstance(value, str):
        raise ProtocolError(f"`{name}` is not text.")
    return value


def as_int(value: object, name: str) -> int:
    """Return `value` as a whole number, or raise ProtocolError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(f"`{name}` is not a whole number.")
    return value


def as_epoch_ms(value: object, name: str) -> float:
    """Return `value` as milliseconds since 1970, or raise ProtocolError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProtocolError(f"`{name}` is not a time in milliseconds.")
    if not 0 <= value <= _EPOCH_MS_LIMIT:
        raise ProtocolError(f"`{name}` is out of range.")
    return float(value)


def as_moment(value: object, name: str) -> datetime | None:
    """Return an ISO 8601 moment with its offset, None for null, or raise ProtocolError."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(as_text(value, name))
    except ValueError as error:
        raise ProtocolError(f"`{name}` is not an ISO 8601 time.") from error
    if moment.tzinfo is None:
        raise ProtocolError(f"`{name}` has no offset from UTC.")
    return moment


def as_decimal(value: object, name: str) -> Decimal | None:
    """Return a decimal written as text, None for null, or raise ProtocolError."""
    if value is None:
        return None
    text = as_text(value, name)
    if len(text) > _MAX_DIGITS:
        raise ProtocolError(f"`{name}` is too long for a number.")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ProtocolError(f"`{name}` is not a number.") from error
    if not number.is_finite():
        raise ProtocolError(f"`{name}` is not finite.")
    return number


def parse_record(value: object) -> Record:
    """Return the record with everything that a check needs worked out beforehand.

    Raises:
        ProtocolError: a field is missing or is not what the protocol says. Such a record is never
            skipped: it may be the one that ends an access.
    """
    fields = as_object(value, "record")
    products: dict[str, Holding] = {}
    for access in map(_parse_access, as_list(fields.get("access"), "access")):
        known = products.get(access.product or "")
        if known is None or known.until_ms < access.until_ms:
            products[access.product or ""] = access
    features = as_object(fields.get("features"), "features")
    return Record(
        customer=as_text(fields.get("customer"), "customer"),
        customer_id=as_text(fields.get("customer_id"), "customer_id"),
        revision=as_int(fields.get("revision"), "revision"),
        access=max(products.values(), key=lambda held: held.until_ms, default=None),
        products=products,
        features={key: _parse_feature(key, grant) for key, grant in features.items()},
    )


def _parse_access(value: object) -> Holding:
    fields = as_object(value, "access")
    until = as_moment(fields.get("until"), "access.until")
    return Holding(
        product=as_text(fields.get("product"), "access.product"),
        until_ms=_end_ms(until),
        yes=_yes(until),
    )


def _parse_feature(key: str, value: object) -> Holding:
    fields = as_object(value, f"features.{key}")
    until = as_moment(fields.get("until"), f"features.{key}.until")
    kind = as_text(fields.get("kind"), f"features.{key}.kind")
    if kind not in {"switch", "quota"}:
        raise ProtocolError(f"`features.{key}.kind` is neither switch nor quota.")
    remaining = _parse_remaining(key, fields) if kind == "quota" else None
    product = fields.get("product")
    return Holding(
        product=as_text(product, f"features.{key}.product") if product is not None else None,
        until_ms=_end_ms(until),
        yes=_yes(until, remaining),
        remaining=None if fields.get("overage") is True else remaining,
        on_outage=as_fail_mode(fields.get("on_outage"), f"features.{key}.on_outage"),
    )


def _parse_remaining(key: str, fields: Mapping[str, object]) -> Decimal | None:
    limit = as_decimal(fields.get("limit"), f"features.{key}.limit")
    used = as_decimal(fields.get("used"), f"features.{key}.used")
    return max(limit - (used or Decimal(0)), Decimal(0)) if limit is not None else None


def as_fail_mode(value: object, name: str) -> FailMode:
    """Return `open` or `closed`; what is missing is closed, anything else is a ProtocolError."""
    if value == "open":
        return "open"
    if value in {"closed", None}:
        return "closed"
    raise ProtocolError(f"`{name}` is neither open nor closed.")


def _end_ms(until: datetime | None) -> float:
    return until.timestamp() * 1000.0 if until is not None else NEVER


def _yes(until: datetime | None, remaining: Decimal | None = None) -> Decision:
    return Decision(
        allowed=True,
        code="ok",
        reason="The customer may pass.",
        source="snapshot",
        until=until,
        remaining=remaining,
    )


def parse_answer(body: bytes) -> Decision:
    """Return the decision that `POST /v1/entitlements/check` (or `consume`) answered."""
    fields = parse_object(body)
    allowed = fields.get("allowed")
    if not isinstance(allowed, bool):
        raise ProtocolError("`allowed` is not true or false.")
    return Decision(
        allowed=allowed,
        code=as_text(fields.get("code", "ok" if allowed else "refused"), "code"),
        reason=as_text(fields.get("reason", ""), "reason"),
        source="database",
        until=as_moment(fields.get("until"), "until"),
        remaining=as_decimal(fields.get("remaining"), "remaining"),
    )
