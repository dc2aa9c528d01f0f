"""How does a request of a foreign client become one transaction, by the key it carries?"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from decimal import Decimal
from typing import cast

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from solvent.kit.http import Credentials
from solvent.kit.http.credentials import CredentialsMalformed
from solvent.kit.http.route import TransactionalRoute
from solvent.systems.doors.rules.reading import unpack

ECHO_DEPTH = 20
_JSON = msgspec.json.Encoder(decimal_format="number")
"""Quantities are numbers in what these clients read, with every digit."""


def read_credentials(request: Request) -> Credentials:
    """Return the API key of a request, as bearer or as the user name of Basic (RFC 7617).

    A session's cookie opens no door: a page of another site could send it.

    Raises:
        CredentialsMalformed: something else.
    """
    values = request.headers.getlist("authorization")
    scheme, _, given = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "basic":
        return replace(Credentials.of(request), session=None)
    try:
        user = base64.b64decode(given.strip(), validate=True).decode("ascii").partition(":")[0]
    except (binascii.Error, ValueError):
        raise CredentialsMalformed(field="Authorization") from None
    if not user:
        raise CredentialsMalformed(field="Authorization")
    return Credentials(bearer=user, session=None, host="")


class DoorRoute(TransactionalRoute):
    """As every route, for callers whose key may come in either form."""

    @staticmethod
    def credentials(request: Request) -> Credentials:
        """Return who sends a request, by `read_credentials`."""
        return read_credentials(request)


class DoorRouter(APIRouter):
    """Routes below a door's prefix, in the words of its vendor; not in our own API's document."""

    def __init__(self, prefix: str) -> None:
        """Make a router for the clients of one vendor."""
        super().__init__(prefix=prefix, route_class=DoorRoute, include_in_schema=False)


def echo(value: object, depth: int = ECHO_DEPTH) -> object:
    """Return what was sent in a form that can be sent back: half a character of it is escaped."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, Decimal):
        return value if value.is_finite() else str(value)
    if isinstance(value, dict) and depth:
        items = cast("dict[str, object]", value).items()
        return {echo(name): echo(one, depth - 1) for name, one in items}
    if isinstance(value, list) and depth:
        return [echo(one, depth - 1) for one in cast("list[object]", value)]
    return None if isinstance(value, dict | list) else value


async def body_of(request: Request) -> bytes:
    """Return the request's body, unpacked and within its limit."""
    return unpack(await request.body(), request.headers.get("content-encoding", ""))


def answer(body: object, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(_JSON.encode(body), status, media_type="application/json")
