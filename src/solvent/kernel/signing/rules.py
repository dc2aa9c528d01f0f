"""How are signatures made and checked, so that one purpose's never passes for another's?"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from solvent.kernel.signing.model import Algorithm, Key, KeyPair

PURPOSE = re.compile(r"[a-z][a-z0-9_.-]{2,63}\Z")
SIGNATURE_HEX_MAX = 160
SECRET_BYTES = 32
_FRAME = b"solvent signature v1"
_CURVE = ec.SECP256K1()
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_CURVE_BYTES = 32


def framed(message: bytes, *, purpose: str) -> bytes:
    """Return what is really signed: the message behind its purpose.

    A purpose holds no NUL, so no pair of purpose and message reads like another pair.

    Raises:
        ValueError: the purpose is not a short lower-case name; that is the caller's bug.
    """
    if not PURPOSE.match(purpose):
        msg = f"a signing purpose reads module.what, not {purpose!r}"
        raise ValueError(msg)
    return b"\0".join((_FRAME, purpose.encode(), message))


def make_pair(algorithm: Algorithm) -> KeyPair:
    """Return a new key's raw halves."""
    match algorithm:
        case Algorithm.ED25519:
            edwards = ed25519.Ed25519PrivateKey.generate()
            return KeyPair(edwards.private_bytes_raw(), edwards.public_key().public_bytes_raw())
        case Algorithm.SECP256K1:
            curve = ec.generate_private_key(_CURVE)
            point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            return KeyPair(_scalar(curve), point)
        case Algorithm.HMAC_SHA256:
            return KeyPair(os.urandom(SECRET_BYTES), None)


def sign(algorithm: Algorithm, private: bytes, message: bytes) -> str:
    """Return the signature over exactly these bytes, in hex; ECDSA as DER with a low s."""
    match algorithm:
        case Algorithm.ED25519:
            return ed25519.Ed25519PrivateKey.from_private_bytes(private).sign(message).hex()
        case Algorithm.SECP256K1:
            key = ec.derive_private_key(int.from_bytes(private), _CURVE)
            return low_s(key.sign(message, ec.ECDSA(hashes.SHA256()))).hex()
        case Algorithm.HMAC_SHA256:
            return hmac.new(private, message, hashlib.sha256).hexdigest()


def verifies(algorithm: Algorithm, secret_or_public: bytes, message: bytes, value: str) -> bool:
    """Return whether the hex signature is the key's over exactly these bytes; never raises."""
    signature = _unhex(value)
    if signature is None:
        return False
    match algorithm:
        case Algorithm.ED25519:
            return _verifies_ed25519(secret_or_public, message, signature)
        case Algorithm.SECP256K1:
            return _verifies_secp256k1(secret_or_public, message, signature)
        case Algorithm.HMAC_SHA256:
            expected = hmac.new(secret_or_public, message, hashlib.sha256).digest()
            return hmac.compare_digest(expected, signature)


def low_s(der: bytes) -> bytes:
    """Return the one of an ECDSA signature's two forms whose s is in the lower half."""
    r, s = decode_dss_signature(der)
    return encode_dss_signature(r, min(s, _CURVE_ORDER - s))


def jwk(key: Key) -> dict[str, str]:
    """Return the public half as a JSON Web Key (RFC 8037 for Ed25519, RFC 8812 for secp256k1).

    Raises:
        ValueError: the key has no public half.
    """
    if key.public is None:
        msg = f"a {key.algorithm} key has no public half"
        raise ValueError(msg)
    common = {"kid": key.kid, "use": "sig"}
    if key.algorithm is Algorithm.ED25519:
        return common | {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": b64url(key.public)}
    x, y = key.public[1 : 1 + _CURVE_BYTES], key.public[1 + _CURVE_BYTES :]
    return common | {
        "kty": "EC",
        "crv": "secp256k1",
        "alg": "ES256K",
        "x": b64url(x),
        "y": b64url(y),
    }


def b64url(raw: bytes) -> str:
    """Return base64url without padding, as JSON Web Keys and tokens write it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(_CURVE_BYTES)


def _unhex(value: str) -> bytes | None:
    if len(value) > SIGNATURE_HEX_MAX or not value.isascii() or value != value.lower():
        return None
    try:
        raw = bytes.fromhex(value)
    except ValueError:
        return None
    return raw if raw.hex() == value else None


def _verifies_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _verifies_secp256k1(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check, and refuse the high-s twin that anybody can make of a good signature."""
    try:
        if low_s(signature) != signature:
            return False
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, public)
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
