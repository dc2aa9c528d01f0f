"""Is this license file good, here and now? Every refusal has its reason, and nothing raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from solvent.systems.licensing.errors import FileUnreadable
from solvent.systems.licensing.model import Contents, Extra, Machine, RevocationList
from solvent.systems.licensing.rules import document, envelope, fingerprint
from solvent.systems.licensing.rules.envelope import Envelope, FileKind, unreadable
from solvent.systems.licensing.rules.reason import SENTENCES, Reason

DRIFT = timedelta(seconds=300)
"""How far a clock may be behind ours before a file looks as if it were from the future."""

_OTHER = {FileKind.LICENSE: FileKind.MACHINE, FileKind.MACHINE: FileKind.LICENSE}
_STATUS = {
    "BANNED": Reason.LICENSE_REVOKED,
    "SUSPENDED": Reason.LICENSE_SUSPENDED,
    "EXPIRED": Reason.LICENSE_EXPIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Under which keys, on which machine and when is a file to be good?

    What is None is not checked, except that an encrypted file needs its license key. `released_at`
    is when the program that asks came out.
    """

    public_keys: Sequence[Ed25519PublicKey]
    at: datetime
    license_key: str | None = None
    fingerprint: str | None = None
    components: Mapping[str, str] | None = None
    revocations: RevocationList | None = None
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a file is good, or the first reason why not; what it says where it could be read."""

    reason: Reason | None
    contents: Contents | None = None
    kind: FileKind | None = None

    @property
    def valid(self) -> bool:
        """Return whether the file is good."""
        return self.reason is None

    @property
    def sentence(self) -> str:
        """Return the reason in words."""
        return "The license is valid." if self.reason is None else SENTENCES[self.reason]


def key_of(public: Ed25519PublicKey) -> str:
    """Return how a file names the key that signed it."""
    return public.public_bytes_raw().hex()


def judge(data: bytes, asked: Question) -> Verdict:
    """Return the verdict on a license or machine file, Keygen's or ours."""
    kind = None
    try:
        found = envelope.read(data, FileKind.LICENSE, FileKind.MACHINE)
        kind = found.content.kind
        _check_signature(found, asked)
        contents = document.read(_payload(found, asked))
    except FileUnreadable as odd:
        return Verdict(Reason(str(odd.detail["reason"])), kind=kind)
    if (contents.machine is None) != (kind is FileKind.LICENSE):
        return Verdict(Reason.PAYLOAD_MALFORMED, kind=kind)
    at = asked.at.replace(microsecond=0)
    return Verdict(_refusal(contents, asked, at), contents, kind)


def read_revocations(data: bytes, public_keys: Sequence[Ed25519PublicKey]) -> RevocationList:
    """Return a revocation list that one of these keys signed; raises FileUnreadable."""
    found = envelope.read(data, FileKind.REVOCATIONS)
    if not _is_signed(found, public_keys):
        raise unreadable(Reason.SIGNATURE_INVALID)
    return document.read_list(envelope.payload(found, secret=None))


# --------------------------------------------------------------------------------------- signature


def _check_signature(found: Envelope, asked: Question) -> None:
    if _is_signed(found, asked.public_keys):
        return
    other = replace(found, content=replace(found.content, kind=_OTHER[found.content.kind]))
    if _is_signed(other, asked.public_keys):
        raise unreadable(Reason.WRONG_KIND)
    claimed = _claimed_key(found, asked)
    is_foreign = claimed is not None and _verifies(claimed, found)
    raise unreadable(Reason.FOREIGN if is_foreign else Reason.SIGNATURE_INVALID)


def _is_signed(found: Envelope, public_keys: Sequence[Ed25519PublicKey]) -> bool:
    return any(_verifies(public, found) for public in public_keys)


def _verifies(public: Ed25519PublicKey, found: Envelope) -> bool:
    try:
        public.verify(found.signature, found.content.message)
    except InvalidSignature:
        return False
    return True


def _claimed_key(found: Envelope, asked: Question) -> Ed25519PublicKey | None:
    """Return the key that an unbelieved file names: it only decides how the refusal is told."""
    try:
        extra = document.read(_payload(found, asked)).extra
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(extra.key)) if extra else None
    except (FileUnreadable, ValueError):
        return None


def _payload(found: Envelope, asked: Question) -> bytes:
    """Return the payload; a machine file's secret is the license key and the fingerprint."""
    secret = asked.license_key
    is_sealed = found.content.alg is envelope.Alg.ENCRYPTED
    if is_sealed and secret is not None and found.content.kind is FileKind.MACHINE:
        if asked.fingerprint is None:
            raise unreadable(Reason.FINGERPRINT_NEEDED)
        secret += asked.fingerprint
    return envelope.payload(found, secret=secret)


# ---------------------------------------------------------------------------------------- contents


def _refusal(said: Contents, asked: Question, at: datetime) -> Reason | None:
    """Return the first reason against what a genuine file says."""
    if said.machine is not None and not _is_here(said, said.machine, asked):
        return Reason.FINGERPRINT_MISMATCH
    if said.issued > at + DRIFT:
        return Reason.FROM_THE_FUTURE
    if said.file_expiry is not None and at > said.file_expiry:
        return Reason.FILE_EXPIRED
    if said.status in _STATUS:
        return _STATUS[said.status]
    if said.license_expiry is not None and at > said.license_expiry:
        return Reason.LICENSE_EXPIRED
    return _refusal_of_extra(said, said.extra, asked, at) if said.extra else None


def _is_here(said: Contents, machine: Machine, asked: Question) -> bool:
    if asked.components is not None and machine.components and said.extra:
        return fingerprint.matches(machine.components, asked.components, said.extra.match)
    return asked.fingerprint is None or asked.fingerprint == machine.fingerprint


def _refusal_of_extra(said: Contents, extra: Extra, asked: Question, at: datetime) -> Reason | None:
    if asked.revocations is not None:
        revoked = {one.id for one in asked.revocations.revoked}
        if said.license_id in revoked or extra.activation_id in revoked:
            return Reason.LICENSE_REVOKED
    if extra.revocation_max_age_s is not None:
        if asked.revocations is None:
            return Reason.REVOCATION_LIST_NEEDED
        age = timedelta(seconds=extra.revocation_max_age_s)
        if at > asked.revocations.issued + age:
            return Reason.REVOCATION_LIST_TOO_OLD
    covered = extra.maintenance_expiry
    if covered is not None and asked.released_at is not None and asked.released_at > covered:
        return Reason.RELEASE_NOT_COVERED
    return None
