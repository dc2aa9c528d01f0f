"""Is this still the same machine?"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from solvent.systems.licensing.model import Machine, Match

COMPONENTS_MAX = 16
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_TWO = 2


def component(product: str, name: str, value: str) -> str:
    """Return the digest of one source of a machine, salted so that no two products share it."""
    return _digest("solvent component v1", product, name, value)


def fingerprint(components: Mapping[str, str]) -> str:
    """Return a machine's one name, made of the digests of its components."""
    lines = (f"{name}={digest}" for name, digest in sorted(components.items()))
    return _digest("solvent fingerprint v1", "\n".join(lines))


def person(product: str, user: str) -> Machine:
    """Return what stands for a named person, who takes a seat as a machine takes a slot."""
    components = {"user": component(product, "user", user)}
    return Machine(fingerprint=fingerprint(components), components=components, name=user)


def is_same(then: Machine, now: Machine, match: Match) -> bool:
    """Return whether enough of a machine's components are what they were."""
    if not then.components or not now.components:
        return then.fingerprint == now.fingerprint
    return matches(then.components, now.components, match)


def matches(then: Mapping[str, str], now: Mapping[str, str], match: Match) -> bool:
    """Return whether enough of the components of `then` are still there."""
    kept = sum(now.get(name) == digest for name, digest in then.items())
    return kept >= needed(len(then), match)


def needed(count: int, match: Match) -> int:
    """Return how many of so many components must be as they were."""
    match match:
        case Match.ANY:
            return 1
        case Match.TWO:
            return min(_TWO, count)
        case Match.MOST:
            return count // 2 + 1
        case Match.ALL:
            return count


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
