"""How is anything put into a signed file that survives e-mail, and taken out again unchanged?

Keygen's format; docs/reference/license-file.md fixes its bytes.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from solvent.systems.licensing.errors import FileUnreadable
from solvent.systems.licensing.rules.reason import SENTENCES, Reason

FILE_BYTES_MAX = 262_144
LINE_LENGTH = 60
IV_BYTES = 12
TAG_BYTES = 16
MEMBERS = 3
_ARMOR = re.compile(rb"-----(BEGIN|END) ([A-Z ]{4,24})-----\Z")
_BLANKS = b" \t\r\n"


class FileKind(StrEnum):
    """What a file is, in the words of its first line."""

    LICENSE = "LICENSE FILE"
    MACHINE = "MACHINE FILE"
    REVOCATIONS = "REVOCATION LIST"
    REQUEST = "ACTIVATION REQUEST"
    PROOF = "DEACTIVATION PROOF"

    @property
    def prefix(self) -> str:
        """Return what is signed before the content, so that one kind never passes for another."""
        return _PREFIXES[self]


_PREFIXES = {
    FileKind.LICENSE: "license/",
    FileKind.MACHINE: "machine/",
    FileKind.REVOCATIONS: "revocations/",
    FileKind.REQUEST: "request/",
    FileKind.PROOF: "deactivation/",
}


class Alg(StrEnum):
    """How a file is encoded and signed. There is no `none`, and nothing is negotiated."""

    PLAIN = "base64+ed25519"
    ENCRYPTED = "aes-256-gcm+ed25519"
    CHECKSUM = "base64+sha256"


_UNSIGNED = frozenset({FileKind.REQUEST, FileKind.PROOF})


def unreadable(reason: Reason) -> FileUnreadable:
    """Return the error that tells a reason."""
    return FileUnreadable(SENTENCES[reason], reason=reason.value)


@dataclass(frozen=True, slots=True)
class Content:
    """What stands in a file, before it is signed."""

    kind: FileKind
    enc: str
    alg: Alg

    @property
    def message(self) -> bytes:
        """Return the bytes that are signed."""
        return f"{self.kind.prefix}{self.enc}".encode()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A file's content and what it is signed with; `parts` is the content taken apart, if read."""

    content: Content
    signature: bytes
    parts: tuple[bytes, ...] = ()


# ----------------------------------------------------------------------------------------- writing


def plain(kind: FileKind, payload: bytes) -> Content:
    """Return a content that anybody can read."""
    alg = Alg.CHECKSUM if kind in _UNSIGNED else Alg.PLAIN
    return Content(kind, _base64(payload), alg)


def encrypted(kind: FileKind, payload: bytes, *, secret: str, iv: bytes) -> Content:
    """Return a content that opens with the secret only; `iv` is 12 bytes never used before."""
    sealed = AESGCM(_aes_key(secret)).encrypt(iv, payload, None)
    parts = (sealed[:-TAG_BYTES], iv, sealed[-TAG_BYTES:])
    return Content(kind, ".".join(map(_base64, parts)), Alg.ENCRYPTED)


def write(envelope: Envelope) -> str:
    """Return the file's text."""
    content = envelope.content
    told = {"enc": content.enc, "sig": _base64(envelope.signature), "alg": content.alg.value}
    body = _base64(json.dumps(told, separators=(",", ":")).encode())
    lines = [body[start : start + LINE_LENGTH] for start in range(0, len(body), LINE_LENGTH)]
    name = content.kind.value
    return "\n".join([f"-----BEGIN {name}-----", *lines, f"-----END {name}-----", ""])


def with_checksum(content: Content) -> str:
    """Return the text of a file that nobody signs."""
    return write(Envelope(content, hashlib.sha256(content.message).digest()))


# ----------------------------------------------------------------------------------------- reading


def read(data: bytes, *kinds: FileKind) -> Envelope:
    """Take a file of one of these kinds apart; nothing is believed yet.

    Raises:
        FileUnreadable: it is none, or damaged; `reason` says what is wrong.
    """
    if len(data) > FILE_BYTES_MAX:
        raise unreadable(Reason.TOO_LARGE)
    kind, body = _without_armor(data)
    if kind not in kinds:
        raise unreadable(Reason.NOT_A_LICENSE_FILE)
    members = _members(from_base64(body))
    content = Content(kind, members["enc"], _alg(kind, members["alg"]))
    return Envelope(content, from_base64(members["sig"]), _parts(content))


