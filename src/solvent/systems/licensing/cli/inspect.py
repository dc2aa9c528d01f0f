"""Is this license file good? Asked at a terminal, with no server and no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from solvent.kit.cli import EXIT_FAILED, show_json
from solvent.kit.clock import SystemClock, format_time, parse_time
from solvent.systems.licensing.errors import FileMissing, FileUnreadable, PublicKeyMalformed
from solvent.systems.licensing.model import Contents, RevocationList
from solvent.systems.licensing.rules import codes
from solvent.systems.licensing.rules.envelope import FILE_BYTES_MAX
from solvent.systems.licensing.rules.verdict import Question, Verdict, judge, read_revocations

_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}\Z", re.IGNORECASE)


def inspect(
    file: Annotated[Path, typer.Argument(help="License or machine file, Solvent's or Keygen's.")],
    public_key: Annotated[
        list[str], typer.Option(help="Whose signature counts, in hex; may be given several times.")
    ],
    license_key: Annotated[str | None, typer.Option(help="Opens an encrypted file.")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="Of the machine it is for.")] = None,
    at: Annotated[str | None, typer.Option(help="At which moment (RFC 3339); now without.")] = None,
    released_at: Annotated[
        str | None, typer.Option(help="When the program that asks came out.")
    ] = None,
    revocations: Annotated[Path | None, typer.Option(help="Revocation list to go by.")] = None,
) -> None:
    """Tell whether a license file is good and what it says; exit 0 only if it is."""
    keys = [_public_key(text) for text in public_key]
    moment = parse_time(at, field="--at") if at else SystemClock().now()
    asked = Question(
        public_keys=keys,
        at=moment,
        license_key=codes.normal_key(license_key) if license_key else None,
        fingerprint=fingerprint,
        released_at=parse_time(released_at, field="--released-at") if released_at else None,
        revocations=_revocations(revocations, keys) if revocations else None,
    )
    verdict = judge(_read(file, "FILE"), asked)
    show_json(told(verdict))
    if not verdict.valid:
        raise typer.Exit(EXIT_FAILED)


def told(verdict: Verdict) -> dict[str, object]:
    """Return a verdict, and what the file says where that is genuine."""
    shown: dict[str, object] = {
        "valid": verdict.valid,
        "reason": verdict.reason,
        "message": verdict.sentence,
        "kind": verdict.kind and verdict.kind.value.lower(),
        "expires_at": None,
        "entitlements": {},
    }
    return shown if verdict.contents is None else shown | _said(verdict.contents)


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(inspect)


def _said(said: Contents) -> dict[str, object]:
    extra = said.extra
    shown: dict[str, object] = {
        "format": "solvent" if extra else "keygen",
        "expires_at": format_time(said.expires_at) if said.expires_at else None,
        "entitlements": dict(said.entitlements),
        "license": said.license_id,
        "name": said.name,
        "status": said.status.lower(),
        "issued_at": format_time(said.issued),
        "fingerprint": said.machine.fingerprint if said.machine else None,
    }
    if extra is None:
        return shown
    until = extra.maintenance_expiry
    return shown | {
        "product": extra.product,
        "kid": extra.kid,
        "activation": extra.activation_id,
        "nonce": extra.nonce,
        "trial": extra.trial,
        "maintenance_expires_at": format_time(until) if until else None,
        "fallback_version": extra.fallback_version,
        "meters": dict(extra.meters),
    }


def _public_key(text: str) -> Ed25519PublicKey:
    if not _PUBLIC_KEY.match(text):
        raise PublicKeyMalformed(field="--public-key", given=text[:80])
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))


def _revocations(file: Path, keys: list[Ed25519PublicKey]) -> RevocationList:
    try:
        return read_revocations(_read(file, "--revocations"), keys)
    except FileUnreadable as odd:
        raise FileUnreadable(odd.message, field="--revocations") from None


def _read(file: Path, field: str) -> bytes:
    """Return a file, or of one that is too large enough to see that."""
    try:
        with file.open("rb") as opened:
            return opened.read(FILE_BYTES_MAX + 1)
    except OSError as odd:
        raise FileMissing(f"{odd.strerror}: {file}", field=field) from None
