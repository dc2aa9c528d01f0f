"""Was this body signed, just now, by somebody who holds one of the account's secrets?

Both schemes sign the raw bytes as they arrived: HMAC-SHA256 over `<unix time><joint><body>` with
the secret's text as key. Stricter than the providers' own libraries: the window is closed in both
directions and cannot be switched off, the header's grammar is checked to the byte, and every
malformed header ends in the same refusal, never in another exception.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from solvent.systems.payments.errors import WebhookRefused
from solvent.systems.payments.limits import (
    HEADER_CHARS_MAX,
    PADDLE_WINDOW_S,
    SIGNATURES_MAX,
    STRIPE_WINDOW_S,
    TIMESTAMP_DIGITS_MAX,
)
from solvent.systems.payments.model import Provider, Refusal, SigningSecret, Verified

_ITEM = re.compile(r"([a-z][a-z0-9]{0,7})=([A-Za-z0-9+/=_.-]{1,256})\Z", re.ASCII)
_DIGITS = re.compile(rf"(?:0|[1-9][0-9]{{0,{TIMESTAMP_DIGITS_MAX - 1}}})\Z", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_9999_S = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one provider writes and computes its signatures."""

    header: str
    separator: str
    time_key: str
    signature_key: str
    joint: bytes
    """Between the time and the body in the signed bytes."""


SCHEMES: dict[Provider, Scheme] = {
    Provider.STRIPE: Scheme("stripe-signature", ",", "t", "v1", b"."),
    Provider.PADDLE: Scheme("paddle-signature", ";", "ts", "h1", b":"),
}


@dataclass(frozen=True, slots=True)
class SignatureHeader:
    """A header of the right form: when it was signed, and the signatures that count."""

    timestamp: str
    signatures: tuple[bytes, ...]


def verify_stripe(
    body: bytes, headers: Sequence[str], *, secrets: Sequence[SigningSecret], now: datetime
) -> Verified:
    """Return who signed this body; see `verify`."""
    return verify(
        Provider.STRIPE, body, headers, secrets=secrets, now=now, window_s=STRIPE_WINDOW_S
    )


def verify_paddle(
    body: bytes,
    headers: Sequence[str],
    *,
    secrets: Sequence[SigningSecret],
    now: datetime,
    window_s: int = PADDLE_WINDOW_S,
) -> Verified:
    """Return who signed this body; see `verify`."""
    return verify(Provider.PADDLE, body, headers, secrets=secrets, now=now, window_s=window_s)


def verify(
    provider: Provider,
    body: bytes,
    headers: Sequence[str],
    *,
    secrets: Sequence[SigningSecret],
    now: datetime,
    window_s: int,
) -> Verified:
    """Return which secret signed these raw bytes, and when.

    `headers` are all values of the provider's signature header: exactly one may be there. The
    signature is checked before the time, so that only a genuine one is called stale.

    Raises:
        WebhookRefused: any check failed; its `refusal` tells which. Nothing else is ever raised.
    """
    scheme = SCHEMES[provider]
    if len(headers) != 1:
        raise WebhookRefused(Refusal.SIGNATURE_MISSING, field=scheme.header)
    parsed = parse_header(headers[0], scheme)
    secret = _signer(scheme, parsed, body, [secret for secret in secrets if secret.valid(now)])
    if secret is None:
        raise WebhookRefused(Refusal.SIGNATURE_MISMATCH, field=scheme.header)
    signed_at = EPOCH + timedelta(seconds=int(parsed.timestamp))
    _must_be_timely(signed_at, now=now, window_s=window_s, field=scheme.header)
    return Verified(secret.id, signed_at)


def parse_header(text: str, scheme: Scheme) -> SignatureHeader:
    """Return the parts of a signature header.

    The grammar is closed: `key=value` joined by the separator, no spaces, one time of plain
    digits, at most 8 signatures of 64 lower-case hex digits. Well-formed items of other schemes
    (Stripe's v0, whatever follows) are passed over, never taken instead.

    Raises:
        WebhookRefused: the header is not of this form, or no signature of the scheme is in it.
    """
    items = [_ITEM.match(part) for part in text[:HEADER_CHARS_MAX].split(scheme.separator)]
    pairs = [(item[1], item[2]) for item in items if item]
    times = [value for key, value in pairs if key == scheme.time_key]
    signatures = [value for key, value in pairs if key == scheme.signature_key]
    whole = len(text) <= HEADER_CHARS_MAX and len(pairs) == len(items) and len(times) == 1
    if not whole or not _well_formed(times[0], signatures):
        raise WebhookRefused(Refusal.HEADER_MALFORMED, field=scheme.header)
    if not signatures:
        raise WebhookRefused(Refusal.SCHEME_UNSUPPORTED, field=scheme.header)
    return SignatureHeader(times[0], tuple(value.encode() for value in signatures))


def sign(provider: Provider, body: bytes, *, secret: bytes, at: datetime) -> str:
    """Return the header with which the provider signs this body at this time (of any zone)."""
    scheme = SCHEMES[provider]
    timestamp = str(int(at.timestamp()))
    signature = compute(scheme, timestamp, body, secret).decode()
    items = (f"{scheme.time_key}={timestamp}", f"{scheme.signature_key}={signature}")
    return scheme.separator.join(items)


def compute(scheme: Scheme, timestamp: str, body: bytes, secret: bytes) -> bytes:
    """Return the signature as the header carries it: lower-case hex."""
    signed = timestamp.encode() + scheme.joint + body
    return hmac.new(secret, signed, hashlib.sha256).hexdigest().encode()


def _well_formed(timestamp: str, signatures: Sequence[str]) -> bool:
    if not _DIGITS.match(timestamp) or int(timestamp) > YEAR_9999_S:
        return False
    return len(signatures) <= SIGNATURES_MAX and all(map(_HEX.match, signatures))


def _signer(
    scheme: Scheme, header: SignatureHeader, body: bytes, secrets: Sequence[SigningSecret]
) -> SigningSecret | None:
    """Return whose signature is there; every pair is compared, so that time tells nothing."""
    found: SigningSecret | None = None
    for secret in secrets:
        expected = compute(scheme, header.timestamp, body, secret.value)
        for signature in header.signatures:
            if hmac.compare_digest(expected, signature):
                found = secret
    return found


def _must_be_timely(signed_at: datetime, *, now: datetime, window_s: int, field: str) -> None:
    # The header has whole seconds, so whole seconds are compared: 300 s passes, 301 s does not.
    age_s = (now - signed_at) // timedelta(seconds=1)
    if age_s > window_s:
        raise WebhookRefused(Refusal.TIMESTAMP_STALE, field=field)
    if age_s < -window_s:
        raise WebhookRefused(Refusal.TIMESTAMP_FUTURE, field=field)
