"""Is every damaged or forged file refused with a reason, and never with an exception?"""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publisher import DAY, KEY, NOW, SEED, STRANGER, Publisher, armored, opened, public, signed

from solvent_client.licensing import LicenseRefused, typed
from solvent_client.licensing.envelope import open_envelope
from solvent_client.licensing.refusal import REASONS, refusal
from solvent_client.licensing.verdict import Here, judge, judge_revocations

KEYS = (bytes.fromhex(public()),)


def request_and_answer(tmp_path, publisher, **terms):
    from publisher import Computer

    computer = Computer(tmp_path / "machine")
    request = computer.licensing().request(license_key=KEY)
    return opened(request), publisher.answer(request, **terms)


@pytest.mark.parametrize("encrypted", [False, True])
def test_every_flipped_byte_is_refused_without_an_exception(tmp_path, publisher, encrypted):
    asked, answer = request_and_answer(tmp_path, publisher, encrypted=encrypted)
    here = Here(
        now=NOW,
        components=asked["components"],
        fingerprint=asked["fingerprint"],
        license_key=KEY,
        product="mytool",
    )
    whole = answer.encode()
    assert judge(whole, KEYS, here).valid
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        verdict = judge(bytes(changed), KEYS, here)
        # White space between lines is not part of the file: nothing is changed by it.
        if verdict.valid:
            assert bytes(changed).split() == whole.split()
        else:
            assert verdict.reason in REASONS


def test_every_truncation_is_refused(tmp_path, publisher):
    _, answer = request_and_answer(tmp_path, publisher)
    for length in range(len(answer.rstrip())):
        assert not judge(answer[:length], KEYS, Here(now=NOW)).valid


@given(st.binary(max_size=400))
def test_whatever_the_bytes_the_answer_is_a_verdict(content):
    assert judge(content, KEYS, Here(now=NOW)).reason in REASONS
    assert judge_revocations(content, KEYS) in REASONS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below),
    max_leaves=8,
)


@given(st.sampled_from(["data", "meta", "included"]), JSON)
def test_whatever_a_publisher_signs_the_answer_is_a_verdict(part, value):
    payload = {**Publisher().document(issued=NOW), part: value}
    text = signed("LICENSE FILE", payload)
    verdict = judge(text, KEYS, Here(now=NOW))
    assert verdict.valid or verdict.reason in REASONS


@given(st.sampled_from(["expiry", "status", "name"]), JSON)
def test_whatever_stands_in_the_license_the_answer_is_a_verdict(name, value):
    payload = Publisher().document(issued=NOW)
    payload["data"]["attributes"][name] = value
    verdict = judge(signed("LICENSE FILE", payload), KEYS, Here(now=NOW))
    assert verdict.valid or verdict.reason in REASONS


@pytest.mark.parametrize("alg", ["none", "", "NONE", "base64+none", "base64+sha256", "hs256"])
def test_an_algorithm_that_proves_nothing_is_refused(publisher, alg):
    body = base64.b64decode("".join(publisher.license_file().splitlines()[1:-1]))
    certificate = {**json.loads(body), "alg": alg}
    text = armored("LICENSE FILE", certificate)
    assert judge(text, KEYS, Here(now=NOW)).reason == "algorithm_not_supported"


def test_kinds_are_not_taken_for_each_other(tmp_path, publisher):
    asked, machine = request_and_answer(tmp_path, publisher)
    license_ = publisher.license_file()
    here = Here(now=NOW, components=asked["components"])
    for text, kind, other in ((machine, "MACHINE", "LICENSE"), (license_, "LICENSE", "MACHINE")):
        dressed = text.replace(f"{kind} FILE", f"{other} FILE")
        assert judge(dressed, KEYS, here).reason == "wrong_kind"
    listed = publisher.revocations()
    assert judge(listed, KEYS, here).reason == "not_a_license_file"
    dressed = listed.replace("REVOCATION LIST", "LICENSE FILE")
    assert judge(dressed, KEYS, here).reason == "signature_invalid"
    assert judge_revocations(license_, KEYS) == "wrong_kind"


def test_a_forger_who_names_our_key_is_not_ours():
    forged = signed("LICENSE FILE", Publisher().document(issued=NOW), seed=STRANGER)
    assert judge(forged, KEYS, Here(now=NOW)).reason == "signature_invalid"


def test_a_large_file_is_not_read():
    assert open_envelope("x" * 262_145) == "too_large"


