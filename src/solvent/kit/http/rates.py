"""How often may who ask: a caller that is known, an address, and one that keeps failing?"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from starlette.requests import cookie_parser

from solvent.kit.clock import monotonic_ms
from solvent.kit.http.credentials import SESSION_COOKIE

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Scope

CALLERS_MAX = 10_000
UNAUTHENTICATED = 401
IDENTITY = "solvent.identity"
"""Under this name in the request's scope a route tells who was recognized."""

IPV6_SITE_BITS = 64
"""One subscriber holds a whole such network, and may send from any address in it."""


@dataclass(slots=True)
class RateLimit:
    """Token buckets by caller; the callers seen longest ago are forgotten first."""

    per_s: float
    burst: int
    _buckets: OrderedDict[str, tuple[float, float]] = field(
        default_factory=OrderedDict[str, "tuple[float, float]"]
    )

    def admit(self, caller: str) -> float:
        """Take a token; return 0 when there was one, or the seconds until there is."""
        tokens, now_s = self._tokens(caller)
        admitted = tokens >= 1
        self._buckets.pop(caller, None)
        self._buckets[caller] = (tokens - admitted, now_s)
        if len(self._buckets) > CALLERS_MAX:
            self._buckets.popitem(last=False)
        return 0 if admitted else (1 - tokens) / self.per_s

    def wait_s(self, caller: str) -> float:
        """Return the seconds until there is a token, and take none."""
        tokens, _ = self._tokens(caller)
        return max(0.0, (1 - tokens) / self.per_s)

    def _tokens(self, caller: str) -> tuple[float, float]:
        now_s = monotonic_ms() / 1000
        tokens, seen_s = self._buckets.get(caller, (float(self.burst), now_s))
        return min(self.burst, tokens + (now_s - seen_s) * self.per_s), now_s


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a request, before anybody has looked at what they send."""

    address: str
    credentials: str | None
    """A digest of the key, token or session, if one is sent."""

    path: str

    @classmethod
    def of(cls, scope: Scope, headers: Headers, trusted: Collection[str] = ()) -> Sender:
        """Read them; a proxy that is trusted is believed whom it sends for."""
        client = scope.get("client")
        address = client[0] if client else "unknown"
        if address in trusted:
            address = _sent_for(headers.getlist("x-forwarded-for"), trusted) or address
        return cls(_site(address), _digest(headers), scope["path"])

    @property
    def failing(self) -> str:
        """Return under what name failures are counted: without credentials only at that path."""
        return self.address if self.credentials else f"{self.address} {self.path}"


@dataclass(slots=True)
class Rates:
    """Lets senders in by who they are, once that is known, and by their address until then.

    A key that is used from many addresses is one caller, and many keys that are none are one: each
    failure to prove an identity takes from the address's own, smaller allowance. Without it only
    those get in who have proved theirs before.
    """

    callers: RateLimit
    failures: RateLimit
    _known: OrderedDict[str, str] = field(default_factory=OrderedDict[str, str])

    def admit(self, sender: Sender) -> float:
        """Return 0 to let the sender in, or how many seconds to wait."""
        identity = self._known.get(sender.credentials) if sender.credentials else None
        if identity is not None:
            return self.callers.admit(identity)
        return self.failures.wait_s(sender.failing) or self.callers.admit(sender.address)

    def note(self, sender: Sender, *, identity: str | None, status: int) -> None:
        """Remember who was recognized, or that nobody was."""
        if identity is not None and sender.credentials:
            self._known[sender.credentials] = identity
            self._known.move_to_end(sender.credentials)
            if len(self._known) > CALLERS_MAX:
                self._known.popitem(last=False)
        elif status == UNAUTHENTICATED:
            self._known.pop(sender.credentials or "", None)
            self.failures.admit(sender.failing)


def _digest(headers: Headers) -> str | None:
    key = headers.get("authorization")
    if not key and SESSION_COOKIE in headers.get("cookie", ""):
        key = cookie_parser(headers["cookie"]).get(SESSION_COOKIE)
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()[:32] if key else None


def _sent_for(forwarded: list[str], trusted: Collection[str]) -> str | None:
    """Return the last address that is no trusted proxy: whatever stands before it may be forged."""
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    return next((hop for hop in reversed(hops) if hop and hop not in trusted), None)


@lru_cache(CALLERS_MAX)
def _site(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, IPV6_SITE_BITS), strict=False))
    return str(parsed)
