"""Is this the machine that the license was activated on? Digests of what it is made of.

The formulas stand in docs/reference/license-file.md: every component is hashed by itself, salted
with the product, so that two publishers cannot tell that they know the same machine.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

OVERRIDE: Final = "override"
_TWO: Final = 2


def component(product: str, name: str, value: str) -> str:
    """Return the digest of one thing that the machine is made of, 64 hex digits."""
    told = f"solvent component v1\0{product}\0{name}\0{value}"
    return hashlib.sha256(told.encode()).hexdigest()


def components_of(product: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return name -> digest of everything that has a value."""
    return {name: component(product, name, value) for name, value in values.items() if value}


def fingerprint_of(components: Mapping[str, str]) -> str:
    """Return the one digest of all components, 64 hex digits."""
    lines = "\n".join(f"{name}={components[name]}" for name in sorted(components))
    return hashlib.sha256(f"solvent fingerprint v1\0{lines}".encode()).hexdigest()


def needed(match: str, count: int) -> int:
    """Return how many of `count` components must be as they were: `any`, `two`, `most`, `all`."""
    return {
        "any": min(1, count),
        "two": min(_TWO, count),
        "most": count // 2 + 1,
        "all": count,
    }[match]


def is_same_machine(wanted: Mapping[str, str], here: Mapping[str, str], *, match: str) -> bool:
    """Say whether enough of the components that the file names are the same here."""
    same = sum(here.get(name) == digest for name, digest in wanted.items())
    return same >= needed(match, len(wanted))
