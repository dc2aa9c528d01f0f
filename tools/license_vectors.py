"""Which files, codes and fingerprints must every reader and writer of licenses agree on?

`python tools/license_vectors.py` writes tests/contracts/licensing/*.json anew. Keys, nonces and
moments are fixed, so the files never change unless the format does: that is what they are kept for.
They are public: whoever writes a client in another language tests it against them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import source
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solvent.kit.clock import format_time
from solvent.systems.licensing.model import (
    Contents,
    Extra,
    Machine,
    Match,
    RevocationList,
    Revoked,
)
from solvent.systems.licensing.rules import codes, document, envelope, fingerprint, requests
from solvent.systems.licensing.rules.envelope import Content, Envelope, FileKind
from solvent.systems.licensing.rules.verdict import key_of

FOLDER = source.ROOT / "tests" / "contracts" / "licensing"

PUBLISHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(100, 132)))
IV = bytes(range(200, 212))
SECRET = bytes(range(32, 64))
TYPED_SECRET = bytes(range(64, 80))
LICENSE_KEY = codes.license_key(bytes(range(15)))
PRODUCT = "mytool"
VALUES = {
    "machine_id": "4c4c4544004b",
    "cpu": "GenuineIntel 6 158",
    "disk": "S3Z8NB0K",
    "mac": "52:54:00:12:34:56",
}
COMPONENTS = {name: fingerprint.component(PRODUCT, name, value) for name, value in VALUES.items()}
MACHINE = Machine(
    fingerprint=fingerprint.fingerprint(COMPONENTS),
    components=COMPONENTS,
    name="laptop",
    platform="linux-x86_64",
)
NOW = datetime(2026, 1, 15, 10, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FILE_END = NOW + timedelta(days=30)
LICENSE_END = NOW + timedelta(days=365)
LICENSE_ID = "lic_01kf0q9m800000000000000001"
ACTIVATION_ID = "act_01kf0q9m800000000000000002"
NONCE = requests.nonce_of(SECRET)
EXTRA = Extra(
    kid="kid_01kf0q9m800000000000000003",
    key=key_of(PUBLISHER.public_key()),
    product=PRODUCT,
    match=Match.MOST,
    maintenance_expiry=NOW + timedelta(days=180),
    fallback_version="2.4.0",
    meters={"exports": 100, "rows": None},
)
LICENSE = Contents(
    license_id=LICENSE_ID,
    issued=NOW,
    name="Globex, team of five",
    created=NOW - timedelta(days=3),
    license_expiry=LICENSE_END,
    file_expiry=FILE_END,
    entitlements={"export": True, "projects": 25, "tier": "team"},
    extra=EXTRA,
)
ON_MACHINE = replace(
    LICENSE,
    machine=MACHINE,
    machine_id=ACTIVATION_ID,
    extra=replace(EXTRA, activation_id=ACTIVATION_ID, nonce=NONCE, components=COMPONENTS),
)
LIST = RevocationList(
    serial=7,
    kid=EXTRA.kid,
    key=EXTRA.key,
    issued=NOW,
    expiry=NOW + timedelta(days=7),
    revoked=(
        Revoked(id=LICENSE_ID, at=NOW, reason="refunded"),
        Revoked(id="act_01kf0q9m800000000000000009", at=NOW, reason="stolen"),
    ),
)
OPENED = {"license_key": LICENSE_KEY, "fingerprint": MACHINE.fingerprint}


def main() -> int:
    """Write the vectors; say which files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, told in every().items():
        path = FOLDER / name
        path.write_text(text_of(told), encoding="utf-8")
        print(f"vectors: wrote {source.name_of(path)}")
    return 0


def every() -> dict[str, object]:
    """Return what each file holds."""
    return {
        "files.json": {
            "seed": bytes(range(32)).hex(),
            "public_key": PUBLISHER.public_key().public_bytes_raw().hex(),
            "kinds": "what `expect` leaves out is not asked for; `at` is the clock of the machine",
            "vectors": list(files()),
        },
        "requests.json": requests_and_proofs(),
        "codes.json": typed(),
        "fingerprints.json": fingerprints(),
    }


def text_of(told: object) -> str:
    """Return a vector file's text."""
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


# ------------------------------------------------------------------------------------------- files


def sign(content: Content, key: Ed25519PrivateKey = PUBLISHER) -> str:
    """Return a file's text, signed."""
    return envelope.write(Envelope(content, key.sign(content.message)))


def plain(said: Contents, key: Ed25519PrivateKey = PUBLISHER) -> str:
    """Return a file that anybody can read."""
    kind = FileKind.MACHINE if said.machine else FileKind.LICENSE
    return sign(envelope.plain(kind, document.write(said)), key)


