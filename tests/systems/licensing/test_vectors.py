"""Does the server read and write the very bytes that every client is tested against?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import license_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from solvent.kit.clock import parse_time
from solvent.systems.licensing.errors import (
    CodeMistyped,
    FileUnreadable,
    ProofInvalid,
    RequestInvalid,
)
from solvent.systems.licensing.model import Match
from solvent.systems.licensing.rules import codes, fingerprint, requests
from solvent.systems.licensing.rules.reason import Reason
from solvent.systems.licensing.rules.verdict import Question, Verdict, judge, read_revocations


def kept(name: str) -> dict[str, Any]:
    return json.loads((license_vectors.FOLDER / name).read_text(encoding="utf-8"))


FILES = kept("files.json")
REQUESTS = kept("requests.json")
CODES = kept("codes.json")
PRINTS = kept("fingerprints.json")
KEYGENS = kept("keygen.json")
PUBLIC = Ed25519PublicKey.from_public_bytes(bytes.fromhex(FILES["public_key"]))


@pytest.mark.parametrize("name", license_vectors.every())
def test_the_vectors_are_what_the_writers_write(name: str) -> None:
    path = license_vectors.FOLDER / name
    assert path.read_text("utf-8") == license_vectors.text_of(license_vectors.every()[name])


def question(vector: dict[str, Any]) -> Question:
    """Return what a vector asks."""
    listed, released = vector.get("revocations"), vector.get("released_at")
    return Question(
        public_keys=[PUBLIC],
        at=parse_time(vector["at"], field="at"),
        license_key=vector.get("license_key"),
        fingerprint=vector.get("fingerprint"),
        components=vector.get("components"),
        revocations=read_revocations(listed.encode(), [PUBLIC]) if listed else None,
        released_at=parse_time(released, field="released_at") if released else None,
    )


def told(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as the vectors tell it."""
    said = verdict.contents
    shown: dict[str, object] = {"valid": verdict.valid, "reason": verdict.reason}
    if said is None:
        return shown
    end = said.expires_at
    return shown | {
        "license": said.license_id,
        "activation": said.extra.activation_id if said.extra else None,
        "nonce": said.extra.nonce if said.extra else None,
        "expires_at": end and end.isoformat().replace("+00:00", "Z"),
        "entitlements": dict(said.entitlements),
    }


@pytest.mark.parametrize("vector", FILES["vectors"], ids=lambda one: one["name"])
def test_each_file_gets_its_verdict(vector: dict[str, Any]) -> None:
    verdict = told(judge(vector["file"].encode(), question(vector)))
    assert {name: verdict[name] for name in vector["expect"]} == vector["expect"]


def test_every_reason_has_a_vector() -> None:
    shown = {one["expect"]["reason"] for one in FILES["vectors"]}
    assert set(Reason) - shown == {Reason.TOO_LARGE}


@pytest.mark.parametrize("vector", KEYGENS["vectors"], ids=lambda one: one["name"])
def test_keygens_own_files_are_read(vector: dict[str, Any]) -> None:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(KEYGENS["public_key"]))
    asked = question(vector | {"license_key": KEYGENS["license_key"]})
    asked = replace(asked, public_keys=[public])
    whole = vector["file"].encode()
    verdict = told(judge(whole, asked))
    assert {name: verdict[name] for name in vector["expect"]} == vector["expect"]
    other = replace(asked, public_keys=[PUBLIC])
    assert judge(whole, other).reason is Reason.SIGNATURE_INVALID
    flipped = whole.replace(b"A", b"B", 1) if vector["expect"]["valid"] else b""
    assert not judge(flipped, asked).valid


@pytest.mark.parametrize("kept_request", REQUESTS["requests"], ids=lambda one: one["name"])
def test_each_request_is_read(kept_request: dict[str, Any]) -> None:
    said, payload = requests.read_request(kept_request["file"].encode()), kept_request["payload"]
    assert said.license_key == payload["license_key"]
    assert said.trial == (payload["kind"] == "trial")
    assert (said.machine.fingerprint, said.nonce) == (payload["fingerprint"], payload["nonce"])
    assert said.machine.components == payload["components"]


