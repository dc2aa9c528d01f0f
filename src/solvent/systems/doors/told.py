"""How is a refusal told to the clients of each vendor?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from solvent.kit.errors import LimitReached, SolventError, Unauthenticated, Unavailable
from solvent.systems.doors.errors import (
    EventExists,
    EventMalformed,
    EventNotFound,
    NotOffered,
    ParameterMissing,
    ParameterUnknown,
)

UNPROCESSABLE = 422
BAD_REQUEST = 400
SERVER_FAULT = 500
KEPT = frozenset({401, 403, 404, 413, 415, 429})
KEY_REUSED = "kit.idempotency_key_reused"
TOO_MANY = "kit.too_many_requests"


def as_lago(error: SolventError) -> tuple[int, Mapping[str, object]]:
    """Tell an error as Lago tells it."""
    of_a_field = isinstance(error, EventExists | EventMalformed)
    status = UNPROCESSABLE if of_a_field else error.status
    told: dict[str, object] = {"status": status, "error": _lago_title(error, status)}
    if isinstance(error, Unauthenticated):
        return status, told
    if of_a_field:
        details = {error.field or "event": [_lago_detail(error)]}
        return status, told | {"code": "validation_errors", "error_details": details}
    wait: dict[str, object] = {}
    if isinstance(error, LimitReached):
        wait = {"retry_after": error.detail.get("retry_after_s")}
    return status, told | {"code": error.code.partition(".")[2], "message": str(error)} | wait


def _lago_title(error: SolventError, status: int) -> str:
    if status == UNPROCESSABLE:
        return "Unprocessable Entity"
    return "Unauthorized" if isinstance(error, Unauthenticated) else error.title


def _lago_detail(error: SolventError) -> str:
    if isinstance(error, EventExists):
        return "value_already_exist"
    if isinstance(error, ParameterMissing):
        return "value_is_mandatory"
    return "invalid_format" if isinstance(error, EventMalformed) else str(error)


def unprocessable(details: Mapping[str, object]) -> dict[str, object]:
    """Return what Lago answers where fields of events are not as they must be."""
    return {
        "status": UNPROCESSABLE,
        "error": "Unprocessable Entity",
        "code": "validation_errors",
        "error_details": details,
    }


def as_stripe(error: SolventError) -> tuple[int, Mapping[str, object]]:
    """Tell an error as Stripe tells it, in version 1 and 2 alike."""
    told: dict[str, object] = {
        "type": _stripe_type(error),
        "code": _stripe_code(error),
        "message": str(error),
    }
    if error.field:
        told["param"] = error.field
    same = error.status in KEPT or error.status >= SERVER_FAULT
    status = error.status if same else BAD_REQUEST
    return status, {"error": told}


def _stripe_type(error: SolventError) -> str:
    if error.code == KEY_REUSED:
        return "idempotency_error"
    if error.code == "tenants.token_invalid":
        return "temporary_session_expired"
    return "api_error" if error.status >= SERVER_FAULT else "invalid_request_error"


def _stripe_code(error: SolventError) -> str:
    known: dict[type[SolventError], str] = {
        ParameterMissing: "parameter_missing",
        ParameterUnknown: "parameter_unknown",
        EventExists: "resource_already_exists",
        EventNotFound: "resource_missing",
        NotOffered: "feature_not_supported",
    }
    if error.code == TOO_MANY:
        return "rate_limit"
    if isinstance(error, Unauthenticated):
        return "api_key_invalid"
    if isinstance(error, Unavailable):
        return "api_error"
    return known.get(type(error), error.code.replace(".", "_"))


SHAPES: Mapping[str, Callable[[SolventError], tuple[int, Mapping[str, object]]]] = MappingProxyType(
    {"/doors/lago/": as_lago, "/doors/stripe/": as_stripe}
)
"""How errors are told below each prefix; OpenMeter's are problem documents, as ours are."""