def read_checked(data: bytes, kind: FileKind) -> bytes:
    """Return the payload of a file that nobody signs.

    Raises:
        FileUnreadable: as `read`, or its checksum is wrong.
    """
    envelope = read(data, kind)
    if hashlib.sha256(envelope.content.message).digest() != envelope.signature:
        raise unreadable(Reason.SIGNATURE_INVALID)
    return envelope.parts[0]


def payload(envelope: Envelope, *, secret: str | None) -> bytes:
    """Return what a file that was read holds; `secret` opens an encrypted one.

    Raises:
        FileUnreadable: there is no secret for an encrypted one, or it is another.
    """
    if envelope.content.alg is not Alg.ENCRYPTED:
        return envelope.parts[0]
    if secret is None:
        raise unreadable(Reason.LICENSE_KEY_NEEDED)
    sealed, iv, tag = envelope.parts
    try:
        return AESGCM(_aes_key(secret)).decrypt(iv, sealed + tag, None)
    except InvalidTag:
        raise unreadable(Reason.LICENSE_KEY_WRONG) from None


def from_base64(text: str | bytes) -> bytes:
    """Return what a canonical base64 text encodes: no bit of it may change and go unnoticed.

    Raises:
        FileUnreadable: it is not canonical.
    """
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise unreadable(Reason.MALFORMED) from None
    spare = len(raw) % 3
    if len(text) % 4 or (spare and not _ends_canonically(text, raw[-spare:])):
        raise unreadable(Reason.MALFORMED)
    return raw


def _without_armor(data: bytes) -> tuple[FileKind, bytes]:
    first, _, rest = data.strip(_BLANKS).partition(b"\n")
    body, _, last = rest.rpartition(b"\n")
    begin, end = _ARMOR.match(first.rstrip(_BLANKS)), _ARMOR.match(last.lstrip(_BLANKS))
    if not begin or begin[1] != b"BEGIN" or begin[2] not in _KIND_OF:
        raise unreadable(Reason.NOT_A_LICENSE_FILE)
    if not end or end[1] != b"END":
        raise unreadable(Reason.TRUNCATED)
    if end[2] != begin[2]:
        raise unreadable(Reason.MALFORMED)
    return _KIND_OF[begin[2]], body.translate(None, _BLANKS)


_KIND_OF = {kind.value.encode(): kind for kind in FileKind}


def _members(raw: bytes) -> dict[str, str]:
    """Return the certificate's three texts."""
    try:
        told = _CERTIFICATE.decode(raw.decode())
    except (ValueError, RecursionError):
        raise unreadable(Reason.MALFORMED) from None
    if not isinstance(told, dict):
        raise unreadable(Reason.MALFORMED)
    return cast("dict[str, str]", told)


def _texts(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object's members if they are the three texts, each there once."""
    told = dict(pairs)
    is_text = all(isinstance(value, str) for value in told.values())
    if len(pairs) != MEMBERS or told.keys() != {"enc", "sig", "alg"} or not is_text:
        raise unreadable(Reason.MALFORMED)
    return told


_CERTIFICATE = json.JSONDecoder(object_pairs_hook=_texts)


def _alg(kind: FileKind, named: str) -> Alg:
    known = {Alg.CHECKSUM} if kind in _UNSIGNED else {Alg.PLAIN, Alg.ENCRYPTED}
    for alg in known:
        if alg.value == named:
            return alg
    raise unreadable(Reason.ALGORITHM_NOT_SUPPORTED)


def _parts(content: Content) -> tuple[bytes, ...]:
    """Take a content apart by its algorithm, which is not signed itself: the form must fit it."""
    if content.alg is not Alg.ENCRYPTED:
        return (from_base64(content.enc),)
    parts = tuple(map(from_base64, content.enc.split(".")))
    if [len(part) for part in parts[1:]] != [IV_BYTES, TAG_BYTES]:
        raise unreadable(Reason.MALFORMED)
    return parts


def _aes_key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode()


def _ends_canonically(text: str | bytes, last: bytes) -> bool:
    """Return whether the bits of the last letter that encode nothing are zero."""
    quantum = binascii.b2a_base64(last, newline=False)
    return text[-4:] == (quantum if isinstance(text, bytes) else quantum.decode())
