"""How do the keys of NATS read, and how does one sign and check by them?

An nkey is an Ed25519 key in text: base 32 of a prefix byte, 32 bytes and a CRC-16, so that its kind
is told by its first letter (A an account, U a user, N a server, S a seed) and a typing error by its
end. Source: the nkeys specification of NATS. This module imports the standard library only until a
key is made or used, as the supervisor reads public keys too.
"""

from __future__ import annotations

import base64
import binascii
import sys
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

KEY_BYTES = 32
CRC_BYTES = 2
SEED_PREFIX = 18 << 3
PUBLIC_CHARS = 56


class KeyKind(IntEnum):
    """Whose key it is: the prefix byte."""

    ACCOUNT = 0
    SERVER = 13 << 3
    USER = 20 << 3


class NkeyMalformed(ValueError):
    """This is no nkey of the kind that was expected."""


@dataclass(frozen=True, slots=True)
class Keypair:
    """A key that signs; `public` is its public text, `seed` the secret one."""

    public: str
    seed: str

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - see above
            Ed25519PrivateKey,
        )

        return Ed25519PrivateKey.from_private_bytes(_raw_seed(self.seed)).sign(message)


def new_keypair(kind: KeyKind) -> Keypair:
    """Return a fresh key of 256 random bits."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - see above
        Ed25519PrivateKey,
    )

    raw = Ed25519PrivateKey.generate().private_bytes_raw()
    head = bytes((SEED_PREFIX | kind >> 5, (kind & 31) << 3))
    return keypair_of(_encode(head + raw), kind)


def keypair_of(seed: str, kind: KeyKind) -> Keypair:
    """Return the key of a seed.

    Raises:
        NkeyMalformed: it is no seed of this kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - see above
        Ed25519PrivateKey,
    )

    decoded = _decode(seed, bytes_in=KEY_BYTES + 2)
    if (decoded[0] & 7) << 5 | decoded[1] >> 3 != kind:
        raise NkeyMalformed(f"expected a seed of the kind {kind.name.lower()}")
    public = Ed25519PrivateKey.from_private_bytes(decoded[2:]).public_key().public_bytes_raw()
    return Keypair(_encode(bytes((kind,)) + public), seed)


def is_public(text: str, kind: KeyKind) -> bool:
    """Return whether the text is a public key of this kind."""
    try:
        return _decode(text, bytes_in=KEY_BYTES + 1)[0] == kind
    except NkeyMalformed:
        return False


def verify(public: str, message: bytes, signature: bytes) -> bool:
    """Return whether the signature of the message is this key's."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - see above
        Ed25519PublicKey,
    )

    try:
        raw = _decode(public, bytes_in=KEY_BYTES + 1)[1:]
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (NkeyMalformed, InvalidSignature, ValueError):
        return False
    return True


def _raw_seed(seed: str) -> bytes:
    return _decode(seed, bytes_in=KEY_BYTES + 2)[2:]


def _encode(body: bytes) -> str:
    crc = binascii.crc_hqx(body, 0).to_bytes(CRC_BYTES, "little")
    return base64.b32encode(body + crc).decode().rstrip("=")


def _decode(text: str, *, bytes_in: int) -> bytes:
    """Return prefix and key; raises NkeyMalformed."""
    try:
        data = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise NkeyMalformed("expected base 32 in capitals") from None
    body, crc = data[:-CRC_BYTES], data[-CRC_BYTES:]
    right = binascii.crc_hqx(body, 0).to_bytes(CRC_BYTES, "little") == crc
    if len(body) != bytes_in or not right or _encode(body) != text:
        raise NkeyMalformed("the length or the checksum is wrong")
    return body


def load_or_make(path: Path) -> Keypair:
    """Return the account key in a file; make one, for its owner's eyes alone, where there is none.

    Raises:
        NkeyMalformed: the file holds something else.
    """
    if not path.exists():
        made = new_keypair(KeyKind.ACCOUNT)
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        beside.touch(mode=0o600)
        beside.write_text(f"{made.public}\n{made.seed}\n", encoding="ascii")
        beside.replace(path)
    return keypair_of(path.read_text(encoding="ascii").split()[-1], KeyKind.ACCOUNT)


def main() -> None:
    """See to it that the file of the first argument holds an account key."""
    load_or_make(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
