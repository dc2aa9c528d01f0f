"""Does the API client speak plainly, repeat safely, and never put a caller's text into a header?"""

import pytest
from emulator import KEY, eventually

from solvent_client import BadKey, Refused, Solvent, Unreachable
from solvent_client.problem import checked_upgrade_url


@pytest.mark.parametrize(
    "url",
    ["", "billing.example.com", "ftp://x", "http://", "http://u:p@x", "http://x?a=1", "file:///x"],
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="url"):
        Solvent(url, KEY)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX-Evil: 1", "ключ", "k" * 513])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(ValueError, match="key"):
        Solvent("http://127.0.0.1", key)


@pytest.fixture
def api(solvent):
    with Solvent(solvent.url, KEY) as opened:
        yield opened


def test_errors_say_what_the_server_said(api):
    with pytest.raises(Refused) as refusal:
        api.customer("alice")
    assert refusal.value.code == "kit.not_found"
    assert "404" in str(refusal.value)


def test_a_wrong_key_is_told_apart(solvent):
    with Solvent(solvent.url, "sk_test_wrong") as api, pytest.raises(BadKey):
        api.check("alice")


def test_a_repeated_post_carries_the_same_idempotency_key(solvent, api, monkeypatch):
    monkeypatch.setattr("solvent_client.api._FIRST_WAIT_S", 0.001)
    solvent.status = 503
    with pytest.raises(Unreachable):
        api.checkout_link("alice", "pro", success_url="https://app.example.com")
    keys = [headers["Idempotency-Key"] for _, _, headers in solvent.asked]
    assert len(keys) == 4
    assert len(set(keys)) == 1


def test_a_customers_text_never_becomes_a_header_or_another_path(solvent, api):
    evil = "a\r\nX-Evil: 1/../../admin?x=1#"
    api.check(evil)
    path, _, headers = solvent.asked[-1]
    assert path == "/v1/entitlements/check"
    assert "X-Evil" not in headers
    for path in (evil, "a/b", "..", ".", ""):
        with pytest.raises(ValueError, match="customer"):
            api.customer(path)
    with pytest.raises(Refused):
        api.customer("a\r\nX-Evil: 1?x=1#")


def test_connections_are_kept_and_replaced_when_the_server_closed_them(solvent, api):
    api.check("alice")
    [kept] = api.transport._idle
    kept.sock.shutdown(2)
    api.check("alice")
    assert len(api.transport._idle) == 1
    eventually(lambda: len(solvent.asked) >= 2)


@pytest.mark.parametrize(
    "url",
    ["https://shop.example.com/plans?from=app", "/upgrade", "/upgrade?plan=pro#pay", None],
)
def test_good_upgrade_addresses(url):
    assert checked_upgrade_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com",
        "javascript:alert(1)",
        "//evil.example.com",
        "/\\evil.example.com",
        "https://",
        "upgrade",
        "",
        "/a\r\nSet-Cookie: x",
        "/a b",
        '/"><script>',
        "/" + "a" * 3000,
        "data:text/html,x",
    ],
)
def test_bad_upgrade_addresses(url):
    with pytest.raises(ValueError, match="upgrade_url"):
        checked_upgrade_url(url)
