"""How does a secret rest on disk so that the disk alone does not tell it?

Envelope encryption: each secret under a data key of its own (AES-256-GCM), the data key under the
master key. The context (who and what for) is authenticated data, so that a sealed secret moved
to another row does not open. Layout: version (1 byte), master key id (8), wrapped data key
(12 nonce + 32 + 16 tag), nonce (12), ciphertext + tag (16).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
KEY_ID_BYTES = 8
_VERSION = b"\x01"
_WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16
_HEAD_BYTES = 1 + KEY_ID_BYTES + _WRAPPED_BYTES


class SealBroken(Exception):
    """A sealed secret does not open: other master key, other context, or changed bytes."""


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals and opens secrets; the first master key seals, all of them open."""

    master_keys: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuse keys of another length than 32 bytes."""
        if not self.master_keys or any(len(key) != KEY_BYTES for key in self.master_keys):
            msg = f"a vault needs at least one master key of {KEY_BYTES} bytes"
            raise ValueError(msg)

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Return the secret sealed for this context."""
        master, data_key, bound = self.master_keys[0], os.urandom(KEY_BYTES), context.encode()
        head = _VERSION + _key_id(master)
        return (
            head + _encrypt(master, data_key, bound + head) + _encrypt(data_key, plaintext, bound)
        )

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Return the secret.

        Raises:
            SealBroken: it was not sealed for this context under a key of this vault.
        """
        head, bound = sealed[: 1 + KEY_ID_BYTES], context.encode()
        master = next((key for key in self.master_keys if head == _VERSION + _key_id(key)), None)
        if master is None:
            msg = "sealed under a master key that this vault does not hold"
            raise SealBroken(msg)
        data_key = _decrypt(master, sealed[len(head) : _HEAD_BYTES], bound + head)
        return _decrypt(data_key, sealed[_HEAD_BYTES:], bound)


def new_master_key() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(KEY_BYTES)


def same(left: bytes, right: bytes) -> bool:
    """Compare two secrets in time that does not tell where they differ."""
    return hmac.compare_digest(left, right)


def _key_id(master: bytes) -> bytes:
    return hashlib.sha256(b"solvent master key id" + master).digest()[:KEY_ID_BYTES]


def _encrypt(key: bytes, plaintext: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, bound)


def _decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        msg = "sealed for another context, or changed since"
        raise SealBroken(msg) from None
