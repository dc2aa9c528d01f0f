"""Who says that this message is ours, and how does a receiver hold us to it?

Standard Webhooks 1.0: signed is `id.timestamp.body`. `v1` is HMAC-SHA256 under a shared secret,
`v1a` Ed25519 (RFC 8032) under a private key; a header holds any number of signatures.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from solvent.kit.crypto import same
from solvent.systems.webhooks.errors import SecretMalformed
from solvent.systems.webhooks.limits import SECRET_BYTES_MAX, SECRET_BYTES_MIN
from solvent.systems.webhooks.model import SignatureScheme

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

SHARED = "whsec_"
PRIVATE = "whsk_"
PUBLIC = "whpk_"
PREFIXES = {SignatureScheme.V1: SHARED, SignatureScheme.V1A: PRIVATE}
TOLERANCE_S = 300
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Key:
    """What signs: the bytes of a shared secret, or the seed of a private key."""

    scheme: SignatureScheme
    raw: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """Return the key as it is shown, once."""
        return PREFIXES[self.scheme] + base64.b64encode(self.raw).decode()

    @property
    def public_text(self) -> str | None:
        """Return the public half of a private key."""
        if self.scheme is SignatureScheme.V1:
            return None
        public = Ed25519PrivateKey.from_private_bytes(self.raw).public_key()
        return PUBLIC + base64.b64encode(public.public_bytes_raw()).decode()


def read_shared(text: str) -> Key:
    """Return the shared secret of a text `whsec_…`.

    Raises:
        SecretMalformed: another prefix, no base64, or not 24 to 64 bytes.
    """
    raw = _decoded(text, SHARED)
    if raw is None or not SECRET_BYTES_MIN <= len(raw) <= SECRET_BYTES_MAX:
        raise SecretMalformed(field="secret")
    return Key(SignatureScheme.V1, raw)


def sign(keys: Iterable[Key], *, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers; one signature a key, in their order."""
    seconds = str(int(at.timestamp()))
    content = f"{id}.{seconds}.".encode() + body
    signatures = [f"{key.scheme.value},{_signature(key, content)}" for key in keys]
    return {ID: id, TIMESTAMP: seconds, SIGNATURE: " ".join(signatures)}


def is_signed_by(headers: dict[str, str], body: bytes, verifier: str, *, at: datetime) -> bool:
    """Return whether a request is genuine and of now, by a secret `whsec_…` or a key `whpk_…`.

    The time may lie 300 s in the past and in the future; signatures of other schemes count for
    nothing.
    """
    seconds = headers.get(TIMESTAMP, "")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 12):  # noqa: PLR2004
        return False
    if abs(int(at.timestamp()) - int(seconds)) > TOLERANCE_S or not headers.get(ID):
        return False
    content = f"{headers[ID]}.{seconds}.".encode() + body
    told = [one.partition(",") for one in headers.get(SIGNATURE, "").split(" ")]
    scheme = SignatureScheme.V1 if verifier.startswith(SHARED) else SignatureScheme.V1A
    return any(
        name == scheme.value and _holds(verifier, content, signature) for name, _, signature in told
    )


def _signature(key: Key, content: bytes) -> str:
    if key.scheme is SignatureScheme.V1:
        raw = hmac.new(key.raw, content, hashlib.sha256).digest()
    else:
        raw = Ed25519PrivateKey.from_private_bytes(key.raw).sign(content)
    return base64.b64encode(raw).decode()


def _holds(verifier: str, content: bytes, signature: str) -> bool:
    if verifier.startswith(SHARED):
        expected = _signature(read_shared(verifier), content)
        return same(signature.encode(), expected.encode())
    public, raw = _decoded(verifier, PUBLIC), _base64(signature)
    if public is None or raw is None or len(public) != KEY_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(raw, content)
    except InvalidSignature:
        return False
    return True


def _decoded(text: str, prefix: str) -> bytes | None:
    return _base64(text.removeprefix(prefix)) if text.startswith(prefix) else None


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
