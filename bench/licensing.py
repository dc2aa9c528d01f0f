"""How many license files a second are verified, and how long does one take on a customer's machine?

One JSON object a line. The peers, alternating with ours in the same run: `cryptography` checking
nothing but the Ed25519 signature (what no verifier can undercut), and Keygen's documented steps
(base64, JSON, signature, payload) with none of our checks. Every file is different. Rates are by
processor time of one core: verifying neither reads nor waits, and a shared machine tells no other.

The client's figures are of one file in a process of its own: in plain Python, as a one-file program
carries it, and with `cryptography`, where a program has loaded that anyway.
"""

import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solvent.systems.licensing.model import Contents, Extra, Machine, Match
from solvent.systems.licensing.rules import document, envelope, fingerprint
from solvent.systems.licensing.rules.envelope import Envelope, FileKind
from solvent.systems.licensing.rules.verdict import Question, judge

FILES = 1_000
ROUNDS = 9
CLIENT_FILES = 200
GOAL_PER_S = 5_000
GOAL_MS = 5
CLIENT = Path(__file__).resolve().parents[1] / "clients" / "python" / "src"
CLIENT_CHECKS = """
import json, sys, time
asked = json.load(sys.stdin)
sys.path.insert(0, asked["path"])
if asked["cryptography"]:
    from cryptography.hazmat.primitives.asymmetric import ed25519
from solvent_client.licensing.verdict import Here, judge
here = Here(**asked["here"])
keys = (bytes.fromhex(asked["key"]),)
taken = []
for text in asked["files"]:
    began = time.process_time()
    assert judge(text, keys, here).valid
    taken.append((time.process_time() - began) * 1000)
print(json.dumps(taken))
"""
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
NOW = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
COMPONENTS = {
    name: fingerprint.component("mytool", name, "bench") for name in ("id", "cpu", "disk", "mac")
}
MACHINE = Machine(fingerprint=fingerprint.fingerprint(COMPONENTS), components=COMPONENTS)
SAID = Contents(
    license_id="lic_01kf0q9m800000000000000001",
    issued=NOW,
    created=NOW,
    license_expiry=NOW + timedelta(days=365),
    file_expiry=NOW + timedelta(days=30),
    entitlements={"export": True, "projects": 25},
    machine=MACHINE,
    extra=Extra(
        kid="kid_01kf0q9m800000000000000003",
        key=PUBLIC.public_bytes_raw().hex(),
        product="mytool",
        match=Match.MOST,
        components=COMPONENTS,
    ),
)
ASKED = Question(
    public_keys=[PUBLIC],
    at=NOW,
    license_key="2BADG-0123A",
    fingerprint=MACHINE.fingerprint,
    components=COMPONENTS,
)


def made(number: int, *, sealed: bool) -> Envelope:
    """Return the machine file of one activation, encrypted or plain."""
    payload = document.write(replace(SAID, machine_id=f"act_{number:026}"))
    if sealed:
        secret = f"{ASKED.license_key}{MACHINE.fingerprint}"
        iv = number.to_bytes(envelope.IV_BYTES)
        content = envelope.encrypted(FileKind.MACHINE, payload, secret=secret, iv=iv)
    else:
        content = envelope.plain(FileKind.MACHINE, payload)
    return Envelope(content, KEY.sign(content.message))


def ours(files: list[bytes]) -> None:
    """Ask for the whole verdict."""
    assert all(judge(file, ASKED).valid for file in files)


def keygen_steps(files: list[bytes]) -> None:
    """Do what Keygen's documentation says, and nothing more."""
    for file in files:
        body = b"".join(file.splitlines()[1:-1])
        told = json.loads(base64.b64decode(body))
        message = f"machine/{told['enc']}".encode()
        PUBLIC.verify(base64.b64decode(told["sig"]), message)
        assert json.loads(base64.b64decode(told["enc"]))["meta"]


def bare(signed: list[tuple[bytes, bytes]]) -> None:
    """Check the signatures only."""
    for signature, message in signed:
        PUBLIC.verify(signature, message)


def rate(run: Callable[[], None]) -> float:
    """Files a second of one core, in one round."""
    began = time.process_time()
    run()
    return FILES / (time.process_time() - began)


def show_client(files: dict[str, list[str]]) -> None:
    """Print how long a client takes for one file: the median, and the first, which warms up."""
    with tempfile.TemporaryDirectory(prefix="bench-licensing-") as compiled:
        for kind, texts in files.items():
            for with_cryptography in (False, True):
                asked = client_asked(texts, with_cryptography=with_cryptography)
                client_ms(asked, compiled)  # compiles what it imports, as an installation does
                taken = client_ms(asked, compiled)
                by = "cryptography" if with_cryptography else "plain_python"
                told = {
                    "figure": f"licensing.client.{kind}.{by}",
                    "ms": round(statistics.median(taken), 2),
                    "first_ms": round(taken[0], 2),
                    "lowest_ms": round(min(taken), 2),
                    "goal_ms": GOAL_MS,
                    "met": statistics.median(taken) < GOAL_MS,
                    "load": round(os.getloadavg()[0], 1),
                }
                print(json.dumps(told))


def client_asked(texts: list[str], *, with_cryptography: bool) -> dict[str, object]:
    """Return what the client is to check, and where."""
    return {
        "path": str(CLIENT),
        "cryptography": with_cryptography,
        "here": {
            "now": int(NOW.timestamp()),
            "components": COMPONENTS,
            "fingerprint": MACHINE.fingerprint,
            "license_key": ASKED.license_key,
            "product": "mytool",
        },
        "key": PUBLIC.public_bytes_raw().hex(),
        "files": texts[:CLIENT_FILES],
    }


def client_ms(asked: dict[str, object], compiled: str) -> list[float]:
    """Return the milliseconds of each check, in a fresh process."""
    command = [sys.executable, "-I", "-X", f"pycache_prefix={compiled}", "-c", CLIENT_CHECKS]
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def main() -> None:
    """Measure all in turns; print the medians."""
    plain = [made(number, sealed=False) for number in range(FILES)]
    sealed = [made(number, sealed=True) for number in range(FILES)]
    texts = [envelope.write(one).encode() for one in plain]
    sealed_texts = [envelope.write(one).encode() for one in sealed]
    signed = [(one.signature, one.content.message) for one in plain]
    runs: dict[str, Callable[[], None]] = {
        "ours": lambda: ours(texts),
        "ours_encrypted": lambda: ours(sealed_texts),
        "peer_signature_only": lambda: bare(signed),
        "peer_keygen_steps": lambda: keygen_steps(texts),
    }
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            rates[name].append(rate(run))
    for name, found in rates.items():
        told = {
            "figure": f"licensing.verify.{name}",
            "files_per_s": round(statistics.median(found)),
            "lowest": round(min(found)),
            "highest": round(max(found)),
            "file_bytes": len(sealed_texts[0] if "encrypted" in name else texts[0]),
            "load": round(os.getloadavg()[0], 1),
        }
        if name == "ours":
            told |= {"goal_per_s": GOAL_PER_S, "met": told["files_per_s"] >= GOAL_PER_S}
        print(json.dumps(told))
    show_client(
        {
            "plain": [one.decode() for one in texts],
            "encrypted": [one.decode() for one in sealed_texts],
        }
    )


if __name__ == "__main__":
    main()
