"""Does every address of the API refuse odd input as such, instead of failing on it?

Each operation of the OpenAPI document is called with the key of an owner and with what no sane
client sends. Whatever the answer is, it is never a 5xx: those are for what is wrong on our side.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from solvent.app.house import House
from solvent.app.testing import EPOCH
from solvent.kernel.tenants.service import create_business

STREAMS = {"/v1/entitlements/stream"}
OPERATORS = {"/readyz", "/metrics/worker"}
AWAY = ("kit.desk_away", "kit.door_shut")
"""What says 503 where no jobs run, as in these tests, with any input."""

NUL, HALF, ASTRAL = "a\x00b", "\ud800", "\U0001f4b8"
DEEP = 50_000
TEXTS = (
    "",
    " ",
    NUL,
    HALF,
    ASTRAL,
    "\u202e\ufeff",
    "e\u0301" * 40,
    "x" * 5_000,
    "../../etc/passwd",
    "';--",
    "%s%n{0}",
    "-1",
    "NaN",
    "1e400",
    "9" * 400,
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-02-30",
    "cus_00000000000000000000000000",
)
NUMBERS = (-1, 0, 2**31, 2**63, -(2**63) - 1, 10**400, 1.5, 1e308, 5e-324)
OTHERS: tuple[object, ...] = (None, True, [], {}, [[]], {"a": {"b": []}}, ["x"] * 2_000)
RAW = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"[" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b'{"id": ' + b"9" * 10_000 + b"}",
    b'{"id": 1e999999, "at": NaN, "value": -Infinity}',
    b'{"a": 1, "a": 2}',
    b'\xef\xbb\xbf{"id": "x"}',
    b'{"\\ud800": "\\udfff"}',
)
TYPES = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "application/json; charset=\\",
    "a/b/c;;;=",
    "",
)
HEADERS = (
    ("idempotency-key", b"\x80"),
    ("idempotency-key", b"x" * 5_000),
    ("authorization", b"Bearer a.b.c"),
    ("authorization", b"Bearer \xff"),
    ("authorization", b"Basic " + b"x" * 9_000),
    ("cookie", b"solvent_session=\xff; solvent_operator=;;="),
    ("host", b"[::1"),
    ("host", b"\xff..localhost:99999"),
    ("content-length", b"\xb2"),
    ("content-length", b"-1"),
    ("content-length", b"9" * 5_000),
    ("content-encoding", b"gzip"),
    ("transfer-encoding", b"odd"),
    ("range", b"bytes=-1-"),
    ("accept", b"\xff"),
    ("x-request-id", b"\xff" * 300),
    ("stripe-signature", b"t=,v1="),
    ("paddle-signature", b"ts=9999999999999999999;h1="),
    ("x-operator-key", b"\xff"),
    ("x-forwarded-for", b"\xff"),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One address of the API, and what its document says of a good request."""

    method: str
    path: str
    query: tuple[str, ...]
    schema: dict[str, Any] | None

    def at(self, piece: str = "x") -> str:
        """Return the path with the same piece for each of its parameters."""
        parts = self.path.split("/")
        return "/".join(quote(piece, safe="") if one.startswith("{") else one for one in parts)


@dataclass(slots=True)
class Failures:
    """The requests that were answered as if the fault were ours."""

    found: list[str] = field(default_factory=list[str])

    def note(self, answer: httpx.Response, what: object) -> None:
        """Keep the request if its answer is a 5xx; that no jobs run in these tests is none."""
        if answer.status_code >= 500 and not any(code in answer.text for code in AWAY):
            self.found.append(f"{answer.request.method} {answer.request.url.path} {what!r:.120}")


@pytest_asyncio.fixture(loop_scope="session")
async def owner(house: House, app: FastAPI, worker: object) -> AsyncGenerator[httpx.AsyncClient]:
    """A caller who may do everything in a tenant of their own, beside a worker: some ask it."""
    slug = "f-" + house.edge.ids.new("tmp")[-20:]
    made = await create_business(house.edge, name="Odd", slug=slug, test_clock_at=EPOCH)
    key = next(one.text for one in made.keys if one.text.startswith("sk_test"))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        yield client


@pytest.fixture
def operations(app: FastAPI) -> list[Operation]:
    """Every operation of the document, but those that answer without end or need a worker."""
    document = app.openapi()
    found = [
        _operation(method, path, told, document)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        if path not in STREAMS | OPERATORS
    ]
    assert len(found) > 50
    return found


