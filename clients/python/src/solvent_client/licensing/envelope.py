"""Which kind of file is this, what is signed in it, and is it whole?

The envelope of docs/reference/license-file.md. Reading returns an `Envelope` or the reason why it
is none; it never raises.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Final, NamedTuple, cast

MAX_BYTES: Final = 262_144
MAX_DEPTH: Final = 64
_LINE: Final = 60

LICENSE: Final = "LICENSE FILE"
MACHINE: Final = "MACHINE FILE"
REVOCATIONS: Final = "REVOCATION LIST"
REQUEST: Final = "ACTIVATION REQUEST"
PROOF: Final = "DEACTIVATION PROOF"

PREFIXES: Final[Mapping[str, str]] = {
    LICENSE: "license/",
    MACHINE: "machine/",
    REVOCATIONS: "revocations/",
    REQUEST: "request/",
    PROOF: "deactivation/",
}

PLAIN: Final = "base64+ed25519"
BOXED: Final = "aes-256-gcm+ed25519"
SUMMED: Final = "base64+sha256"

_ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    LICENSE: frozenset({PLAIN, BOXED}),
    MACHINE: frozenset({PLAIN, BOXED}),
    REVOCATIONS: frozenset({PLAIN}),
    REQUEST: frozenset({SUMMED}),
    PROOF: frozenset({SUMMED}),
}


class Envelope(NamedTuple):
    """A file's parts. `parts` are the bytes of `enc`: one, or ciphertext, iv and tag."""

    kind: str
    alg: str
    enc: str
    parts: tuple[bytes, ...]
    signature: bytes

    def message(self, kind: str | None = None) -> bytes:
        """Return the bytes that are signed, as this kind or as another would have them."""
        return (PREFIXES[kind or self.kind] + self.enc).encode("ascii")


def open_envelope(text: str | bytes) -> Envelope | str:
    """Return the parts of a file of any kind, or the reason why it is none."""
    if len(text) > MAX_BYTES:
        return "too_large"
    try:
        ascii_text = text.decode("ascii") if isinstance(text, bytes) else text
        ascii_text.encode("ascii")
    except UnicodeError:
        return "malformed" if _begins(text) else "not_a_license_file"
    lines = [line.strip() for line in ascii_text.strip().splitlines()]
    kind = _marked(lines[0], "BEGIN") if lines else None
    if kind is None:
        return "not_a_license_file"
    last = lines[-1]
    if len(lines) == 1 or not (last.startswith("-----END ") and last.endswith("-----")):
        return "truncated"
    if _marked(last, "END") != kind:
        return "malformed"
    return _of_certificate(kind, "".join(lines[1:-1]))


def _begins(text: str | bytes) -> bool:
    return text[:11] in {"-----BEGIN ", b"-----BEGIN "}


def _marked(line: str, word: str) -> str | None:
    """Return the kind that a first or last line names; None if it names none."""
    return next((kind for kind in PREFIXES if line == f"-----{word} {kind}-----"), None)


def _of_certificate(kind: str, certificate: str) -> Envelope | str:
    raw = decode(certificate)
    fields = None if raw is None else parse_json(raw)
    if not isinstance(fields, dict):
        return "malformed"
    named = cast("dict[str, object]", fields)
    enc, sig, alg = named.get("enc"), named.get("sig"), named.get("alg")
    if set(named) != {"enc", "sig", "alg"}:
        return "malformed"
    if not (isinstance(enc, str) and isinstance(sig, str) and isinstance(alg, str)):
        return "malformed"
    if alg not in _ALGORITHMS[kind]:
        return "algorithm_not_supported"
    parts = [decode(part) for part in enc.split(".")]
    signature = decode(sig)
    if signature is None or len(parts) != (3 if alg == BOXED else 1):
        return "malformed"
    whole = tuple(part for part in parts if part is not None)
    return Envelope(kind, alg, enc, whole, signature) if len(whole) == len(parts) else "malformed"


def decode(text: str) -> bytes | None:
    """Return what canonical, padded base64 stands for; None if it is not that."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode("ascii") == text else None


def parse_json(raw: bytes) -> object:
    """Return the JSON value of UTF-8 bytes; None if it is none, or nested without end."""
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> None:
    raise ValueError(name)


def is_whole(envelope: Envelope) -> bool:
    """Say whether the checksum of a request or a proof is right."""
    return hmac.compare_digest(hashlib.sha256(envelope.message()).digest(), envelope.signature)


def write_summed(kind: str, payload: Mapping[str, object]) -> str:
    """Return the text of a request or a proof."""
    raw = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    enc = base64.b64encode(raw).decode("ascii")
    digest = hashlib.sha256((PREFIXES[kind] + enc).encode("ascii")).digest()
    certificate = {"enc": enc, "sig": base64.b64encode(digest).decode("ascii"), "alg": SUMMED}
    body = base64.b64encode(json.dumps(certificate, separators=(",", ":")).encode()).decode("ascii")
    lines = [body[at : at + _LINE] for at in range(0, len(body), _LINE)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])
