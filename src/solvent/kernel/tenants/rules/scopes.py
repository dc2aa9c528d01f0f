"""Which scopes are there, and who gets which?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from solvent.kernel.tenants.errors import (
    ScopeBeyondOwn,
    ScopeInvalid,
    ScopeNotPublishable,
)
from solvent.kernel.tenants.model import KeyKind, Role
from solvent.kit.ctx import SCOPE_ALL, Actor

SCOPES_MAX = 64
_SCOPE = re.compile(r"\*\Z|[a-z][a-z_]{1,30}:(\*|[a-z][a-z_]{1,30})\Z")

NOUNS = (
    "tenant",
    "members",
    "api_keys",
    "test_clock",
    "customers",
    "tokens",
    "audit",
    "signing",
    "metering",
    "catalogue",
    "subscriptions",
    "ledger",
    "entitlements",
    "payments",
    "paywall",
    "billing",
    "revenue",
    "webhooks",
    "analytics",
    "outreach",
    "experiments",
    "licensing",
    "editor",
    "docs",
    "sandbox",
    "queue",
    "observability",
    "edge",
    "compliance",
    "uptime",
    "logs",
    "community",
    "success",
)
"""What scopes are about: the kernel's nouns, then the systems'. `noun:read`, `noun:write`."""

_BUSINESS_NOUNS = frozenset({"tenant", "members", "api_keys", "signing"})
"""What a developer may look at but not change: the business itself and its keys."""

_READ = frozenset(f"{noun}:read" for noun in NOUNS)

SCOPES_OF_ROLE: Mapping[Role, frozenset[str]] = MappingProxyType(
    {
        Role.OWNER: frozenset({SCOPE_ALL}),
        Role.ADMIN: frozenset(f"{noun}:*" for noun in NOUNS),
        Role.DEVELOPER: _READ | {f"{noun}:*" for noun in NOUNS if noun not in _BUSINESS_NOUNS},
        Role.VIEWER: _READ,
    }
)

SECRET_SCOPES = frozenset({SCOPE_ALL})
"""What a secret key gets that asks for nothing in particular."""

PUBLISHABLE_SCOPES = frozenset({"analytics:track", "experiments:decide", "catalogue:read"})
"""All that a key may do that everybody can read in a page's source."""


def check_scopes(asked: Iterable[str], *, kind: KeyKind, giver: Actor) -> frozenset[str]:
    """Return the scopes a new key gets; none asked for means the kind's own.

    Raises:
        ScopeInvalid: malformed, or too many.
        ScopeNotPublishable: more than everybody may do.
        ScopeBeyondOwn: the giver does not hold it.
    """
    scopes = check_shape(asked) or default_scopes(kind)
    if kind is KeyKind.PUBLISHABLE:
        for scope in sorted(scopes - PUBLISHABLE_SCOPES):
            raise ScopeNotPublishable(field="scopes", scope=scope)
        return scopes
    check_within(scopes, giver=giver)
    return scopes


def check_shape(asked: Iterable[str]) -> frozenset[str]:
    """Return the scopes if each reads as one; raises ScopeInvalid."""
    scopes = frozenset(asked)
    for scope in sorted(scopes):
        if not _SCOPE.match(scope) or len(scopes) > SCOPES_MAX:
            raise ScopeInvalid(field="scopes", scope=scope[:64])
    return scopes


def check_within(scopes: Iterable[str], *, giver: Actor) -> None:
    """Let pass only scopes that the giver holds; raises ScopeBeyondOwn."""
    for scope in sorted(scopes):
        if not giver.may(scope):
            raise ScopeBeyondOwn(field="scopes", scope=scope)


def default_scopes(kind: KeyKind) -> frozenset[str]:
    """Return what a key of this kind may do unless told otherwise."""
    return SECRET_SCOPES if kind is KeyKind.SECRET else PUBLISHABLE_SCOPES
