"""How is a license carried into a room into which nothing can be carried? Typed, with checks.

Crockford's base 32 with two check symbols a line, as docs/reference/license-file.md fixes it.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from solvent_client.licensing import crypto

SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {symbol: value for value, symbol in enumerate(SYMBOLS)} | {"O": 0, "I": 1, "L": 1}
_DATA_SYMBOLS: Final = 20
_CHECK_SYMBOLS: Final = 2
_MODULUS: Final = 1021
_GROUP: Final = 5
_MAX_LINES: Final = 64
_KEY_SYMBOLS: Final = 25

_REQUEST: Final = 1
_RESPONSE: Final = 2
_PROOF: Final = 3
_SIGNATURE_BYTES: Final = 64
_HEAD_BYTES: Final = 11
SECRET_BYTES: Final = 16
NONCE_BYTES: Final = 8
_FINGERPRINT_BYTES: Final = 16


class Mistyped(Exception):
    """A line of a code has a wrong symbol, or stands in another's place."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"Line {line}: {problem}.")
        self.line = line


def written(raw: bytes) -> list[str]:
    """Return the lines to type for some bytes."""
    bits = int.from_bytes(raw, "big") << -len(raw) * 8 % 5
    count = -(-len(raw) * 8 // 5)
    values = [bits >> 5 * (count - 1 - at) & 31 for at in range(count)]
    return [
        _line(number, values[at : at + _DATA_SYMBOLS])
        for number, at in enumerate(range(0, count, _DATA_SYMBOLS), 1)
    ]


def _line(number: int, values: list[int]) -> str:
    check = _check(number, values)
    symbols = "".join(SYMBOLS[value] for value in (*values, check >> 5, check & 31))
    return "-".join(symbols[at : at + _GROUP] for at in range(0, len(symbols), _GROUP))


def _check(number: int, values: Iterable[int]) -> int:
    return (37 * number + sum(i * value for i, value in enumerate(values, 1))) % _MODULUS


def typed(lines: Iterable[str]) -> bytes:
    """Return the bytes of typed lines.

    Raises:
        Mistyped: names the first line that is not right.
    """
    values: list[int] = []
    count = 0
    for number, line in enumerate((one for one in lines if one.strip(" -\t\r\n")), 1):
        if number > _MAX_LINES:
            raise Mistyped(number, "there are too many lines")
        values += _typed_line(number, line)
        count = number
    whole = len(values) * 5 // 8
    spare = len(values) * 5 - whole * 8
    bits = 0
    for value in values:
        bits = bits << 5 | value
    if spare >= 5 or bits & (1 << spare) - 1:  # noqa: PLR2004 -- a whole symbol too many
        raise Mistyped(count, "it is not complete")
    return (bits >> spare).to_bytes(whole, "big")


def _typed_line(number: int, line: str) -> list[int]:
    symbols = [symbol for symbol in line.upper() if symbol not in " -\t\r\n"]
    strange = next((symbol for symbol in symbols if symbol not in _VALUES), None)
    if strange is not None:
        raise Mistyped(number, f"{strange!r} does not occur in a code")
    values = [_VALUES[symbol] for symbol in symbols]
    if not _CHECK_SYMBOLS < len(values) <= _DATA_SYMBOLS + _CHECK_SYMBOLS:
        raise Mistyped(number, "it has too few or too many symbols")
    data, (high, low) = values[:-_CHECK_SYMBOLS], values[-_CHECK_SYMBOLS:]
    if _check(number, data) != high << 5 | low:
        raise Mistyped(number, "there is a typing mistake in it")
    return data


def canonical_key(key: str) -> str:
    """Return a license key as it stands in every digest, however it was typed."""
    symbols = [symbol for symbol in key.upper() if symbol not in " -\t\r\n"]
    if len(symbols) != _KEY_SYMBOLS or any(symbol not in _VALUES for symbol in symbols):
        return key.strip()
    text = "".join(SYMBOLS[_VALUES[symbol]] for symbol in symbols)
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def key_has_mistake(key: str) -> bool:
    """Say whether a key of our form has wrong check symbols; other keys cannot be told."""
    canonical = canonical_key(key).replace("-", "")
    if len(canonical) != _KEY_SYMBOLS or any(symbol not in _VALUES for symbol in canonical):
        return False
    values = [_VALUES[symbol] for symbol in canonical]
    return _check(1, values[:-2]) != values[-2] << 5 | values[-1]


# --------------------------------------------------------------------------------- the three codes


def nonce_of(secret: bytes) -> bytes:
    """Return what a request shows of its secret: 16 bytes, of which typed codes take 8."""
    return hashlib.sha256(b"solvent nonce v1\0" + secret).digest()[:16]


def request_code(fingerprint: str, nonce: bytes) -> list[str]:
    """Return the lines of a typed request."""
    raw = bytes.fromhex(fingerprint)[:_FINGERPRINT_BYTES] + nonce[:NONCE_BYTES]
    return written(bytes([_REQUEST]) + raw)


def deactivation_code(secret: bytes) -> list[str]:
    """Return the lines of a typed deactivation proof."""
    return written(bytes([_PROOF]) + secret)


class Response(NamedTuple):
    """What a typed response grants. Moments are seconds since 1970; expiry None: never."""

    trial: bool
    issued: int
    expiry: int | None
    features: tuple[str, ...]
    body: bytes
    signature: bytes


def read_response(lines: Iterable[str]) -> Response:
    """Return what a typed response says; its signature is not looked at here.

    Raises:
        Mistyped: a line is wrong, or this is no response.
    """
    raw = typed(lines)
    if len(raw) < _HEAD_BYTES + _SIGNATURE_BYTES or raw[0] != _RESPONSE:
        raise Mistyped(1, "this is no answer to a request")
    length = raw[10]
    body, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
    if len(body) != _HEAD_BYTES + length or not body[_HEAD_BYTES:].isascii():
        raise Mistyped(1, "lines are missing")
    expiry = int.from_bytes(raw[6:10], "big")
    features = body[_HEAD_BYTES:].decode("ascii")
    return Response(
        trial=bool(raw[1] & 1),
        issued=int.from_bytes(raw[2:6], "big"),
        expiry=expiry or None,
        features=tuple(features.split(",")) if features else (),
        body=body,
        signature=signature,
    )


def is_answer(
    response: Response,
    public_keys: tuple[bytes, ...],
    *,
    product: str,
    license_key: str,
    request: tuple[str, bytes],
) -> bool:
    """Say whether the publisher signed this response for that request and license key.

    Args:
        response: what was typed.
        public_keys: the publisher's.
        product: the program.
        license_key: as `canonical_key` returns it.
        request: fingerprint and nonce of the request.
    """
    fingerprint, nonce = request
    key_digest = hashlib.sha256(license_key.encode()).hexdigest()
    shown = (fingerprint[: 2 * _FINGERPRINT_BYTES], nonce[:NONCE_BYTES].hex())
    message = "\n".join((f"code/{product}", key_digest, *shown, response.body.hex())).encode()
    return any(crypto.is_signed(key, response.signature, message) for key in public_keys)
