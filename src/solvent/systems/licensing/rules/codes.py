"""How do a license key, a request and its answer get through a keyboard without a mistake?

Crockford's base 32 in lines of 20 symbols, each closed by two check symbols: any one wrong symbol,
any two exchanged ones and exchanged lines are noticed (1021 is prime and greater than 32 * 20).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from solvent.kit.clock import format_time
from solvent.systems.licensing.errors import CodeMistyped, FeaturesTooLong
from solvent.systems.licensing.model import Feature, License

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LINE_SYMBOLS = 20
CHECK_SYMBOLS = 2
GROUP = 5
KEY_SYMBOLS = 25
CODE_CHARS_MAX = 2_000
MODULUS = 1021
LINE_STEP = 37
FINGERPRINT_BYTES = 16
NONCE_BYTES = 8
SECRET_BYTES = 16
SIGNATURE_BYTES = 64
FEATURES_BYTES_MAX = 200
REQUEST, RESPONSE, DEACTIVATION = 1, 2, 3
_BITS = 5
_BASE = 32
_VALUE = {symbol: value for value, symbol in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_SKIPPED = re.compile(r"[\s-]+")
_HEAD = struct.Struct(">BBIIB")


@dataclass(frozen=True, slots=True)
class TypedRequest:
    """What a machine without any way out says of itself: both in hex."""

    fingerprint: str
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedResponse:
    """What is answered to it, before it is signed; moments are whole seconds."""

    issued: datetime
    expiry: datetime | None
    trial: bool
    features: tuple[str, ...]

    @property
    def body(self) -> bytes:
        """Return the bytes before the signature."""
        features = ",".join(self.features).encode("ascii")
        expiry = 0 if self.expiry is None else _seconds(self.expiry)
        head = _HEAD.pack(RESPONSE, self.trial, _seconds(self.issued), expiry, len(features))
        return head + features

    def message(self, *, product: str, key_digest: str, request: TypedRequest) -> bytes:
        """Return what is signed: the answer, and what both sides know of the question."""
        lines = (product, key_digest, request.fingerprint, request.nonce, self.body.hex())
        return ("code/" + "\n".join(lines)).encode()


def write(raw: bytes) -> str:
    """Return bytes as the lines that a person types."""
    symbols = _symbols(raw)
    starts = range(0, len(symbols), LINE_SYMBOLS)
    lines = [symbols[start : start + LINE_SYMBOLS] for start in starts]
    return "\n".join(_grouped(line + _check(line, number)) for number, line in enumerate(lines, 1))


def read(text: str) -> bytes:
    """Return the bytes that a person typed, however they set blanks, hyphens and lines.

    Raises:
        CodeMistyped: a line's check symbols do not fit; `line` says which.
    """
    symbols = normal(text)
    step = LINE_SYMBOLS + CHECK_SYMBOLS
    lines = [symbols[start : start + step] for start in range(0, len(symbols), step)]
    for number, line in enumerate(lines, 1):
        body, check = line[:-CHECK_SYMBOLS], line[-CHECK_SYMBOLS:]
        if not body or _check(body, number) != check:
            raise CodeMistyped(f"line {number} was mistyped", field="code", line=number)
    return _bytes("".join(line[:-CHECK_SYMBOLS] for line in lines))


def read_request(text: str) -> TypedRequest:
    """Return what a typed request says; raises CodeMistyped."""
    raw = _of_kind(text, REQUEST, 1 + FINGERPRINT_BYTES + NONCE_BYTES)
    return TypedRequest(raw[1 : 1 + FINGERPRINT_BYTES].hex(), raw[1 + FINGERPRINT_BYTES :].hex())


def read_deactivation(text: str) -> str:
    """Return the secret, in hex, that a typed deactivation reveals; raises CodeMistyped."""
    return _of_kind(text, DEACTIVATION, 1 + SECRET_BYTES)[1:].hex()


def read_response(text: str) -> tuple[TypedResponse, bytes]:
    """Return a typed answer and its signature, which nobody has checked yet.

    Raises:
        CodeMistyped: it is none.
    """
    raw = read(text)
    if len(raw) < _HEAD.size or raw[0] != RESPONSE:
        raise CodeMistyped(field="code")
    _, trial, issued, expiry, length = _HEAD.unpack_from(raw)
    end = _HEAD.size + length
    if len(raw) != end + SIGNATURE_BYTES or trial > 1 or not raw[_HEAD.size : end].isascii():
        raise CodeMistyped(field="code")
    features = raw[_HEAD.size : end].decode("ascii")
    told = TypedResponse(
        issued=_moment(issued),
        expiry=_moment(expiry) if expiry else None,
        trial=bool(trial),
        features=tuple(features.split(",")) if features else (),
    )
    return told, raw[end:]


def short_list(features: Mapping[str, Feature]) -> tuple[str, ...]:
    """Return the features that are on, as a typed answer names them.

    Raises:
        FeaturesTooLong: they take more than 200 characters.
    """
    told = tuple(code for code, value in sorted(features.items()) if value is not False)
    if len(",".join(told)) > FEATURES_BYTES_MAX:
        raise FeaturesTooLong(field="code")
    return told


def license_key(raw: bytes) -> str:
    """Return a license key of at least 15 random bytes: 23 symbols of them, and two that check."""
    symbols = _symbols(raw)[: KEY_SYMBOLS - CHECK_SYMBOLS]
    return _grouped(symbols + _check(symbols, 1))


def signed_key_body(held: License) -> str:
    """Return the part of a signed key that is signed: Keygen's form, readable with no network."""
    told = {
        "license": held.id,
        "product": held.policy.product,
        "created": format_time(held.created_at),
        "expiry": format_time(held.expires_at) if held.expires_at else None,
    }
    dataset = json.dumps(told, separators=(",", ":")).encode()
    return f"key/{base64.urlsafe_b64encode(dataset).decode()}"


