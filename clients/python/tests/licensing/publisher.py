"""Who answers activation requests in these tests? A publisher with the golden files' key.

Signs by the page docs/reference/license-file.md alone, so that neither side of the code is tested
against itself.
"""

import base64
import hashlib
import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from solvent_client.licensing import clock
from solvent_client.licensing.client import Licensing
from solvent_client.licensing.document import written
from solvent_client.licensing.machine import Machine
from solvent_client.licensing.surroundings import Surroundings

DAY = 86_400
NOW = 1_768_471_200  # 2026-01-15T10:00:00Z
KEY = "000G4-0R40M-30E20-9185G-R3864"
SEED = bytes(range(32))
STRANGER = bytes(range(1, 33))
VALUES = {"machine_id": "4c4c4544", "cpu": "Zen", "disk": "S3Z8", "mac": "3c:52:82:00:00:01"}
OTHER_MACHINE = {"machine_id": "9999", "cpu": "Zen", "disk": "T800", "mac": "3c:52:82:00:00:99"}


def public(seed=SEED):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


def b64(raw):
    return base64.b64encode(raw).decode()


def armored(kind, certificate):
    body = b64(json.dumps(certificate, separators=(",", ":")).encode())
    lines = [body[at : at + 60] for at in range(0, len(body), 60)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])


def signed(kind, payload, *, seed=SEED, box=None):
    raw = json.dumps(payload).encode()
    enc, alg = b64(raw), "base64+ed25519"
    if box is not None:
        iv = os.urandom(12)
        sealed = AESGCM(hashlib.sha256(box.encode()).digest()).encrypt(iv, raw, None)
        enc = ".".join((b64(sealed[:-16]), b64(iv), b64(sealed[-16:])))
        alg = "aes-256-gcm+ed25519"
    prefix = {"LICENSE": "license/", "MACHINE": "machine/", "REVOCATION": "revocations/"}
    message = (prefix[kind.split()[0]] + enc).encode()
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(message)
    return armored(kind, {"enc": enc, "sig": b64(signature), "alg": alg})


def opened(text):
    """Return the payload of a request or a proof."""
    body = "".join(text.splitlines()[1:-1])
    certificate = json.loads(base64.b64decode(body))
    return json.loads(base64.b64decode(certificate["enc"]))


class Publisher:
    """Answers requests as the page says."""

    def __init__(self, *, seed=SEED):
        self.seed = seed
        self.count = 0

    def document(self, *, issued, ttl_s=30 * DAY, expiry=None, attributes=None, **ours):
        """Return a license file's payload; `ours` goes to meta.solvent."""
        expires = None if ttl_s is None else written(issued + ttl_s)
        told = {"name": "Test", "key": None, "status": "ACTIVE", **(attributes or {})}
        told["expiry"] = None if expiry is None else written(expiry)
        solvent = {"version": 1, "kid": "kid_1", "key": public(self.seed), "product": "mytool"}
        solvent |= {"activation": None, "nonce": None, "match": "most", "components": {}, **ours}
        export = {"name": "export", "code": "export", "metadata": {"value": True}}
        seats = {"name": "projects", "code": "projects", "metadata": {"value": 5}}
        return {
            "data": {"type": "licenses", "id": "lic_1", "attributes": told},
            "included": [
                {"type": "entitlements", "id": one["code"], "attributes": one}
                for one in (export, seats)
            ],
            "meta": {
                "issued": written(issued),
                "expiry": expires,
                "ttl": ttl_s,
                "solvent": solvent,
            },
        }

    def license_file(self, *, issued=NOW, **terms):
        return signed("LICENSE FILE", self.document(issued=issued, **terms), seed=self.seed)

    def answer(self, request, *, issued=NOW, encrypted=False, **terms):
        """Return the machine file for a request."""
        asked = opened(request)
        self.count += 1
        activation = terms.pop("activation", f"act_{self.count}")
        ours = {"activation": activation, "nonce": asked["nonce"]}
        ours |= {"components": asked["components"], "trial": asked["kind"] == "trial"}
        payload = self.document(issued=issued, **{**ours, **terms})
        license_ = payload["data"]
        about = {"fingerprint": asked["fingerprint"], "name": asked["name"]}
        related = {"license": {"data": {"type": "licenses", "id": license_["id"]}}}
        payload["data"] = {"type": "machines", "id": activation, "attributes": about}
        payload["data"]["relationships"] = related
        payload["included"].append(license_)
        box = asked["license_key"] + asked["fingerprint"] if encrypted else None
        return signed("MACHINE FILE", payload, seed=self.seed, box=box)

    def revocations(self, *, serial=1, issued=NOW, revoked=()):
        entries = [{"id": one, "at": written(issued), "reason": "refunded"} for one in revoked]
        payload = {"version": 1, "kid": "kid_1", "key": public(self.seed), "serial": serial}
        payload |= {"issued": written(issued), "expiry": None, "revoked": entries}
        return signed("REVOCATION LIST", payload, seed=self.seed)


class Computer:
    """A machine of a customer's: its parts, its clock, its disk."""

    def __init__(self, disk: Path, *, values=VALUES, now=NOW, kind="machine"):
        self.disk = disk
        self.values = dict(values)
        self.kind = kind
        self.now = now
        self.boot_id = "boot-1"
        self.since_boot_s = 1000
        self.evidence = []

    def later(self, seconds):
        """Let time pass, as clocks that are left alone show it."""
        self.now += seconds
        self.since_boot_s += seconds

    def set_clock(self, seconds):
        """Turn the clock; what cannot be turned goes on."""
        self.now += seconds

    def restart(self, boot_id="boot-2"):
        self.boot_id, self.since_boot_s = boot_id, 10

    def licensing(self, product="mytool", *, seed=SEED, **options):
        """Start the program."""
        around = Surroundings(
            data=self.disk / "data",
            state=self.disk / "state",
            look=lambda: Machine(self.kind, dict(self.values)),
            read_clock=lambda: clock.Reading(self.now, self.boot_id, self.since_boot_s),
            witnesses=lambda own: list(self.evidence),
        )
        return Licensing(product, public_keys=[public(seed)], surroundings=around, **options)

    def reason(self, **options):
        """Return why the program does not run, None if it does."""
        return getattr(self.licensing(**options).check(), "reason", None)
