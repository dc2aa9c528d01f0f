"""Does the client read and write the same bytes as the server? The golden files of both."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from solvent_client.licensing import aes_gcm, crypto, ed25519, typed
from solvent_client.licensing.document import moment, written
from solvent_client.licensing.envelope import (
    PREFIXES,
    PROOF,
    REQUEST,
    is_whole,
    open_envelope,
    parse_json,
    write_summed,
)
from solvent_client.licensing.fingerprint import components_of, fingerprint_of, is_same_machine
from solvent_client.licensing.verdict import Here, judge, judge_revocations

GOLDEN = Path(__file__).parents[4] / "tests" / "contracts" / "licensing"
FILES = json.loads((GOLDEN / "files.json").read_text("utf-8"))
REQUESTS = json.loads((GOLDEN / "requests.json").read_text("utf-8"))
CODES = json.loads((GOLDEN / "codes.json").read_text("utf-8"))
PRINTS = json.loads((GOLDEN / "fingerprints.json").read_text("utf-8"))
KEYS = (bytes.fromhex(FILES["public_key"]),)


def named(vectors):
    return pytest.mark.parametrize("vector", vectors, ids=lambda one: one["name"])


def here_of(vector):
    listed = vector.get("revocations")
    return Here(
        now=moment(vector["at"]),
        components=vector.get("components"),
        fingerprint=vector.get("fingerprint"),
        license_key=vector.get("license_key"),
        released_at=moment(vector["released_at"]) if "released_at" in vector else None,
        version=vector.get("version"),
        revocations=judge_revocations(listed, KEYS) if listed else None,
    )


def told_by(verdict):
    told = {"valid": verdict.valid, "reason": verdict.reason}
    if terms := verdict.terms:
        end = terms.expires_at
        told |= {
            "expires_at": None if end is None else written(end),
            "entitlements": dict(terms.features),
            "license": terms.license_id,
            "activation": terms.activation,
            "nonce": terms.ours.nonce,
        }
    return told


@named(FILES["vectors"])
def test_files_are_judged_as_the_server_judges_them(vector):
    told = told_by(judge(vector["file"], KEYS, here_of(vector)))
    assert {name: told.get(name) for name in vector["expect"]} == vector["expect"]


@named([one for one in FILES["vectors"] if "license_key" in one or one["expect"]["valid"]])
@pytest.mark.parametrize("loaded", [True, False])
def test_plain_python_and_cryptography_say_the_same(vector, loaded, monkeypatch):
    monkeypatch.setattr(crypto, "is_cryptography_loaded", lambda: loaded)
    told = told_by(judge(vector["file"], KEYS, here_of(vector)))
    assert {name: told.get(name) for name in vector["expect"]} == vector["expect"]


@named([{"name": kind, "kind": kind} for kind in ("requests", "proofs")])
def test_requests_and_proofs_are_written_to_the_byte(vector):
    for one in REQUESTS[vector["kind"]]:
        envelope = open_envelope(one["file"])
        assert envelope.kind == (REQUEST if vector["kind"] == "requests" else PROOF)
        assert is_whole(envelope)
        payload = parse_json(envelope.parts[0])
        assert payload == one.get("payload", payload)
        assert write_summed(envelope.kind, payload) == one["file"]


@given(st.binary(max_size=700), st.binary(min_size=32, max_size=32), st.integers(0, 511))
def test_signatures_are_judged_as_cryptography_judges_them(message, seed, bit):
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert ed25519.is_signed(key, signature, message)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not ed25519.is_signed(key, bytes(changed), message)
    assert not ed25519.is_signed(key, signature, message + b"x")
    assert not ed25519.is_signed(seed, signature, message)


def test_a_signature_has_one_form():
    """Neither S plus the group's order, nor another commitment, nor a flipped sign is taken."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"told")
    order = 2**252 + 27742317777372353535851937790883648493
    larger = int.from_bytes(signature[32:], "little") + order
    assert ed25519.is_signed(public, signature, b"told")
    for odd in (
        signature[:32] + larger.to_bytes(32, "little"),
        signature[:31] + bytes([signature[31] ^ 0x80]) + signature[32:],
        (2**255 - 19).to_bytes(32, "little") + signature[32:],
        bytes(64),
    ):
        assert not ed25519.is_signed(public, odd, b"told")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_what_is_no_key_signs_nothing(length):
    assert not ed25519.is_signed(bytes(length), bytes(64), b"")
    assert not ed25519.is_signed(bytes(32), bytes(length), b"")
    assert not ed25519.is_signed(b"\xff" * 32, bytes(64), b"")


@given(st.binary(max_size=700), st.binary(min_size=32, max_size=32), st.integers(0, 10**6))
def test_boxes_open_as_with_cryptography(plain, key, bit):
    iv = key[:12]
    box = AESGCM(key).encrypt(iv, plain, None)
    assert aes_gcm.open_box(key, iv, box[:-16], box[-16:]) == plain
    changed = bytearray(box)
    changed[bit // 8 % len(box)] ^= 1 << bit % 8
    assert aes_gcm.open_box(key, iv, bytes(changed[:-16]), bytes(changed[-16:])) is None


def test_a_nonce_shows_nothing_of_its_secret():
    assert typed.nonce_of(bytes.fromhex(REQUESTS["secret"])).hex() == REQUESTS["nonce"]


def test_every_kind_has_a_prefix_of_its_own():
    assert len(set(PREFIXES.values())) == len(PREFIXES)


def test_fingerprints():
    assert components_of(PRINTS["product"], PRINTS["values"]) == PRINTS["components"]
    assert fingerprint_of(PRINTS["components"]) == PRINTS["fingerprint"]


def test_matching_of_components():
    for one in PRINTS["matches"]:
        same = is_same_machine(PRINTS["components"], one["components"], match=one["match"])
        assert same is one["same"], one


@pytest.mark.parametrize("vector", CODES["encodings"], ids=lambda one: one["bytes"][:8])
def test_typed_lines(vector):
    lines = vector["text"].split("\n")
    assert typed.written(bytes.fromhex(vector["bytes"])) == lines
    assert typed.typed(lines).hex() == vector["bytes"]


def test_typed_codes():
    secret = bytes.fromhex(CODES["secret"])
    nonce = typed.nonce_of(secret)
    assert nonce[: typed.NONCE_BYTES].hex() == CODES["request"]["nonce"]
    lines = typed.request_code(CODES["request"]["fingerprint"], nonce)
    assert "\n".join(lines) == CODES["request"]["text"]
    assert "\n".join(typed.deactivation_code(secret)) == CODES["deactivation"]["text"]


def test_typed_response():
    key = typed.canonical_key(CODES["license_key_typed"])
    assert key == CODES["license_key"]
    told = CODES["response"]
    response = typed.read_response(told["text"].split("\n"))
    assert written(response.issued) == told["issued"]
    assert written(response.expiry) == told["expiry"]
    assert list(response.features) == told["features"]
    request = (CODES["request"]["fingerprint"], bytes.fromhex(CODES["request"]["nonce"]))
    for kind, keyed in (("good", key), ("another license", key[::-1])):
        good = typed.is_answer(
            response, KEYS, product=CODES["product"], license_key=keyed, request=request
        )
        assert good is (kind == "good")
