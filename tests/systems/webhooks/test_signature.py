"""Do receivers believe what we sign, and nothing else?"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from solvent.systems.webhooks.errors import SecretMalformed
from solvent.systems.webhooks.model import SignatureScheme
from solvent.systems.webhooks.rules.signature import (
    SIGNATURE,
    TIMESTAMP,
    Key,
    is_signed_by,
    read_shared,
    sign,
)

OURS = Key(SignatureScheme.V1, bytes(range(32)))
OTHER = Key(SignatureScheme.V1, b"another secret of 24 byt")
SIGNING = Key(SignatureScheme.V1A, bytes(range(1, 33)))
BODIES = [
    b'{"a":"\\u0141\\u00f3d\\u017a"}',
    '{"a":"Łódź \U0001f422"}'.encode(),
    b'\xef\xbb\xbf{"bom": true}',
    b'{\r\n  "crlf" : 1\r\n}',
    b"",
    b"not json \xff\x00",
]


def test_the_example_of_the_specification_is_signed_alike():
    key = read_shared("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = sign([key], id="msg_p5jXN8AQM9LWM0D4loKWxJek", at=at, body=b'{"test": 2432232314}')
    assert headers[SIGNATURE] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("body", BODIES[:2] + BODIES[3:4])
def test_the_official_library_believes_us(body):
    headers = sign([SIGNING, OTHER, OURS], id="msg_1", at=datetime.now(UTC), body=body)
    assert Webhook(OURS.text).verify(body, headers) is not None
    assert Webhook(OTHER.text).verify(body, headers) is not None
    with pytest.raises(WebhookVerificationError):
        Webhook(read_shared("whsec_" + "A" * 40).text).verify(body, headers)


@pytest.mark.parametrize("body", BODIES)
def test_v1a_is_an_ed25519_signature_of_the_raw_bytes(body):
    headers = sign([SIGNING], id="msg_1", at=datetime.now(UTC), body=body)
    scheme, _, raw = headers[SIGNATURE].partition(",")
    assert scheme == "v1a"
    public = Ed25519PublicKey.from_public_bytes(
        base64.b64decode(SIGNING.public_text.removeprefix("whpk_"))
    )
    public.verify(base64.b64decode(raw), f"msg_1.{headers[TIMESTAMP]}.".encode() + body)


@given(st.binary(max_size=300), st.sampled_from([OURS, SIGNING]))
def test_what_we_sign_we_believe_and_nothing_that_was_changed(body, key):
    at = datetime(2026, 1, 15, 10, tzinfo=UTC)
    verifier = key.public_text or key.text
    headers = sign([key], id="msg_1", at=at, body=body)
    assert is_signed_by(headers, body, verifier, at=at)
    assert not is_signed_by(headers, body + b" ", verifier, at=at)
    assert not is_signed_by({**headers, "webhook-id": "msg_2"}, body, verifier, at=at)


@pytest.mark.parametrize(
    "seconds, believed", [(0, True), (300, True), (301, False), (-300, True), (-301, False)]
)
def test_the_time_may_be_off_by_five_minutes_both_ways(seconds, believed):
    at = datetime(2026, 1, 15, 10, tzinfo=UTC)
    headers = sign([OURS], id="msg_1", at=at, body=b"{}")
    now = at + timedelta(seconds=seconds)
    assert is_signed_by(headers, b"{}", OURS.text, at=now) is believed


def test_a_time_of_another_zone_signs_the_same():
    at = datetime(2026, 7, 15, 10, tzinfo=UTC)
    there = at.astimezone(timezone(timedelta(hours=2)))
    assert sign([OURS], id="m", at=at, body=b"x") == sign([OURS], id="m", at=there, body=b"x")


@pytest.mark.parametrize(
    "changed",
    [
        {SIGNATURE: ""},
        {SIGNATURE: "v1"},
        {SIGNATURE: "v1,===="},
        {SIGNATURE: "v0,AAAA"},
        {TIMESTAMP: "yesterday"},
        {TIMESTAMP: "9" * 40},
        {TIMESTAMP: "-5"},
        {"webhook-id": ""},
    ],
)
def test_odd_headers_are_not_believed(changed):
    at = datetime(2026, 1, 15, 10, tzinfo=UTC)
    for key in (OURS, SIGNING):
        headers = sign([key], id="msg_1", at=at, body=b"{}") | changed
        assert not is_signed_by(headers, b"{}", key.public_text or key.text, at=at)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_of_24_to_64_bytes_is_taken(size):
    text = "whsec_" + base64.b64encode(b"k" * size).decode()
    assert read_shared(text).text == text


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "whsk_" + "A" * 44, "whsec_!!", "A" * 44]
    + ["whsec_" + base64.b64encode(b"k" * size).decode() for size in (23, 65)],
)
def test_other_secrets_are_refused(text):
    with pytest.raises(SecretMalformed, match="secret"):
        read_shared(text)


def test_a_key_tells_nothing_where_it_is_printed():
    assert OURS.text not in repr(OURS)
    assert "whpk_" in (SIGNING.public_text or "")
