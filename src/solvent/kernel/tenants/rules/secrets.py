"""How does a key or a one-time token read, and what is kept of it?"""

from __future__ import annotations

import hashlib
import re
import zlib

from solvent.kernel.tenants.errors import KeyInvalid
from solvent.kernel.tenants.model import KeyKind, Mode
from solvent.kit.ids import ALPHABET

KEY_BYTES = 20
"""160 bits of chance: nobody finds a key by trying, nor from its SHA-256."""

TOKEN_BYTES = 32
"""256 bits for what opens a console: links and sessions."""

_PREFIX_OF_KIND = {KeyKind.SECRET: "sk", KeyKind.PUBLISHABLE: "pk"}
_KEY = re.compile(rf"((?:sk|pk)_(?:live|test)_[{ALPHABET}]{{32}})([{ALPHABET}]{{7}})\Z")
_TOKEN = re.compile(rf"[{ALPHABET}]{{52}}\Z")


def key_text(kind: KeyKind, mode: Mode, *, chance: str) -> str:
    """Return a key: what it is, 32 characters of chance, 7 of checksum.

    The checksum lets a typing error, and a scanner's find, be told from a key without a lookup.
    """
    body = f"{_PREFIX_OF_KIND[kind]}_{mode}_{chance}"
    return body + _checksum(body)


def key_hash(text: str) -> bytes:
    """Return the SHA-256 that a key is found by.

    Raises:
        KeyInvalid: the text is no key: wrong form or wrong checksum.
    """
    found = _KEY.match(text)
    if not found or _checksum(found[1]) != found[2]:
        raise KeyInvalid
    return hashlib.sha256(text.encode()).digest()


def prefix_of(kind: KeyKind, mode: Mode) -> str:
    """Return how all keys of this kind and mode begin."""
    return f"{_PREFIX_OF_KIND[kind]}_{mode}_"


def token_hash(text: str) -> bytes | None:
    """Return the SHA-256 that a token is found by, None if the text is no token at all."""
    return hashlib.sha256(text.encode()).digest() if _TOKEN.match(text) else None


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    return "".join(ALPHABET[(value >> shift) & 31] for shift in range(30, -1, -5))