def signed_key(body: str, signature: bytes) -> str:
    """Return the whole of a signed key."""
    return f"{body}.{base64.urlsafe_b64encode(signature).decode()}"


def normal_key(text: str) -> str:
    """Return a license key in the form that its digest is of, as far as it is one of ours."""
    stripped = text.strip()
    try:
        symbols = normal(stripped)
    except CodeMistyped:
        return stripped
    return _grouped(symbols) if len(symbols) == KEY_SYMBOLS else stripped


def key_digest(key: str) -> str:
    """Return the hex digest that a license key is known by; it is random: a fast hash will do."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def normal(text: str) -> str:
    """Return typed symbols in one spelling; raises CodeMistyped for any that is none."""
    typed = _SKIPPED.sub("", text[:CODE_CHARS_MAX]).upper()
    if not typed or any(symbol not in _VALUE for symbol in typed):
        raise CodeMistyped(field="code")
    return "".join(ALPHABET[_VALUE[symbol]] for symbol in typed)


def _of_kind(text: str, kind: int, size: int) -> bytes:
    raw = read(text)
    if len(raw) != size or raw[0] != kind:
        raise CodeMistyped("this is another kind of code", field="code")
    return raw


def _check(symbols: str, line: int) -> str:
    weighed = sum(place * _VALUE[symbol] for place, symbol in enumerate(symbols, 1))
    check = (LINE_STEP * line + weighed) % MODULUS
    return ALPHABET[check // _BASE] + ALPHABET[check % _BASE]


def _symbols(raw: bytes) -> str:
    count = -(-len(raw) * 8 // _BITS)
    value = int.from_bytes(raw) << (count * _BITS - len(raw) * 8)
    return "".join(
        ALPHABET[value >> shift & 31] for shift in range((count - 1) * _BITS, -1, -_BITS)
    )


def _bytes(symbols: str) -> bytes:
    size, spare = divmod(len(symbols) * _BITS, 8)
    value = 0
    for symbol in symbols:
        value = value << _BITS | _VALUE[symbol]
    if spare >= _BITS or value & ((1 << spare) - 1):
        raise CodeMistyped(field="code")
    return (value >> spare).to_bytes(size)


def _grouped(symbols: str) -> str:
    return "-".join(symbols[start : start + GROUP] for start in range(0, len(symbols), GROUP))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
