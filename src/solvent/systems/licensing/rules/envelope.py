"""How is anything put into a signed file that survives e-mail, and taken out again unchanged?

Keygen's format; docs/reference/license-file.md fixes its bytes.
"""

from __future__ import annotations

import base64
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
_ARMOR = re.compile(r"-----(BEGIN|END) ([A-Z ]{4,24})-----\Z")
_BLANKS = " \t\r"


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
    """A file's content and what it is signed with."""

    content: Content
    signature: bytes


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
    kind, body = _without_armor(data.decode("latin-1"))
    if kind not in kinds:
        raise unreadable(Reason.NOT_A_LICENSE_FILE)
    members = _members(from_base64(body))
    content = Content(kind, members["enc"], _alg(kind, members["alg"]))
    _check_form(content)
    return Envelope(content, from_base64(members["sig"]))


def read_checked(data: bytes, kind: FileKind) -> bytes:
    """Return the payload of a file that nobody signs.

    Raises:
        FileUnreadable: as `read`, or its checksum is wrong.
    """
    envelope = read(data, kind)
    if hashlib.sha256(envelope.content.message).digest() != envelope.signature:
        raise unreadable(Reason.SIGNATURE_INVALID)
    return from_base64(envelope.content.enc)


def payload(content: Content, *, secret: str | None) -> bytes:
    """Return what a content holds; `secret` opens an encrypted one.

    Raises:
        FileUnreadable: there is no secret for an encrypted one, or it is another.
    """
    if content.alg is not Alg.ENCRYPTED:
        return from_base64(content.enc)
    if secret is None:
        raise unreadable(Reason.LICENSE_KEY_NEEDED)
    sealed, iv, tag = (from_base64(part) for part in content.enc.split("."))
    try:
        return AESGCM(_aes_key(secret)).decrypt(iv, sealed + tag, None)
    except InvalidTag:
        raise unreadable(Reason.LICENSE_KEY_WRONG) from None


def from_base64(text: str) -> bytes:
    """Return what a canonical base64 text encodes: no bit of it may change and go unnoticed.

    Raises:
        FileUnreadable: it is not canonical.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise unreadable(Reason.MALFORMED) from None
    if _base64(raw) != text:
        raise unreadable(Reason.MALFORMED)
    return raw


def _without_armor(text: str) -> tuple[FileKind, str]:
    lines = [line.strip(_BLANKS) for line in text.strip(_BLANKS + "\n").split("\n")]
    first, last = _ARMOR.match(lines[0]), _ARMOR.match(lines[-1])
    if not first or first[1] != "BEGIN" or first[2] not in _KIND_OF:
        raise unreadable(Reason.NOT_A_LICENSE_FILE)
    if not last or last[1] != "END":
        raise unreadable(Reason.TRUNCATED)
    if last[2] != first[2]:
        raise unreadable(Reason.MALFORMED)
    return _KIND_OF[first[2]], "".join(lines[1:-1])


_KIND_OF = {kind.value: kind for kind in FileKind}


def _members(raw: bytes) -> dict[str, str]:
    """Return the certificate's three texts."""
    try:
        told = json.loads(raw, object_pairs_hook=_texts)
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


def _alg(kind: FileKind, named: str) -> Alg:
    known = {Alg.CHECKSUM} if kind in _UNSIGNED else {Alg.PLAIN, Alg.ENCRYPTED}
    for alg in known:
        if alg.value == named:
            return alg
    raise unreadable(Reason.ALGORITHM_NOT_SUPPORTED)


def _check_form(content: Content) -> None:
    """Let no content pass that has not the form of its algorithm: `alg` itself is not signed."""
    parts = content.enc.split(".")
    if content.alg is not Alg.ENCRYPTED:
        from_base64(content.enc)
        return
    sizes = [len(from_base64(part)) for part in parts[1:]]
    if sizes != [IV_BYTES, TAG_BYTES]:
        raise unreadable(Reason.MALFORMED)
    from_base64(parts[0])


def _aes_key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