@pytest.mark.parametrize("odd", REQUESTS["refused_requests"], ids=lambda one: one["name"])
def test_each_odd_request_is_refused(odd: dict[str, str]) -> None:
    with pytest.raises((RequestInvalid, FileUnreadable)):
        requests.read_request(odd["file"].encode())


def test_each_proof_is_read_and_proves() -> None:
    for one in REQUESTS["proofs"]:
        said = requests.read_proof(one["file"].encode())
        assert requests.proves(said.secret, said.nonce)
        assert not requests.proves("00" * 32, said.nonce)
    for odd in REQUESTS["refused_proofs"]:
        with pytest.raises((ProofInvalid, FileUnreadable)):
            requests.read_proof(odd["file"].encode())
    assert requests.nonce_of(bytes.fromhex(REQUESTS["secret"])) == REQUESTS["nonce"]


def test_the_typed_codes_are_read() -> None:
    asked = codes.read_request(CODES["request"]["text"].lower().replace("0", "O"))
    assert (asked.fingerprint, asked.nonce) == (
        CODES["request"]["fingerprint"],
        CODES["request"]["nonce"],
    )
    answer, signature = codes.read_response(CODES["response"]["text"])
    message = answer.message(
        product=CODES["product"], key_digest=CODES["key_digest"], request=asked
    )
    assert message.decode() == CODES["response"]["message"]
    PUBLIC.verify(signature, message)
    assert list(answer.features) == CODES["response"]["features"]
    secret = codes.read_deactivation(CODES["deactivation"]["text"])
    assert secret == CODES["secret"]
    assert requests.proves(secret, asked.nonce)
    for one in CODES["encodings"]:
        assert codes.write(bytes.fromhex(one["bytes"])) == one["text"]
        assert codes.read(one["text"]).hex() == one["bytes"]


def test_a_typed_license_key_is_the_key() -> None:
    assert codes.normal_key(CODES["license_key_typed"]) == CODES["license_key"]
    assert codes.key_digest(CODES["license_key"]) == CODES["key_digest"]
    assert codes.normal_key(" B10760-1B177D-V3\n") == "B10760-1B177D-V3"


def test_one_wrong_symbol_or_two_exchanged_ones_are_noticed() -> None:
    symbols = codes.normal(CODES["request"]["text"])
    for place, symbol in enumerate(symbols):
        for other in codes.ALPHABET.replace(symbol, ""):
            with pytest.raises(CodeMistyped):
                codes.read(symbols[:place] + other + symbols[place + 1 :])
    line = codes.LINE_SYMBOLS + codes.CHECK_SYMBOLS
    for left in range(line):
        for right in range(left + 1, line):
            swapped = list(symbols)
            swapped[left], swapped[right] = swapped[right], swapped[left]
            if swapped != list(symbols):
                with pytest.raises(CodeMistyped, match="line 1"):
                    codes.read("".join(swapped))
    with pytest.raises(CodeMistyped):
        codes.read(symbols[line:] + symbols[:line])


def test_fingerprints_are_derived_and_matched() -> None:
    for name, value in PRINTS["values"].items():
        digest = fingerprint.component(PRINTS["product"], name, value)
        assert digest == PRINTS["components"][name]
    assert fingerprint.fingerprint(PRINTS["components"]) == PRINTS["fingerprint"]
    for one in PRINTS["matches"]:
        same = fingerprint.matches(PRINTS["components"], one["components"], Match(one["match"]))
        assert same == one["same"], one


def test_a_file_larger_than_any_is_not_even_read() -> None:
    asked = question(FILES["vectors"][0])
    assert judge(b"x" * 262_145, asked).reason is Reason.TOO_LARGE


def test_several_trusted_keys_are_all_tried() -> None:
    vector = FILES["vectors"][0]
    stranger = license_vectors.STRANGER.public_key()
    asked = question(vector)
    assert judge(vector["file"].encode(), replace(asked, public_keys=[stranger, PUBLIC])).valid
    assert (
        judge(vector["file"].encode(), replace(asked, public_keys=[])).reason is Reason.FOREIGN
    )  # genuine, but whose?
