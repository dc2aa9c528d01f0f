"""Which addresses may a webhook be sent to, so that nobody reaches our own network through us?

A name is judged by what it resolves to, just before the connection, which then goes to the very
address that was judged: a name that resolves otherwise a moment later (DNS rebinding) gains
nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from solvent.systems.webhooks.errors import AddressBlocked, SettingInvalid, UrlInvalid
from solvent.systems.webhooks.limits import URL_CHARS_MAX

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
PORTS = {"https": 443, "http": 80}
PARTS_MAX = 4
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*\Z|[0-9]+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets public addresses pass, and the networks that the operator allows."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Sequence[str]) -> Guard:
        """Return a guard that allows these networks too.

        Raises:
            SettingInvalid: one is no network.
        """
        try:
            return cls(tuple(ipaddress.ip_network(one) for one in networks))
        except ValueError as odd:
            raise SettingInvalid(str(odd), field="webhooks.allowed_networks") from None

    def lets(self, address: str) -> bool:
        """Return whether a connection to this address may be made."""
        found = parse_address(address)
        return found is not None and (self.allows(address) or is_public(found))

    def allows(self, address: str) -> bool:
        """Return whether the operator allows this address, though it may be private."""
        found = parse_address(address)
        return found is not None and any(_inner(found) in network for network in self.allowed)

    def check_url(self, url: str) -> str:
        """Return the URL if it is one that webhooks can go to, as far as it tells by itself.

        What its name resolves to is judged at each attempt.

        Raises:
            UrlInvalid: no URL of http(s), or with a user, a fragment or odd characters in it; or
                http, and the operator allows no network.
            AddressBlocked: its host is an address that may not be reached.
        """
        parts = split_url(url)
        if parts is None or (parts.scheme == "http" and not self.allowed):
            raise UrlInvalid(field="url", given=url[:200])
        literal = literal_address(parts.hostname or "")
        if literal is not None and not self.lets(literal):
            raise AddressBlocked(field="url", given=url[:200])
        return url


def split_url(url: str) -> SplitResult | None:
    """Return the parts of a URL that a webhook may have, else None."""
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\\"'<>`{}|^#@")
    if not plain or len(url) > URL_CHARS_MAX:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in PORTS and parts.hostname and port != 0 else None


def parse_address(text: str) -> Address | None:
    """Return the address, without the zone of an IPv6 one."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def literal_address(host: str) -> str | None:
    """Return the address that a host is by itself, in any form that resolvers understand.

    `2130706433`, `0x7f.1` and `0177.0.0.1` are all 127.0.0.1 (as inet_aton reads them).
    """
    found = parse_address(host)
    if found is not None:
        return str(found)
    parts = host.rstrip(".").split(".")
    if len(parts) > PARTS_MAX or not all(_NUMBER.match(one) for one in parts):
        return None
    try:
        numbers = [_number(one) for one in parts]
        return str(ipaddress.IPv4Address(_joined(numbers)))
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Return whether an address is of the public internet, and so is what it carries inside."""
    inner = _inner(address)
    if isinstance(inner, ipaddress.IPv6Address) and _is_translated(inner):
        return False
    return inner.is_global and not (inner.is_multicast or inner.is_reserved)


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_translated(address: ipaddress.IPv6Address) -> bool:
    """Return whether an address is of a tunnel, which ends at an IPv4 address that it names."""
    tunneled = address.sixtofour is not None or address.teredo is not None
    return tunneled or address in V4_COMPATIBLE or address in NAT64_LOCAL


def _number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    return int(text, 8) if text.startswith("0") and len(text) > 1 else int(text)


def _joined(numbers: Sequence[int]) -> int:
    """Return the 32 bits of one to four numbers, of which the last fills what the others leave."""
    *heads, last = numbers
    rest_bits = 8 * (PARTS_MAX - len(heads))
    if any(one > 0xFF for one in heads) or last >= 1 << rest_bits:  # noqa: PLR2004 - a byte
        msg = "no address"
        raise ValueError(msg)
    high = sum(one << (24 - 8 * place) for place, one in enumerate(heads))
    return high | last
