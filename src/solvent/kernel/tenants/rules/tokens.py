"""Is this tenant token (a JWT) one of ours, for us, and in force?

One algorithm (EdDSA), one form of header, one audience, a short life. The header is compared with
what we write and never chooses anything: `alg` tricks have nothing to hold on to.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from solvent.kernel.signing.model import KID_PREFIX
from solvent.kernel.tenants.errors import TokenClaimsInvalid, TokenInvalid
from solvent.kernel.tenants.model import TENANT_PREFIX
from solvent.kit.ids import TenantId, is_id

RING = "tenants.token"
AUDIENCE = "solvent"
TYPE = "solvent+jwt"
LIFE_MAX = timedelta(hours=1)
SKEW = timedelta(seconds=5)
LENGTH_MAX = 4096
SUBJECT_LENGTH_MAX = 200
_PART = re.compile(r"[A-Za-z0-9_-]+\Z")
_CLAIMS = frozenset({"iss", "aud", "sub", "iat", "exp", "scope"})


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: the tenant that issued it, for whom, with which scopes, how long."""

    tenant_id: TenantId
    subject: str
    scopes: frozenset[str]
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ParsedToken:
    """A token read but not yet believed."""

    claims: Claims
    kid: str
    signed: bytes
    signature: bytes


def claims(
    tenant_id: TenantId, *, subject: str, scopes: Iterable[str], now: datetime, life: timedelta
) -> Claims:
    """Return the claims of a new token, in whole seconds.

    Raises:
        TokenClaimsInvalid: no subject, or a life that is none or too long.
    """
    whole_s = timedelta(seconds=life // timedelta(seconds=1))
    fits = 0 < len(subject) <= SUBJECT_LENGTH_MAX and subject.isprintable()
    if not fits or not timedelta(0) < whole_s <= LIFE_MAX:
        raise TokenClaimsInvalid
    issued_at = now.astimezone(UTC).replace(microsecond=0)
    return Claims(tenant_id, subject, frozenset(scopes), issued_at, issued_at + whole_s)


def signing_input(token: Claims, *, kid: str) -> str:
    """Return the part of the token that is signed: header and payload."""
    payload = {
        "iss": token.tenant_id,
        "aud": AUDIENCE,
        "sub": token.subject,
        "iat": int(token.issued_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "scope": " ".join(sorted(token.scopes)),
    }
    return f"{_encode(_header(kid))}.{_encode(payload)}"


def compact(signing_text: str, signature_hex: str) -> str:
    """Return the whole token."""
    return f"{signing_text}.{_b64(bytes.fromhex(signature_hex))}"


def looks_like_token(text: str) -> bool:
    """Return whether the text has a token's three parts."""
    return text.count(".") == 2  # noqa: PLR2004 - header, payload, signature


def parse(text: str) -> ParsedToken:
    """Read a token strictly, believing nothing yet.

    Raises:
        TokenInvalid: any deviation from the one form that we write.
    """
    parts = text.split(".")
    if len(text) > LENGTH_MAX or len(parts) != 3:  # noqa: PLR2004 - as above
        raise TokenInvalid
    header, payload = (_decode_object(part) for part in parts[:2])
    kid = header.get("kid")
    if not isinstance(kid, str) or not is_id(kid, prefix=KID_PREFIX) or header != _header(kid):
        raise TokenInvalid
    signed = f"{parts[0]}.{parts[1]}".encode()
    return ParsedToken(_claims(payload), kid, signed, _unb64(parts[2]))


def check_in_force(token: Claims, *, now: datetime) -> None:
    """Let pass only a token between its issue and its end, whose life is not too long.

    Raises:
        TokenInvalid: issued in the future, expired, or made to live longer than we ever allow.
    """
    life = token.expires_at - token.issued_at
    in_force = token.issued_at - SKEW <= now < token.expires_at
    if not in_force or not timedelta(0) < life <= LIFE_MAX:
        raise TokenInvalid


def _claims(payload: dict[str, object]) -> Claims:
    issuer, subject, scope = (payload.get(name) for name in ("iss", "sub", "scope"))
    issued, expires = payload.get("iat"), payload.get("exp")
    if payload.keys() != _CLAIMS or payload["aud"] != AUDIENCE:
        raise TokenInvalid
    if not isinstance(issuer, str) or not is_id(issuer, prefix=TENANT_PREFIX):
        raise TokenInvalid
    if not isinstance(subject, str) or not isinstance(scope, str):
        raise TokenInvalid
    return Claims(
        tenant_id=TenantId(issuer),
        subject=subject,
        scopes=frozenset(scope.split()),
        issued_at=_moment(issued),
        expires_at=_moment(expires),
    )


def _moment(value: object) -> datetime:
    if type(value) is not int:
        raise TokenInvalid
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise TokenInvalid from None


def _header(kid: str) -> dict[str, object]:
    return {"alg": "EdDSA", "kid": kid, "typ": TYPE}


def _encode(value: Mapping[str, object]) -> str:
    return _b64(json.dumps(value, separators=(",", ":"), sort_keys=True).encode())


def _decode_object(part: str) -> dict[str, object]:
    try:
        value = json.loads(_unb64(part), object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError):
        raise TokenInvalid from None
    if not isinstance(value, dict):
        raise TokenInvalid
    return cast("dict[str, object]", value)


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a name given twice: two readers could take a different one of them."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(part: str) -> bytes:
    """Decode the one spelling of some bytes; another one of the same bytes is refused."""
    if not _PART.match(part):
        raise TokenInvalid
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise TokenInvalid from None
    if _b64(raw) != part:
        raise TokenInvalid
    return raw
