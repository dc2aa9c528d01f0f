"""What does a machine ask for, and has it given up what it got?"""

from __future__ import annotations

import hashlib
import re

from solvent.systems.licensing.errors import FileUnreadable, ProofInvalid, RequestInvalid
from solvent.systems.licensing.model import Machine, Proof, Request
from solvent.systems.licensing.rules import envelope
from solvent.systems.licensing.rules.document import VERSION, texts
from solvent.systems.licensing.rules.envelope import FileKind
from solvent.systems.licensing.rules.fingerprint import (
    COMPONENTS_MAX,
    DIGEST,
    NAME,
    fingerprint,
)
from solvent.systems.licensing.rules.reason import Reason
from solvent.systems.licensing.rules.tree import Odd, Tree, parse

NAME_LENGTH_MAX = 100
NONCE_BYTES = 16
_NONCE = re.compile(r"[0-9a-f]{32}\Z")
_SECRET = re.compile(r"(?:[0-9a-f]{32}){1,2}\Z")
PRODUCT = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
KINDS = {"activation": False, "trial": True}


def read_request(data: bytes) -> Request:
    """Return what a request file asks for.

    Raises:
        FileUnreadable: it is none, or was changed on its way.
        RequestInvalid: it does not hold what it must; the message says what.
    """
    try:
        return _request(parse(_checked(data, FileKind.REQUEST, "an activation request")))
    except Odd as odd:
        raise RequestInvalid(str(odd), field="request") from None


def _checked(data: bytes, kind: FileKind, expected: str) -> bytes:
    """Return the payload of a file of this kind; name what was expected where it is another."""
    try:
        return envelope.read_checked(data, kind)
    except FileUnreadable as odd:
        if odd.detail.get("reason") not in {Reason.NOT_A_LICENSE_FILE, Reason.WRONG_KIND}:
            raise
        told = f"This is not {expected}, whose first line is -----BEGIN {kind}-----."
        raise FileUnreadable(told, reason=str(odd.detail["reason"])) from None


def read_proof(data: bytes) -> Proof:
    """Return what a deactivation proof tells.

    Raises:
        FileUnreadable: it is none, or was changed on its way.
        ProofInvalid: it does not hold what it must; the message says what.
    """
    try:
        tree = parse(_checked(data, FileKind.PROOF, "a deactivation proof"))
        _must(tree.whole("version") == VERSION, "version: expected 1")
        return Proof(
            product=_matching(tree, "product", PRODUCT),
            activation_id=tree.text("activation"),
            nonce=_matching(tree, "nonce", _NONCE),
            secret=_matching(tree, "secret", _SECRET),
            deactivated_at=tree.moment("deactivated_at"),
        )
    except Odd as odd:
        raise ProofInvalid(str(odd), field="proof") from None


def nonce_of(secret: bytes, *, size_bytes: int = NONCE_BYTES) -> str:
    """Return the nonce that a secret makes: it can be shown first, and the secret proved later."""
    return hashlib.sha256(b"solvent nonce v1\0" + secret).digest()[:size_bytes].hex()


def proves(secret: str, nonce: str) -> bool:
    """Return whether this is the secret behind a nonce, of a file's length or a typed code's."""
    return nonce_of(bytes.fromhex(secret), size_bytes=len(nonce) // 2) == nonce


def _request(tree: Tree) -> Request:
    _must(tree.whole("version") == VERSION, "version: expected 1")
    kind = tree.text("kind")
    _must(kind in KINDS, "kind: expected activation or trial")
    components = texts(tree.tree("components"))
    _must(
        0 < len(components) <= COMPONENTS_MAX
        and all(NAME.match(name) and DIGEST.match(digest) for name, digest in components.items()),
        f"components: expected 1 to {COMPONENTS_MAX} names, each with 64 hex digits",
    )
    _must(
        tree.text("fingerprint") == fingerprint(components),
        "fingerprint: expected the one that these components make",
    )
    machine = Machine(
        fingerprint=tree.text("fingerprint"),
        components=components,
        name=_short(tree, "name"),
        platform=_short(tree, "platform"),
    )
    return Request(
        product=_matching(tree, "product", PRODUCT),
        trial=KINDS[kind],
        license_key=tree.maybe_text("license_key"),
        machine=machine,
        nonce=_matching(tree, "nonce", _NONCE),
        created_at=tree.moment("created_at"),
        tool_version=_short(tree, "tool_version"),
    )


def _matching(tree: Tree, name: str, form: re.Pattern[str]) -> str:
    text = tree.text(name)
    _must(bool(form.match(text)), f"{name}: expected {form.pattern.removesuffix(chr(92) + 'Z')}")
    return text


def _short(tree: Tree, name: str) -> str | None:
    text = tree.maybe_text(name)
    fits = text is None or (len(text) <= NAME_LENGTH_MAX and text.isprintable())
    _must(fits, f"{name}: expected at most {NAME_LENGTH_MAX} characters")
    return text


def _must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - the point of it
    if not holds:
        raise Odd(otherwise)
