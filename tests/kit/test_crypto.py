"""Does a sealed secret open for its context alone?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kit.crypto import SealBroken, Vault, new_master_key

KEY = bytes(range(32))
VAULT = Vault((KEY,))


@given(st.binary(max_size=200), st.text(max_size=50))
def test_what_is_sealed_opens(secret: bytes, context: str) -> None:
    assert secret == VAULT.open(VAULT.seal(secret, context=context), context=context)


def test_every_flipped_byte_is_noticed() -> None:
    sealed = VAULT.seal(b"secret", context="ten_1/signing")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            VAULT.open(bytes(changed), context="ten_1/signing")


@pytest.mark.parametrize("size", [0, 1, 8, 9, 68, 69, 80])
def test_a_truncated_secret_is_refused(size: int) -> None:
    with pytest.raises(SealBroken):
        VAULT.open(VAULT.seal(b"secret", context="a")[:size], context="a")


def test_a_secret_moved_to_another_row_does_not_open() -> None:
    sealed = VAULT.seal(b"secret", context="ten_alice/signing/k1")
    with pytest.raises(SealBroken):
        VAULT.open(sealed, context="ten_mallory/signing/k1")


def test_another_master_key_does_not_open_it() -> None:
    with pytest.raises(SealBroken):
        Vault((new_master_key(),)).open(VAULT.seal(b"secret", context="a"), context="a")


def test_after_a_rotation_old_secrets_open_and_new_ones_use_the_new_key() -> None:
    old = VAULT.seal(b"old", context="a")
    new_key = new_master_key()
    rotated = Vault((new_key, KEY))
    assert rotated.open(old, context="a") == b"old"
    assert Vault((new_key,)).open(rotated.seal(b"new", context="a"), context="a") == b"new"


def test_two_seals_of_one_secret_differ() -> None:
    assert VAULT.seal(b"same", context="a") != VAULT.seal(b"same", context="a")


@pytest.mark.parametrize("keys", [(), (b"short",), (KEY, b"short")])
def test_a_vault_needs_whole_keys(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys)
