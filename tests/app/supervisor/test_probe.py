"""Is it told whether a server could listen somewhere, and why not?"""

import socket

import pytest

from solvent.app.supervisor.probe import free_port, port_is_free, why_not_listen


def test_a_free_port_is_free_until_somebody_listens():
    port = free_port()
    assert port_is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not port_is_free(port)
        assert why_not_listen(port, "127.0.0.1") == "Address already in use"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_addresses_of_ipv6_are_known():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert not why_not_listen(free_port(), "::1")


def test_every_address_of_the_machine_can_be_asked_for():
    assert not why_not_listen(free_port(), "0.0.0.0")  # noqa: S104 - asked for, not served
    assert not why_not_listen(free_port(), "")


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.7"])
def test_a_host_elsewhere_is_refused_with_a_reason(host):
    assert why_not_listen(free_port(), host)