def test_expiry_is_inclusive_to_the_second(publisher):
    text = publisher.license_file(ttl_s=None, expiry=NOW + DAY)
    assert judge(text, KEYS, Here(now=NOW + DAY)).valid
    assert judge(text, KEYS, Here(now=NOW + DAY + 1)).reason == "license_expired"


@pytest.mark.parametrize(
    "version, released_at, reason",
    [
        ("2.0.0", NOW + DAY, None),
        ("2.0.0", NOW + DAY + 1, "release_not_covered"),
        ("1.4.0", NOW + DAY + 1, None),
        ("1.4.1", NOW + DAY + 1, "release_not_covered"),
        ("1.10", NOW + DAY + 1, "release_not_covered"),
        (None, None, None),
    ],
)
def test_maintenance_covers_releases_and_the_fall_back_for_good(
    publisher, version, released_at, reason
):
    from solvent_client.licensing.document import written

    text = publisher.license_file(maintenance_expiry=written(NOW + DAY), fallback_version="1.4")
    here = Here(now=NOW, version=version, released_at=released_at)
    assert judge(text, KEYS, here).reason == reason


def test_every_reason_is_told_to_a_person():
    for reason in REASONS:
        told = refusal(reason)
        assert told.sentence.endswith(".")
        assert told.sentence[0].isupper()
        assert "_" not in str(told)


# ------------------------------------------------------------------------------------- typed codes


def answer_by_hand(computer, *, license_key=KEY, expiry=NOW + DAY, seed=SEED):
    """Return lines as the page makes them, for the last request of this computer."""
    import hashlib

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    code = typed.typed(computer.licensing().request_code(license_key))
    fingerprint, nonce = code[1:17].hex(), code[17:25].hex()
    body = bytes([2, 0]) + NOW.to_bytes(4, "big") + expiry.to_bytes(4, "big") + b"\x0aexport,pro"
    body = body[:10] + bytes([len(b"export,pro")]) + b"export,pro"
    digest = hashlib.sha256(license_key.encode()).hexdigest()
    message = f"code/mytool\n{digest}\n{fingerprint}\n{nonce}\n{body.hex()}".encode()
    return typed.written(body + Ed25519PrivateKey.from_private_bytes(seed).sign(message))


def test_typed_codes_activate_and_deactivate(computer, other):
    lines = answer_by_hand(computer)
    found = computer.licensing().activate_code([line.lower() for line in lines])
    assert found.allows("pro")
    assert found.days_left == 1
    for machine in (computer, other):
        with pytest.raises(LicenseRefused) as caught:
            machine.licensing().activate_code(lines)
        assert caught.value.reason == "response_not_awaited"
    computer.later(DAY + 1)
    assert computer.reason() == "license_expired"
    assert len(computer.licensing().deactivate().splitlines()) == 2


def test_a_forged_typed_code_is_refused(computer):
    lines = answer_by_hand(computer, seed=STRANGER)
    with pytest.raises(LicenseRefused):
        computer.licensing().activate_code(lines)
    assert computer.reason() == "not_activated"


def test_any_wrong_symbol_is_noticed_and_its_line_named(computer):
    lines = answer_by_hand(computer)
    for number, line in enumerate(lines):
        for at, symbol in enumerate(line):
            if symbol == "-":
                continue
            wrong = line[:at] + ("7" if symbol != "7" else "8") + line[at + 1 :]
            typo = [*lines[:number], wrong, *lines[number + 1 :]]
            with pytest.raises(LicenseRefused, match=f"Line {number + 1}") as caught:
                computer.licensing().activate_code(typo)
            assert caught.value.reason == "code_mistyped"


def test_exchanged_and_missing_lines_are_noticed(computer):
    lines = answer_by_hand(computer)
    for wrong in ([lines[1], lines[0], *lines[2:]], lines[:-1], [], ["?"], [*lines, lines[0]]):
        with pytest.raises(LicenseRefused) as caught:
            computer.licensing().activate_code(wrong)
        assert caught.value.reason == "code_mistyped"


@given(st.binary(min_size=1, max_size=120))
def test_typed_lines_bring_the_bytes_back(raw):
    assert typed.typed(typed.written(raw)) == raw


@given(st.lists(st.text(max_size=30), max_size=5))
def test_whatever_is_typed_is_a_mistake_at_worst(lines):
    with contextlib.suppress(typed.Mistyped):
        typed.read_response(lines)
