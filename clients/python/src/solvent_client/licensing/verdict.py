"""Is this license file good: here, now, for this release? The order of the checks is the page's.

docs/reference/license-file.md lists the refusals in the order in which they are looked for. Reading
never raises: whatever the bytes, the answer is a verdict.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from solvent_client.licensing import crypto
from solvent_client.licensing.document import (
    VERSION,
    NotTheDocument,
    Revocations,
    Terms,
    read_revocations,
    read_terms,
)
from solvent_client.licensing.envelope import (
    BOXED,
    LICENSE,
    MACHINE,
    REVOCATIONS,
    Envelope,
    open_envelope,
    parse_json,
)
from solvent_client.licensing.fingerprint import fingerprint_of, is_same_machine

FUTURE_TOLERANCE_S: Final = 300
_STATUS: Final = {
    "BANNED": "license_revoked",
    "SUSPENDED": "license_suspended",
    "EXPIRED": "license_expired",
}


class Here(NamedTuple):
    """What is known of this machine, this moment and this program.

    `fingerprint` is what the file was made for, where that is known. Without it and without
    `components` nothing is asked of the machine: so a file is inspected anywhere.
    """

    now: int
    components: Mapping[str, str] | None = None
    fingerprint: str | None = None
    license_key: str | None = None
    product: str | None = None
    released_at: int | None = None
    version: str | None = None
    revocations: Revocations | None = None


class Verdict(NamedTuple):
    """Whether a file is good (`reason` is None), and what it says as far as it could be read."""

    reason: str | None
    terms: Terms | None = None
    kind: str | None = None

    @property
    def valid(self) -> bool:
        """Say whether the file is good."""
        return self.reason is None


def judge(text: str | bytes, public_keys: tuple[bytes, ...], here: Here) -> Verdict:
    """Return whether a file is good here and now. Never raises, whatever the bytes."""
    envelope = open_envelope(text)
    if isinstance(envelope, str):
        return Verdict(envelope)
    if envelope.kind not in {LICENSE, MACHINE}:
        return Verdict("not_a_license_file", kind=envelope.kind)
    reason = _untrusted(envelope, public_keys)
    if reason is not None:
        return Verdict(reason, kind=envelope.kind)
    plain = _opened(envelope, here)
    if isinstance(plain, str):
        return Verdict(plain, kind=envelope.kind)
    try:
        terms = read_terms(parse_json(plain))
    except NotTheDocument:
        return Verdict("payload_malformed", kind=envelope.kind)
    if (terms.activation is None) is (envelope.kind == MACHINE):
        return Verdict("payload_malformed", kind=envelope.kind)
    reason = unfit(terms, here) or untimely(terms, here)
    return Verdict(reason, terms, envelope.kind)


def _untrusted(envelope: Envelope, public_keys: tuple[bytes, ...]) -> str | None:
    """Return why the signature is none of the publisher's; None if it is one."""
    if _is_signed(envelope, public_keys, envelope.kind):
        return None
    if _is_signed(envelope, public_keys, LICENSE if envelope.kind == MACHINE else MACHINE):
        return "wrong_kind"
    if envelope.alg == BOXED:
        return "signature_invalid"
    stranger = _named_key(envelope)
    if stranger is None or stranger in public_keys:
        return "signature_invalid"
    return "foreign" if _is_signed(envelope, (stranger,), envelope.kind) else "signature_invalid"


def _named_key(envelope: Envelope) -> bytes | None:
    """Return the public key that a file names as its own: to tell who made it, never to trust."""
    try:
        return bytes.fromhex(read_terms(parse_json(envelope.parts[0])).ours.key or "") or None
    except (NotTheDocument, ValueError):
        return None


def _is_signed(envelope: Envelope, public_keys: tuple[bytes, ...], kind: str) -> bool:
    message = envelope.message(kind)
    return any(crypto.is_signed(key, envelope.signature, message) for key in public_keys)


def _opened(envelope: Envelope, here: Here) -> bytes | str:
    """Return the payload's bytes, or why they cannot be had."""
    if envelope.alg != BOXED:
        return envelope.parts[0]
    if here.license_key is None:
        return "license_key_needed"
    if envelope.kind == MACHINE and here.fingerprint is None:
        return "fingerprint_needed"
    bound = (here.fingerprint or "") if envelope.kind == MACHINE else ""
    key = hashlib.sha256((here.license_key + bound).encode()).digest()
    ciphertext, iv, tag = envelope.parts
    plain = crypto.open_box(key, iv, ciphertext, tag)
    return "license_key_wrong" if plain is None else plain


def unfit(terms: Terms, here: Here) -> str | None:
    """Return why a file is not for this program on this machine; None if it is."""
    ours = terms.ours
    if ours.version > VERSION:
        return "version_not_supported"
    if here.product is not None and ours.product not in {None, here.product}:
        return "other_product"
    return None if _is_here(terms, here) else "fingerprint_mismatch"


def _is_here(terms: Terms, here: Here) -> bool:
    if terms.fingerprint is None:
        return True
    if here.components is None:
        return here.fingerprint in {None, terms.fingerprint}
    if not terms.ours.components:  # as in Keygen's own files
        return fingerprint_of(here.components) == terms.fingerprint
    return is_same_machine(terms.ours.components, here.components, match=terms.ours.match)


def untimely(terms: Terms, here: Here) -> str | None:
    """Return why a file is not good at this moment; None if it is.

    Every expiry is inclusive to the second.
    """
    if terms.issued > here.now + FUTURE_TOLERANCE_S:
        return "from_the_future"
    if terms.file_expiry is not None and here.now > terms.file_expiry:
        return "file_expired"
    if terms.status in _STATUS:
        return _STATUS[terms.status]
    if terms.license_expiry is not None and here.now > terms.license_expiry:
        return "license_expired"
    if here.revocations and _revoked(terms, here.revocations):
        return "license_revoked"
    return _list_missing(terms, here) or _release_not_covered(terms, here)


def _revoked(terms: Terms, revocations: Revocations) -> bool:
    return terms.license_id in revocations.revoked or terms.activation in revocations.revoked


def _list_missing(terms: Terms, here: Here) -> str | None:
    age_s = terms.ours.revocation_max_age_s
    if age_s is None:
        return None
    if here.revocations is None:
        return "revocation_list_needed"
    return "revocation_list_too_old" if here.now > here.revocations.issued + age_s else None


def _release_not_covered(terms: Terms, here: Here) -> str | None:
    """A release may run that came out in time, or is not newer than the fall-back version."""
    end = terms.ours.maintenance_expiry
    if end is None or here.released_at is None or here.released_at <= end:
        return None
    fallback = terms.ours.fallback_version
    if fallback and here.version and _numbers(here.version) <= _numbers(fallback):
        return None
    return "release_not_covered"


def _numbers(version: str) -> tuple[int, ...]:
    """Return `1.10.2` as numbers that compare; what follows the numbers does not count."""
    numbers: list[int] = []
    for part in version.lstrip("v").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def judge_revocations(text: str | bytes, public_keys: tuple[bytes, ...]) -> Revocations | str:
    """Return what a publisher's revocation list says, or why it is none. Never raises."""
    envelope = open_envelope(text)
    if isinstance(envelope, str):
        return envelope
    if envelope.kind != REVOCATIONS:
        return "wrong_kind"
    if not _is_signed(envelope, public_keys, REVOCATIONS):
        return "signature_invalid"
    try:
        return read_revocations(parse_json(envelope.parts[0]))
    except NotTheDocument:
        return "payload_malformed"
