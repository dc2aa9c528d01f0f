"""Is every flipped byte of a license file noticed, and does no input raise anything?"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

import license_vectors as vectors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.systems.licensing.model import Contents, Extra, Feature, Machine, Match
from solvent.systems.licensing.rules import document, envelope
from solvent.systems.licensing.rules.envelope import FileKind
from solvent.systems.licensing.rules.reason import Reason
from solvent.systems.licensing.rules.verdict import Question, judge

ASKED = Question(
    public_keys=[vectors.PUBLISHER.public_key()],
    at=vectors.NOW,
    license_key=vectors.LICENSE_KEY,
    fingerprint=vectors.MACHINE.fingerprint,
)
FILES = {
    "license, plain": vectors.plain(vectors.LICENSE),
    "license, encrypted": vectors.sealed(vectors.LICENSE),
    "machine, encrypted": vectors.sealed(vectors.ON_MACHINE),
}
BLANKS = set(b" \t\r\n")
DAMAGE = {
    Reason.NOT_A_LICENSE_FILE,
    Reason.TRUNCATED,
    Reason.MALFORMED,
    Reason.ALGORITHM_NOT_SUPPORTED,
    Reason.SIGNATURE_INVALID,
}


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_refused(name: str) -> None:
    whole = FILES[name].encode()
    assert judge(whole, ASKED).valid
    for place, byte in enumerate(whole):
        for flipped in (byte ^ 1, byte ^ 1 << place % 8):
            if byte in BLANKS and flipped in BLANKS:
                continue
            verdict = judge(whole[:place] + bytes([flipped]) + whole[place + 1 :], ASKED)
            assert verdict.reason in DAMAGE, (place, byte, flipped)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_in_each_byte_of_the_certificate_is_refused(name: str) -> None:
    """What base64 spells in two ways would let a change pass: the spare bits of its last letter."""
    lines = FILES[name].splitlines()
    certificate = base64.b64decode("".join(lines[1:-1]))
    kind = FileKind(lines[0][11:-5])
    for place in range(len(certificate)):
        changed = bytearray(certificate)
        changed[place] ^= 1 << place % 8
        verdict = judge(vectors.armored(bytes(changed), kind).encode(), ASKED)
        assert verdict.reason in DAMAGE, place


@pytest.mark.parametrize("name", FILES)
def test_every_truncated_file_is_refused(name: str) -> None:
    whole = FILES[name].encode()
    for length in range(len(whole) - 1):
        assert judge(whole[:length], ASKED).reason in DAMAGE


@pytest.mark.parametrize("alg", ["none", "", "ed25519", "base64+sha256", "BASE64+ED25519", None, 1])
def test_alg_is_not_negotiated(alg: object) -> None:
    certificate = json.dumps(vectors.members(FILES["license, plain"]) | {"alg": alg}).encode()
    reason = judge(vectors.armored(certificate).encode(), ASKED).reason
    assert reason in {Reason.ALGORITHM_NOT_SUPPORTED, Reason.MALFORMED}


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    assert not judge(data, ASKED).valid
    assert not judge(vectors.armored(data).encode(), ASKED).valid


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "meta",
                    "included",
                    "type",
                    "id",
                    "attributes",
                    "issued",
                    "expiry",
                    "solvent",
                ]
            )
            | st.text(max_size=4),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_genuine_payload_raises(payload: object) -> None:
    """A signed file may say anything at all, as long as its reader says what is wrong with it."""
    content = envelope.plain(FileKind.LICENSE, json.dumps(payload).encode())
    assert not judge(vectors.sign(content).encode(), ASKED).valid


names = st.from_regex(r"[a-z][a-z0-9_]{0,9}\Z")
words = st.text(max_size=20).filter(lambda text: text.isprintable())
moments = st.integers(0, 4_000_000_000).map(lambda s: vectors.NOW + timedelta(seconds=s))
features: st.SearchStrategy[Feature] = st.booleans() | st.integers(-(2**53), 2**53) | words
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
machines = st.builds(
    Machine,
    fingerprint=digests,
    components=st.dictionaries(names, digests, max_size=4),
    name=st.none() | words,
    platform=st.none() | words,
)
extras = st.builds(
    Extra,
    kid=names,
    key=names,
    product=names,
    match=st.sampled_from(Match),
    activation_id=st.none() | names,
    nonce=st.none() | digests,
    trial=st.booleans(),
    maintenance_expiry=st.none() | moments,
    fallback_version=st.none() | words,
    meters=st.dictionaries(names, st.none() | st.integers(0, 2**53), max_size=3),
    heartbeat_s=st.none() | st.integers(1, 10_000),
    revocation_max_age_s=st.none() | st.integers(1, 10_000),
)


@given(
    machine=st.none() | machines,
    extra=extras,
    entitlements=st.dictionaries(names, features, max_size=4),
    end=st.none() | moments,
)
def test_what_is_written_is_read(machine, extra, entitlements, end) -> None:
    said = Contents(
        license_id="lic_x",
        issued=vectors.NOW,
        created=vectors.NOW,
        file_expiry=end,
        license_expiry=end,
        entitlements=entitlements,
        machine=machine,
        machine_id="act_x" if machine else None,
        extra=replace(extra, components=machine.components if machine else {}),
    )
    assert document.read(document.write(said)) == said