def sealed(said: Contents, key: Ed25519PrivateKey = PUBLISHER) -> str:
    """Return a file that opens with the license key, and on a machine with its fingerprint."""
    kind = FileKind.MACHINE if said.machine else FileKind.LICENSE
    secret = LICENSE_KEY + (said.machine.fingerprint if said.machine else "")
    return sign(envelope.encrypted(kind, document.write(said), secret=secret, iv=IV), key)


def vector(name: str, text: str, reason: str | None = None, **asked: Any) -> dict[str, Any]:
    """Return one file, what it is asked for, and the verdict."""
    told: dict[str, Any] = {"name": name, "file": text, "at": format_time(NOW)}
    told |= {key: value for key, value in asked.items() if key != "expect"}
    expect: dict[str, Any] = {"valid": reason is None, "reason": reason}
    return told | {"expect": expect | asked.get("expect", {})}


GOOD = {
    "expires_at": format_time(FILE_END),
    "entitlements": dict(LICENSE.entitlements),
    "license": LICENSE_ID,
}


def files() -> Iterator[dict[str, Any]]:
    """Yield every vector of license and machine files."""
    yield from good_files()
    yield from damaged_files()
    yield from files_of_another()
    yield from files_out_of_time()
    yield from files_and_lists()


def good_files() -> Iterator[dict[str, Any]]:
    yield vector("license, plain", plain(LICENSE), expect=GOOD)
    yield vector("license, encrypted", sealed(LICENSE), license_key=LICENSE_KEY, expect=GOOD)
    here = GOOD | {"activation": ACTIVATION_ID, "nonce": NONCE}
    yield vector("machine, plain", plain(ON_MACHINE), expect=here)
    yield vector("machine, encrypted", sealed(ON_MACHINE), expect=here, **OPENED)
    moved = COMPONENTS | {"mac": "0" * 64}
    yield vector("machine, one component changed", plain(ON_MACHINE), components=moved, expect=here)
    crlf = plain(LICENSE).replace("\n", "\r\n")
    yield vector("license, with CRLF and blanks around", f"\r\n  {crlf}  \r\n", expect=GOOD)
    one_line = "".join(plain(LICENSE).splitlines()[1:-1])
    name = FileKind.LICENSE.value
    joined = f"-----BEGIN {name}-----\n{one_line}\n-----END {name}-----"
    yield vector("license, body in one line", joined, expect=GOOD)
    keygens = plain(replace(LICENSE, extra=None, file_expiry=None, license_expiry=None))
    yield vector("license, as Keygen writes it, for ever", keygens, expect={"expires_at": None})


def damaged_files() -> Iterator[dict[str, Any]]:
    whole = plain(LICENSE)
    lines = whole.splitlines()
    yield vector("empty", "", "not_a_license_file")
    yield vector("some other text", "hello\n", "not_a_license_file")
    yield vector("a request", request_text(), "not_a_license_file")
    yield vector("last line missing", "\n".join(lines[:-1]), "truncated")
    yield vector("cut in the middle of its last line", whole[:-9], "truncated")
    yield vector("a line of the body missing", "\n".join(lines[:3] + lines[4:]), "malformed")
    yield vector("a letter of the body no letter", whole.replace(lines[2][0], "!", 1), "malformed")
    other_end = whole.replace("END LICENSE FILE", "END MACHINE FILE")
    yield vector("last line of another kind", other_end, "malformed")
    certificate = json.dumps({"enc": "YWJj", "sig": "YWJj", "alg": "none"}).encode()
    yield vector("alg none", armored(certificate), "algorithm_not_supported")
    rsa = {"enc": "YWJj", "sig": "YWJj", "alg": "aes-256-gcm+rsa-pss-sha256"}
    yield vector("alg not ours", armored(json.dumps(rsa).encode()), "algorithm_not_supported")
    again = json.dumps(members(whole) | {"more": "x"}).encode()
    yield vector("a fourth member", armored(again), "malformed")
    relabelled = json.dumps(members(sealed(LICENSE)) | {"alg": "base64+ed25519"}).encode()
    yield vector("encrypted, said to be plain", armored(relabelled), "malformed")
    deep = b"[" * 3_000
    yield vector("JSON without bottom", armored(deep), "malformed")
    odd = envelope.plain(FileKind.LICENSE, b'{"data": {"type": "licenses"}}')
    yield vector("genuine, and says too little", sign(odd), "payload_malformed")
    newer = document.write(LICENSE).replace(b'"version":1', b'"version":2')
    yield vector(
        "of a newer format", sign(envelope.plain(FileKind.LICENSE, newer)), "version_not_supported"
    )


