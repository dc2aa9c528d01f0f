"""How is each error told to an HTTP caller?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from solvent.kit.errors import (
    KINDS,
    Invalid,
    NotFound,
    SolventError,
    Unauthenticated,
    problem,
)
from solvent.kit.log import get_logger
from solvent.kit.telemetry import REFUSALS

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import Scope

log = get_logger(__name__)

Shape: TypeAlias = Callable[[SolventError], tuple[int, Mapping[str, object]]]
"""Tells an error as the clients of some addresses expect it: a status and a JSON body."""

MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 20
NOT_JSON = "json_invalid"
AN_OBJECT = "expected a JSON object, with content-type application/json"
EXPECTED = {
    "missing": "must be given",
    "extra_forbidden": "there is no such field",
    "model_attributes_type": AN_OBJECT,
    "model_type": AN_OBJECT,
    "dict_type": AN_OBJECT,
}


class BodyInvalid(Invalid):
    """The request does not have the expected shape."""

    code = "kit.request_invalid"


class RouteUnknown(NotFound):
    """There is no such address."""

    code = "kit.route_unknown"


class MethodUnknown(Invalid):
    """This address does not take this method."""

    code = "kit.method_unknown"
    status = 405
    title = "Method not allowed"


class Bug(SolventError):
    """Something went wrong on our side; it has been logged under the request's id."""

    code = "solvent.internal"
    title = "Internal error"


def install(app: FastAPI) -> None:
    """Answer every error of the app with a problem document (RFC 9457)."""
    app.add_exception_handler(SolventError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


def answer(
    error: SolventError, *, headers: Mapping[str, str] | None = None, **more: object
) -> Response:
    """Return the problem document of an error as a response, and count it by its code."""
    return _response(error, error.status, problem(error) | more, MEDIA_TYPE, headers=headers)


def answer_at(
    scope: Scope, error: SolventError, *, headers: Mapping[str, str] | None = None, **more: object
) -> Response:
    """As `answer`, in the shape that the app has for errors of this address, if it has one."""
    shapes: Mapping[str, Shape] = getattr(getattr(scope.get("app"), "state", None), "shapes", {})
    for prefix, shape in shapes.items():
        if scope["path"].startswith(prefix):
            status, body = shape(error)
            return _response(error, status, body, "application/json", headers=headers)
    return answer(error, headers=headers, **more)


def _response(
    error: SolventError,
    status: int,
    body: Mapping[str, object],
    media_type: str,
    *,
    headers: Mapping[str, str] | None,
) -> Response:
    REFUSALS.labels(error.code).inc()
    headers = {"cache-control": "no-store", **(headers or {})}
    wait_s = error.detail.get("retry_after_s")
    if wait_s:
        headers["retry-after"] = str(wait_s)
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    # What was given may be told again in the details, half a character of it too: that is escaped.
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(errors="backslashreplace"), status, headers, media_type=media_type)


async def _on_error(request: Request, error: Exception) -> Response:
    return answer_at(request.scope, cast("SolventError", error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()[:ERRORS_MAX]
    errors = [
        {"field": _field(one), "expected": _expected(one), "rule": str(one["type"])}
        for one in found
    ]
    first = errors[0]
    told = BodyInvalid(f"{first['field']}: {first['expected']}", field=first["field"])
    return answer_at(request.scope, told, errors=errors)


async def _on_http(request: Request, error: Exception) -> Response:
    raised = cast("HTTPException", error)
    status = raised.status_code
    known: dict[int, type[SolventError]] = {kind.status: kind for kind in KINDS}
    known |= {400: BodyInvalid, 404: RouteUnknown, 405: MethodUnknown}
    field = "body" if status == BodyInvalid.status else None
    told = known.get(status, Bug)(field=field)
    return answer_at(request.scope, told, headers=raised.headers)


async def _on_bug(request: Request, error: Exception) -> Response:
    log.error("request_failed", path=request.scope["path"], error=type(error).__name__)
    return answer_at(request.scope, Bug())


def _expected(one: Mapping[str, Any]) -> str:
    """Return what was expected, in words of HTTP where the validator speaks of Python."""
    rule = one["type"]
    if rule == NOT_JSON:
        return f"not JSON: {one['ctx']['error']} at character {one['loc'][-1]}"
    return EXPECTED.get(rule, str(one["msg"]))


def _field(one: Mapping[str, Any]) -> str:
    """Return `events[3].value` for ("body", "events", 3, "value")."""
    location = one["loc"][:1] if one["type"] == NOT_JSON else one["loc"]
    parts = location[1:] if location and location[0] == "body" else location
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return name.lstrip(".") or "body"
