"""Do our nkeys read as those of NATS do?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kit.nkey import (
    KeyKind,
    NkeyMalformed,
    is_public,
    keypair_of,
    new_keypair,
    verify,
)

# The user seed and public key that the nkeys project shows in its own documentation.
KNOWN_SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
KNOWN_PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_a_known_seed_has_its_known_public_key():
    assert keypair_of(KNOWN_SEED, KeyKind.USER).public == KNOWN_PUBLIC


@pytest.mark.parametrize("kind", KeyKind)
def test_a_fresh_key_signs_and_its_public_text_checks(kind: KeyKind):
    made = new_keypair(kind)
    assert is_public(made.public, kind)
    assert verify(made.public, b"told", made.sign(b"told"))
    assert not verify(made.public, b"told otherwise", made.sign(b"told"))
    assert not verify(new_keypair(kind).public, b"told", made.sign(b"told"))
    assert keypair_of(made.seed, kind) == made


def test_the_first_letter_tells_the_kind():
    assert [new_keypair(kind).public[0] for kind in KeyKind] == ["A", "N", "U"]
    assert new_keypair(KeyKind.ACCOUNT).seed.startswith("SA")


@given(st.integers(0, 55), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_wrong_letter_is_seen(place: int, letter: str):
    wrong = KNOWN_PUBLIC[:place] + letter + KNOWN_PUBLIC[place + 1 :]
    assert is_public(wrong, KeyKind.USER) == (wrong == KNOWN_PUBLIC)


@pytest.mark.parametrize("text", ["", "U", "SUAC", KNOWN_PUBLIC.lower(), KNOWN_PUBLIC + "A", "ü"])
def test_what_is_no_key_is_refused(text: str):
    assert not is_public(text, KeyKind.USER)
    assert not verify(text, b"", bytes(64))
    with pytest.raises(NkeyMalformed):
        keypair_of(text, KeyKind.USER)


def test_a_seed_of_another_kind_is_refused():
    with pytest.raises(NkeyMalformed, match="account"):
        keypair_of(KNOWN_SEED, KeyKind.ACCOUNT)


def test_a_key_file_is_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "issuer"
    subprocess.run([sys.executable, "-m", "solvent.kit.nkey", str(path)], check=True, timeout=30)
    public, seed = path.read_text().split()
    assert keypair_of(seed, KeyKind.ACCOUNT).public == public
    assert path.stat().st_mode & 0o777 == 0o600