def files_of_another() -> Iterator[dict[str, Any]]:
    foreign = replace(LICENSE, extra=replace(EXTRA, key=key_of(STRANGER.public_key())))
    yield vector("of another publisher", plain(foreign, STRANGER), "foreign")
    yield vector("forged: signed by a stranger", plain(LICENSE, STRANGER), "signature_invalid")
    swapped = members(plain(LICENSE)) | {"enc": members(plain(ON_MACHINE))["enc"]}
    yield vector(
        "content of one file, signature of another",
        armored(json.dumps(swapped).encode()),
        "signature_invalid",
    )
    dressed = plain(ON_MACHINE).replace("MACHINE FILE", "LICENSE FILE")
    yield vector("machine file dressed as license file", dressed, "wrong_kind")
    dressed = plain(LICENSE).replace("LICENSE FILE", "MACHINE FILE")
    yield vector("license file dressed as machine file", dressed, "wrong_kind")
    yield vector("encrypted, no license key", sealed(LICENSE), "license_key_needed")
    yield vector(
        "machine, encrypted, no fingerprint",
        sealed(ON_MACHINE),
        "fingerprint_needed",
        license_key=LICENSE_KEY,
    )
    yield vector(
        "another license key",
        sealed(LICENSE),
        "license_key_wrong",
        license_key=codes.license_key(bytes(15)),
    )
    yield vector(
        "encrypted for another machine",
        sealed(ON_MACHINE),
        "license_key_wrong",
        license_key=LICENSE_KEY,
        fingerprint="0" * 64,
    )
    yield vector(
        "on another machine", plain(ON_MACHINE), "fingerprint_mismatch", fingerprint="0" * 64
    )
    half = COMPONENTS | {"mac": "0" * 64, "disk": "0" * 64}
    yield vector(
        "half of the components changed", plain(ON_MACHINE), "fingerprint_mismatch", components=half
    )


def files_out_of_time() -> Iterator[dict[str, Any]]:
    drift = timedelta(seconds=300)
    for name, at, reason in (
        ("clock five minutes behind", NOW - drift, None),
        ("from the future", NOW - drift - SECOND, "from_the_future"),
        ("last second of the file", FILE_END, None),
        ("last second of the file, its end", FILE_END + timedelta(milliseconds=999), None),
        ("a second after the file", FILE_END + SECOND, "file_expired"),
    ):
        yield vector(name, plain(LICENSE), reason, at=format_time(at))
    lasting = plain(replace(LICENSE, file_expiry=None))
    end = {"expires_at": format_time(LICENSE_END)}
    yield vector("last second of the license", lasting, at=format_time(LICENSE_END), expect=end)
    late = format_time(LICENSE_END + SECOND)
    yield vector("a second after the license", lasting, "license_expired", at=late)
    for status, reason in (
        ("INACTIVE", None),
        ("EXPIRING", None),
        ("EXPIRED", "license_expired"),
        ("SUSPENDED", "license_suspended"),
        ("BANNED", "license_revoked"),
    ):
        yield vector(f"status {status}", plain(replace(LICENSE, status=status)), reason)
    covered = NOW + timedelta(days=180)
    yield vector("release covered", plain(LICENSE), released_at=format_time(covered))
    yield vector(
        "release not covered",
        plain(LICENSE),
        "release_not_covered",
        released_at=format_time(covered + SECOND),
    )


def files_and_lists() -> Iterator[dict[str, Any]]:
    told = sign(envelope.plain(FileKind.REVOCATIONS, document.write_list(LIST)))
    empty = replace(LIST, revoked=())
    clean = sign(envelope.plain(FileKind.REVOCATIONS, document.write_list(empty)))
    needs = plain(replace(LICENSE, extra=replace(EXTRA, revocation_max_age_s=604_800)))
    week = NOW + timedelta(days=7)
    yield vector("on the list", plain(LICENSE), "license_revoked", revocations=told)
    yield vector("not on the list", plain(LICENSE), revocations=clean)
    yield vector("needs a list, has none", needs, "revocation_list_needed")
    yield vector("needs a list, has one", needs, revocations=clean, at=format_time(week))
    yield vector(
        "needs a list, has an old one",
        needs,
        "revocation_list_too_old",
        revocations=clean,
        at=format_time(week + SECOND),
    )


def members(text: str) -> dict[str, str]:
    """Return the three texts of a file's certificate."""
    body = "".join(text.splitlines()[1:-1])
    return json.loads(envelope.from_base64(body))


def armored(certificate: bytes, kind: FileKind = FileKind.LICENSE) -> str:
    """Return bytes between the lines of a license file."""
    import base64

    body = base64.b64encode(certificate).decode()
    return f"-----BEGIN {kind.value}-----\n{body}\n-----END {kind.value}-----\n"


