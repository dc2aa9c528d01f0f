"""Can nobody reach our own network through us?"""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from solvent.systems.webhooks.errors import AddressBlocked, SettingInvalid, UrlInvalid
from solvent.systems.webhooks.limits import URL_CHARS_MAX
from solvent.systems.webhooks.model import Outcome
from solvent.systems.webhooks.rules.address import Guard, literal_address
from solvent.systems.webhooks.sender import open_sender
from solvent.systems.webhooks.testing import LOOPBACK, open_receiver

PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",  # noqa: S104 - nobody binds to it here
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
]
FORMS = [
    "2130706433",
    "0x7f000001",
    "0x7F.0x0.0x0.0x1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "0x7f.1",
    "0",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "127.0.0.1.",
    "3232235777",
]
NOBODY = Guard()


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_blocked(address):
    assert not NOBODY.lets(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"]
)
def test_a_public_address_passes(address):
    assert NOBODY.lets(address)


@pytest.mark.parametrize("host", [*FORMS, *(f"[{one}]" for one in PRIVATE if ":" in one)])
def test_an_address_is_known_in_every_form_that_resolvers_take(host):
    with pytest.raises((AddressBlocked, UrlInvalid)):
        NOBODY.check_url(f"https://{host}/hooks")


@given(st.ip_addresses(v=4), st.sampled_from(["{}", "{:#x}", "0{:o}"]))
def test_each_number_means_the_address_that_it_is(address, form):
    assert literal_address(form.format(int(address))) == str(address)
    parts = ".".join(form.format(one) for one in address.packed)
    assert literal_address(parts) == str(address)


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_as_itself(address):
    mapped = ipaddress.IPv6Address(int(address) | 0xFFFF << 32)
    assert NOBODY.lets(str(mapped)) == NOBODY.lets(str(address))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "http://example.com/",
        "https://",
        "https:///path",
        "https://user:pass@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nx: y",
        "https://exämple.com/",
        "https://example.com\\@10.0.0.1/",
        "https://example.com/" + "x" * URL_CHARS_MAX,
        "file:///etc/passwd",
    ],
)
def test_what_is_no_https_url_is_refused(url):
    with pytest.raises(UrlInvalid):
        NOBODY.check_url(url)


def test_the_operator_may_allow_networks_and_no_nonsense():
    assert LOOPBACK.check_url("http://127.0.0.1:8000/hooks?x=1")
    with pytest.raises(AddressBlocked):
        LOOPBACK.check_url("http://10.0.0.1/")
    with pytest.raises(SettingInvalid, match="allowed_networks"):
        Guard.of(("localhost",))


def answering(*addresses):
    """Return a resolver that answers with these, one look-up after another."""
    left, asked = [list(one) for one in addresses], []

    async def resolve(host, port):
        asked.append((host, port))
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve, asked


@pytest.mark.parametrize("address", PRIVATE)
async def test_no_private_address_is_reached_in_any_form(address):
    resolve, _ = answering([address])
    async with open_sender(NOBODY, resolve=resolve) as sender:
        answer = await sender.send("https://hooks.example.com/", {}, b"{}")
    assert answer.outcome is Outcome.BLOCKED


@pytest.mark.parametrize("host", FORMS)
async def test_the_machines_own_resolver_is_judged_too(host):
    async with open_sender(NOBODY) as sender:
        answer = await sender.send(f"https://{host}/", {}, b"{}")
    assert answer.outcome in {Outcome.BLOCKED, Outcome.NO_ADDRESS, Outcome.PROTOCOL}
    assert answer.status is None


async def test_a_name_that_is_rebound_is_judged_anew_and_resolved_once(receiver):
    resolve, asked = answering(["127.0.0.1"], ["10.0.0.1"])
    async with open_sender(LOOPBACK, resolve=resolve) as sender:
        url = f"http://rebound.example.com:{receiver.port}/hooks"
        first = await sender.send(url, {}, b"{}")
        second = await sender.send(url, {}, b"{}")
    assert (first.outcome, second.outcome) == (Outcome.DELIVERED, Outcome.BLOCKED)
    assert asked == [("rebound.example.com", receiver.port)] * 2, "one look-up an attempt"
    assert receiver.received[0].headers["host"] == f"rebound.example.com:{receiver.port}"


async def test_of_several_addresses_the_private_ones_are_left_out(receiver):
    resolve, _ = answering(["10.0.0.1", "127.0.0.1"])
    async with open_sender(LOOPBACK, resolve=resolve) as sender:
        answer = await sender.send(f"http://two.example.com:{receiver.port}/", {}, b"{}")
    assert answer.outcome is Outcome.DELIVERED


async def test_without_tls_only_allowed_networks_are_reached():
    resolve, _ = answering(["93.184.216.34"])
    async with open_sender(LOOPBACK, resolve=resolve) as sender:
        answer = await sender.send("http://plain.example.com/", {}, b"{}")
    assert answer.outcome is Outcome.BLOCKED


async def test_a_redirect_to_a_private_address_is_not_followed(receiver):
    receiver.replies(302, location="http://169.254.169.254/latest/meta-data")
    async with open_sender(LOOPBACK) as sender:
        answer = await sender.send(receiver.url, {}, b"{}")
    assert (answer.outcome, answer.status) == (Outcome.STATUS, 302)
    assert len(receiver.received) == 1


async def test_no_cookie_and_no_proxy_of_ours_goes_along(receiver, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9/")
    receiver.replies(204, **{"set-cookie": "a=b"})
    async with open_sender(LOOPBACK) as sender:
        for _ in range(2):
            answer = await sender.send(receiver.url, {}, b"{}")
            assert answer.outcome is Outcome.DELIVERED
    assert all("cookie" not in one.headers for one in receiver.received)


def certificate(tmp_path, name):
    """Write a certificate of this name, signed by itself; return its file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / f"{name}.pem"
    form = serialization.PrivateFormat.PKCS8
    raw = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    file.write_bytes(raw + made.public_bytes(serialization.Encoding.PEM))
    return file


async def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path):
    file = certificate(tmp_path, "hooks.example.com")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    trusting = ssl.create_default_context(cafile=str(file))
    resolve, _ = answering(["127.0.0.1"])
    async with (
        open_receiver(ssl=server) as receiver,
        open_sender(LOOPBACK, tls=trusting, resolve=resolve) as sender,
    ):
        good = await sender.send(f"https://hooks.example.com:{receiver.port}/", {}, b"{}")
        bad = await sender.send(f"https://other.example.com:{receiver.port}/", {}, b"{}")
    assert good.outcome is Outcome.DELIVERED
    assert bad.outcome is not Outcome.DELIVERED
    assert len(receiver.received) == 1
