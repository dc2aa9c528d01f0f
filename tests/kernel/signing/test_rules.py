"""Is a signature believed for exactly its bytes, its purpose and its key, and in one form only?"""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from solvent.kernel.signing import rules
from solvent.kernel.signing.model import Algorithm

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MESSAGE = b"pay 10.00 EUR to alice"


def proof_of(pair) -> bytes:
    return pair.private if pair.public is None else pair.public


@pytest.fixture(params=list(Algorithm))
def algorithm(request) -> Algorithm:
    return request.param


def test_a_signature_verifies(algorithm) -> None:
    pair = rules.make_pair(algorithm)
    value = rules.sign(algorithm, pair.private, MESSAGE)
    assert rules.verifies(algorithm, proof_of(pair), MESSAGE, value)


def test_flipped_bytes_refused(algorithm) -> None:
    pair = rules.make_pair(algorithm)
    raw = bytes.fromhex(rules.sign(algorithm, pair.private, MESSAGE))
    for place in range(len(raw)):
        for bit in (1, 128):
            flipped = bytearray(raw)
            flipped[place] ^= bit
            assert not rules.verifies(algorithm, proof_of(pair), MESSAGE, flipped.hex())
    for place in range(len(MESSAGE)):
        other = bytearray(MESSAGE)
        other[place] ^= 1
        assert not rules.verifies(algorithm, proof_of(pair), bytes(other), raw.hex())


def test_another_keys_signature_is_refused(algorithm) -> None:
    pair, other = rules.make_pair(algorithm), rules.make_pair(algorithm)
    value = rules.sign(algorithm, other.private, MESSAGE)
    assert not rules.verifies(algorithm, proof_of(pair), MESSAGE, value)


@settings(max_examples=50)
@given(value=st.text(max_size=200))
def test_no_text_makes_verifying_raise(value: str) -> None:
    for algorithm in Algorithm:
        pair = PAIRS[algorithm]
        assert not rules.verifies(algorithm, proof_of(pair), MESSAGE, value)


PAIRS = {algorithm: rules.make_pair(algorithm) for algorithm in Algorithm}


def test_one_spelling_of_a_signature(algorithm) -> None:
    pair = PAIRS[algorithm]
    value = rules.sign(algorithm, pair.private, MESSAGE)
    spellings = [value.upper(), f" {value}", f"{value}\n", value[:-1], f"{value}00", f"0x{value}"]
    for spelling in spellings:
        if spelling != value:
            assert not rules.verifies(algorithm, proof_of(pair), MESSAGE, spelling)


def test_low_s_only() -> None:
    """Anybody can turn (r, s) into (r, n - s), which plain ECDSA believes; here it is refused."""
    pair = PAIRS[Algorithm.SECP256K1]
    for number in range(20):
        message = str(number).encode()
        value = rules.sign(Algorithm.SECP256K1, pair.private, message)
        r, s = decode_dss_signature(bytes.fromhex(value))
        assert s <= ORDER // 2
        twin = encode_dss_signature(r, ORDER - s)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), pair.public)
        key.verify(twin, message, ec.ECDSA(SHA256()))
        assert not rules.verifies(Algorithm.SECP256K1, pair.public, message, twin.hex())


def test_a_signature_of_one_curve_is_none_of_the_other() -> None:
    edwards, curve = PAIRS[Algorithm.ED25519], PAIRS[Algorithm.SECP256K1]
    value = rules.sign(Algorithm.ED25519, edwards.private, MESSAGE)
    assert not rules.verifies(Algorithm.SECP256K1, curve.public, MESSAGE, value)
    assert not rules.verifies(Algorithm.SECP256K1, edwards.public, MESSAGE, value)
    assert not rules.verifies(Algorithm.ED25519, curve.public, MESSAGE, value)


@given(
    first=st.tuples(st.from_regex(rules.PURPOSE, fullmatch=True), st.binary(max_size=40)),
    second=st.tuples(st.from_regex(rules.PURPOSE, fullmatch=True), st.binary(max_size=40)),
)
def test_no_two_purposes_frame_alike(first, second) -> None:
    framed = [rules.framed(message, purpose=purpose) for purpose, message in (first, second)]
    assert (framed[0] == framed[1]) == (first == second)


@pytest.mark.parametrize("purpose", ["", "a", "Audit.head", "audit\0head", "audit head", "x" * 70])
def test_a_purpose_that_is_no_name_is_a_bug(purpose: str) -> None:
    with pytest.raises(ValueError, match="purpose"):
        rules.framed(b"", purpose=purpose)


def test_public_keys_read_as_json_web_keys(key_of) -> None:
    edwards = rules.jwk(key_of(Algorithm.ED25519))
    public = base64.urlsafe_b64decode(edwards["x"] + "=")
    assert len(ed25519.Ed25519PublicKey.from_public_bytes(public).public_bytes_raw()) == 32
    assert (edwards["kty"], edwards["crv"], edwards["alg"]) == ("OKP", "Ed25519", "EdDSA")
    curve = rules.jwk(key_of(Algorithm.SECP256K1))
    point = [base64.urlsafe_b64decode(curve[part] + "=") for part in ("x", "y")]
    assert [len(part) for part in point] == [32, 32]
    assert (curve["kty"], curve["crv"], curve["alg"]) == ("EC", "secp256k1", "ES256K")
    with pytest.raises(ValueError, match="no public half"):
        rules.jwk(key_of(Algorithm.HMAC_SHA256))


@pytest.fixture
def key_of():
    from datetime import UTC, datetime

    from solvent.kernel.signing.model import Key, KeyState

    def make(algorithm: Algorithm) -> Key:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        public = PAIRS[algorithm].public
        return Key("ten", "kid_1", "general", algorithm, KeyState.ACTIVE, public, at, None, None)

    return make
