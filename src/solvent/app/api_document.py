"""What does the OpenAPI document say of all routes: who may call, and how are they refused?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from solvent.kit.http.route import TransactionalRoute
from solvent.kit.limits import IDEMPOTENCY_KEY_LENGTH_MAX

Part = dict[str, Any]

PROBLEM: Part = {
    "type": "object",
    "description": "A problem document (RFC 9457); `code` is stable, `detail` is for people.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "field": {"type": "string", "description": "The input that it is about."},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
    "additionalProperties": True,
    "example": {
        "type": "/problems/tenants.customer_unknown",
        "title": "Not found",
        "status": 404,
        "code": "tenants.customer_unknown",
        "detail": "There is no such customer.",
        "field": "customer",
    },
}
REFUSED: Part = {
    "description": "Refused: the status tells the kind, `code` the reason.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
BEARER: Part = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key (`sk_…`, `pk_…`) or a token of `POST /v1/tokens`.",
}
IDEMPOTENCY_KEY: Part = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any text of your own: a repeat under it gets the first answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_LENGTH_MAX},
}
NEVER_SENT = "422"
"""FastAPI documents its own answer to a wrong request; ours is a problem of status 400."""


def describe(app: FastAPI, routers: Iterable[APIRouter]) -> Part:
    """Return the app's OpenAPI document with authentication, refusals and idempotency in it."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    guarded = set(_guarded(routers))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operation["responses"].pop(NEVER_SENT, None)
            operation["responses"]["default"] = {"$ref": "#/components/responses/Refused"}
            if (method, path) in guarded:
                _guard(operation, method)
    components = document["components"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["schemas"]["Problem"] = PROBLEM
    components["responses"] = {"Refused": REFUSED}
    components["securitySchemes"] = {"key": BEARER}
    return document


def _guard(operation: Part, method: str) -> None:
    """Say that an operation authenticates, and that its POST is done once under one key."""
    operation["security"] = [{"key": []}]
    if method == "post":
        parameters: list[Part] = operation.setdefault("parameters", [])
        if not any(one["name"] == IDEMPOTENCY_KEY["name"] for one in parameters):
            parameters.append(IDEMPOTENCY_KEY)


def _guarded(routers: Iterable[APIRouter]) -> Iterator[tuple[str, str]]:
    """Yield (method, path) of each route that authenticates and is one transaction."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, TransactionalRoute):
                yield from ((method.lower(), route.path_format) for method in route.methods or ())
