"""How is a NATS server told who a connection is: which tokens does it send and believe?

JSON web tokens signed by nkeys (`ed25519-nkey`), in version 2 of the claims of NATS. A request
comes from the server and is signed by its own key; the answer is signed by the issuer that its
configuration names, and holds a user token signed likewise, or an error.
Source: ADR-26 of NATS (authorization callout) and the jwt v2 claims.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from solvent.kit.jobs.access.grant import PAYLOAD_BYTES_MAX, SUBSCRIPTIONS_MAX, Grant
from solvent.kit.nkey import KeyKind, Keypair, is_public, verify

HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
REQUEST_AUDIENCE = "nats-authorization-request"
TOKEN_BYTES_MAX = 65_536


class RequestUnbelievable(ValueError):
    """What came as an authorization request was not written by a NATS server."""


class _ServerId(msgspec.Struct):
    id: str


class _ConnectOptions(msgspec.Struct):
    user: str = ""
    password: str = msgspec.field(name="pass", default="")
    auth_token: str = ""


class _ClientInfo(msgspec.Struct):
    host: str = ""


class _Nats(msgspec.Struct):
    server_id: _ServerId
    user_nkey: str
    connect_opts: _ConnectOptions
    client_info: _ClientInfo = msgspec.field(default_factory=_ClientInfo)


class _Request(msgspec.Struct):
    iss: str
    aud: str
    nats: _Nats


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants to come in: what they said, and the names that the answer must carry."""

    server_id: str
    user_nkey: str
    user: str
    password: str
    seal: str
    host: str


def read_request(token: bytes) -> Asked:
    """Return what a server asks.

    Raises:
        RequestUnbelievable: it is malformed, or not signed by the server that it names.
    """
    try:
        head, body, signature = token.decode("ascii").split(".")
        header = msgspec.json.decode(_unpad(head), type=dict[str, str])
        request = msgspec.json.decode(_unpad(body), type=_Request)
    except (ValueError, binascii.Error, msgspec.DecodeError) as odd:
        raise RequestUnbelievable("not a token") from odd
    asked = request.nats
    sound = (
        header.get("alg") == HEADER["alg"]
        and request.aud == REQUEST_AUDIENCE
        and is_public(request.iss, KeyKind.SERVER)
        and request.iss == asked.server_id.id
        and is_public(asked.user_nkey, KeyKind.USER)
        and verify(request.iss, f"{head}.{body}".encode(), _unpad(signature))
    )
    if not sound:
        raise RequestUnbelievable("not signed by the server that it names")
    told = asked.connect_opts
    return Asked(
        asked.server_id.id,
        asked.user_nkey,
        told.user,
        told.password,
        told.auth_token,
        asked.client_info.host,
    )


def admit(
    issuer: Keypair, asked: Asked, grant: Grant, *, account: str, now_s: int, ends_s: int
) -> bytes:
    """Return the answer that lets a connection in, with the grant's subjects, until `ends_s`."""
    nats: dict[str, object] = {
        "pub": {"allow": list(grant.publish)},
        "sub": {"allow": list(grant.subscribe)},
        "subs": SUBSCRIPTIONS_MAX,
        "data": -1,
        "payload": PAYLOAD_BYTES_MAX,
        "allowed_connection_types": ["STANDARD"],
        "type": "user",
        "version": 2,
    }
    user = {"name": grant.space, "aud": account, "sub": asked.user_nkey, "exp": ends_s}
    token = _signed(issuer, user | {"nats": nats}, now_s=now_s)
    return _answer(issuer, asked, {"jwt": token}, now_s=now_s)


def refuse(issuer: Keypair, asked: Asked, reason: str, *, now_s: int) -> bytes:
    """Return the answer that keeps a connection out; the reason is for the server's log."""
    return _answer(issuer, asked, {"error": reason}, now_s=now_s)


def _answer(issuer: Keypair, asked: Asked, told: dict[str, str], *, now_s: int) -> bytes:
    claims = {
        "aud": asked.server_id,
        "sub": asked.user_nkey,
        "nats": {**told, "type": "authorization_response", "version": 2},
    }
    return _signed(issuer, claims, now_s=now_s).encode()


def _signed(issuer: Keypair, claims: Mapping[str, object], *, now_s: int) -> str:
    told = {**claims, "iss": issuer.public, "iat": now_s}
    digest = hashlib.sha256(msgspec.json.encode(told)).digest()
    told["jti"] = base64.b32encode(digest).decode().rstrip("=")
    text = f"{_pad(msgspec.json.encode(HEADER))}.{_pad(msgspec.json.encode(told))}"
    return f"{text}.{_pad(issuer.sign(text.encode()))}"


def _pad(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unpad(text: str) -> bytes:
    if len(text) > TOKEN_BYTES_MAX:
        raise ValueError("too long")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