# ------------------------------------------------------------------------------ requests and proofs

REQUEST: Mapping[str, Any] = {
    "version": 1,
    "kind": "activation",
    "product": PRODUCT,
    "license_key": LICENSE_KEY,
    "fingerprint": MACHINE.fingerprint,
    "components": COMPONENTS,
    "nonce": NONCE,
    "created_at": format_time(NOW),
    "name": "laptop",
    "platform": "linux-x86_64",
    "tool_version": "2.5.0",
}
PROOF: Mapping[str, Any] = {
    "version": 1,
    "product": PRODUCT,
    "activation": ACTIVATION_ID,
    "nonce": NONCE,
    "secret": SECRET.hex(),
    "deactivated_at": format_time(NOW + timedelta(days=2)),
}


def request_text(**other: Any) -> str:
    """Return a request file."""
    told = {**REQUEST, **other}
    return envelope.with_checksum(envelope.plain(FileKind.REQUEST, document.dump(told)))


def proof_text(**other: Any) -> str:
    """Return a deactivation proof."""
    told = {**PROOF, **other}
    return envelope.with_checksum(envelope.plain(FileKind.PROOF, document.dump(told)))


def requests_and_proofs() -> dict[str, object]:
    trial = {"kind": "trial", "license_key": None}
    return {
        "secret": SECRET.hex(),
        "nonce": NONCE,
        "requests": [
            {"name": "activation", "file": request_text(), "payload": dict(REQUEST)},
            {"name": "trial", "file": request_text(**trial), "payload": {**REQUEST, **trial}},
        ],
        "refused_requests": [
            {"name": "another fingerprint", "file": request_text(fingerprint="0" * 64)},
            {"name": "no components", "file": request_text(components={})},
            {"name": "short nonce", "file": request_text(nonce="00")},
            {"name": "unknown kind", "file": request_text(kind="gift")},
            {"name": "newer version", "file": request_text(version=2)},
            {"name": "checksum wrong", "file": sign(envelope.plain(FileKind.REQUEST, b"{}"))},
        ],
        "proofs": [{"name": "deactivated", "file": proof_text(), "payload": dict(PROOF)}],
        "refused_proofs": [{"name": "no secret", "file": proof_text(secret="")}],
    }


# ------------------------------------------------------------------------- codes and fingerprints


def typed() -> dict[str, object]:
    nonce = requests.nonce_of(TYPED_SECRET, size_bytes=codes.NONCE_BYTES)
    asked = codes.TypedRequest(MACHINE.fingerprint[: 2 * codes.FINGERPRINT_BYTES], nonce)
    raw = bytes([codes.REQUEST]) + bytes.fromhex(asked.fingerprint + asked.nonce)
    answer = codes.TypedResponse(
        issued=NOW, expiry=FILE_END, trial=False, features=("export", "pro")
    )
    key_digest = codes.key_digest(LICENSE_KEY)
    message = answer.message(product=PRODUCT, key_digest=key_digest, request=asked)
    return {
        "public_key": PUBLISHER.public_key().public_bytes_raw().hex(),
        "license_key": LICENSE_KEY,
        "license_key_typed": LICENSE_KEY.lower().replace("-", " ").replace("0", "o"),
        "key_digest": key_digest,
        "product": PRODUCT,
        "secret": TYPED_SECRET.hex(),
        "request": {
            "bytes": raw.hex(),
            "text": codes.write(raw),
            "fingerprint": asked.fingerprint,
            "nonce": asked.nonce,
        },
        "response": {
            "text": codes.write(answer.body + PUBLISHER.sign(message)),
            "message": message.decode(),
            "issued": format_time(NOW),
            "expiry": format_time(FILE_END),
            "trial": False,
            "features": list(answer.features),
        },
        "deactivation": {"text": codes.write(bytes([codes.DEACTIVATION]) + TYPED_SECRET)},
        "encodings": [
            {"bytes": sample.hex(), "text": codes.write(sample)}
            for sample in (b"\0", b"\xff", bytes(13), bytes(range(40)))
        ],
    }


def fingerprints() -> dict[str, object]:
    changed = [{**COMPONENTS, **dict.fromkeys(list(COMPONENTS)[:n], "0" * 64)} for n in range(5)]
    return {
        "product": PRODUCT,
        "values": VALUES,
        "components": COMPONENTS,
        "fingerprint": MACHINE.fingerprint,
        "matches": [
            {
                "match": match.value,
                "components": now,
                "same": fingerprint.matches(COMPONENTS, now, match),
            }
            for match in Match
            for now in [*changed, {}, {"cpu": COMPONENTS["cpu"]}]
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