def _operation(method: str, path: str, told: dict[str, Any], document: dict[str, Any]) -> Operation:
    query = tuple(one["name"] for one in told.get("parameters", ()) if one["in"] == "query")
    content = told.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return Operation(method.upper(), path, query, _resolved(schema, document))


def _resolved(schema: Any, document: dict[str, Any]) -> Any:
    """Return a schema with what it refers to put in its place."""
    if isinstance(schema, list):
        return [_resolved(one, document) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _resolved(document["components"]["schemas"][name], document)
    return {key: _resolved(value, document) for key, value in schema.items()}


def _example(schema: dict[str, Any]) -> Any:
    """Return something that fits a schema, more or less."""
    schema = next(iter(schema.get("anyOf", schema.get("oneOf", ()))), schema)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _example(one) for name, one in schema.get("properties", {}).items()}
        case "array":
            return [_example(schema.get("items", {}))]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case _:
            return "2026-01-15T10:00:00Z" if schema.get("format") == "date-time" else "usd"


def _bent(schema: dict[str, Any]) -> Iterator[object]:
    """Yield bodies that fit but for one place, which holds each odd value in turn."""
    good = _example(schema)
    for place in _places(good):
        for odd in chain(TEXTS, NUMBERS, OTHERS):
            yield _put(good, place, odd)


def _places(value: object, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _places(one, (*here, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _places(one, (*here, index))
    if here:
        yield here


def _put(value: Any, place: tuple[str | int, ...], odd: object) -> Any:
    if not place:
        return odd
    made = dict(value) if isinstance(value, dict) else list(value)
    made[place[0]] = _put(made[place[0]], place[1:], odd)
    return made


async def test_no_piece_of_a_path_crashes(
    owner: httpx.AsyncClient, operations: list[Operation]
) -> None:
    failures = Failures()
    pieces = [one for one in TEXTS if one not in {"", HALF}]
    for operation in (one for one in operations if "{" in one.path):
        for piece in pieces:
            answer = await owner.request(operation.method, operation.at(piece), json={})
            failures.note(answer, piece)
        odd_bytes = operation.path.partition("{")[0] + "%ff%fe%00"
        failures.note(await owner.request(operation.method, odd_bytes), odd_bytes)
    assert failures.found == []


async def test_no_query_crashes(owner: httpx.AsyncClient, operations: list[Operation]) -> None:
    failures = Failures()
    for operation in (one for one in operations if one.query):
        for name in operation.query:
            for odd in (one for one in TEXTS if one != HALF):
                asked = f"{operation.at()}?{name}={quote(odd)}"
                failures.note(await owner.request(operation.method, asked), asked)
        for whole in ("%ff=%ff", "&&&===", "a" * 5_000, "%00", f"{operation.query[0]}=1&" * 50):
            failures.note(await owner.request(operation.method, f"{operation.at()}?{whole}"), whole)
    assert failures.found == []


async def test_no_bytes_of_a_body_crash(
    owner: httpx.AsyncClient, operations: list[Operation]
) -> None:
    failures = Failures()
    for operation in (one for one in operations if one.method not in {"GET", "DELETE"}):
        for raw in RAW:
            headers = {"content-type": "application/json"}
            answer = await owner.request(
                operation.method, operation.at(), content=raw, headers=headers
            )
            failures.note(answer, raw)
        for kind in TYPES:
            answer = await owner.request(
                operation.method, operation.at(), content=b'{"a":1}', headers={"content-type": kind}
            )
            failures.note(answer, kind)
    assert failures.found == []


async def test_no_field_of_a_body_crashes(
    owner: httpx.AsyncClient, operations: list[Operation]
) -> None:
    failures = Failures()
    headers = {"content-type": "application/json"}
    for operation in (one for one in operations if one.schema):
        assert operation.schema is not None
        for body in _bent(operation.schema):
            answer = await owner.request(
                operation.method, operation.at(), content=json.dumps(body), headers=headers
            )
            failures.note(answer, body)
    assert failures.found == []


async def test_no_header_crashes(owner: httpx.AsyncClient, operations: list[Operation]) -> None:
    failures = Failures()
    for operation in operations:
        for name, value in HEADERS:
            request = owner.build_request(operation.method, operation.at(), json={})
            kept = [one for one in request.headers.raw if one[0].lower() != name.encode()]
            request.headers = httpx.Headers([*kept, (name.encode(), value)])
            failures.note(await owner.send(request), (name, value))
    assert failures.found == []
