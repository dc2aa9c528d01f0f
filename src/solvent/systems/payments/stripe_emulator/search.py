"""Which objects does a query such as `status:'active' AND metadata['order']:'7'` mean?"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from solvent.systems.payments.stripe_emulator.fault import invalid
from solvent.systems.payments.stripe_emulator.plain import Json, table
from solvent.systems.payments.stripe_emulator.world import Handler, World, page

_CLAUSE = re.compile(
    r"\s*(-?)([a-z_.]+)(?:\[([\"'])(.+?)\3\])?\s*(:|~|>=|<=|>|<)\s*"
    r"(?:\"([^\"]*)\"|'([^']*)'|(-?\d+)|(null))\s*"
)
_JOINT = re.compile(r"AND|and|OR|or")
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    ":": lambda held, asked: str(held).lower() == asked.lower(),
    "~": lambda held, asked: asked.lower() in str(held).lower(),
    ">": lambda held, asked: held > int(asked),
    "<": lambda held, asked: held < int(asked),
    ">=": lambda held, asked: held >= int(asked),
    "<=": lambda held, asked: held <= int(asked),
}


def searching(kind: str) -> Handler:
    """Return a handler that searches a kind; found at once, where Stripe needs up to a minute."""

    def search(world: World, params: Json) -> Json:
        wanted = read_query(params["query"])
        found = [one for one in world.every(kind) if wanted(one)]
        asked = {"limit": params.get("limit"), "starting_after": params.get("page")}
        told = page(world, found, asked)
        following = told["data"][-1]["id"] if told["has_more"] else None
        return told | {"object": "search_result", "next_page": following}

    return search


def read_query(text: str) -> Callable[[Json], bool]:
    """Return the test that a query means.

    Raises:
        StripeFault: it is no query, or mixes AND with OR, which Stripe does not allow either.
    """
    clauses: list[Callable[[Json], bool]] = []
    joints: set[str] = set()
    at = 0
    while True:
        found = _CLAUSE.match(text, at)
        if not found:
            raise _odd(text)
        clauses.append(_clause(found))
        at = found.end()
        if at == len(text):
            break
        joint = _JOINT.match(text, at)
        if not joint:
            raise _odd(text)
        joints.add(joint[0].lower())
        at = joint.end()
    if len(joints) > 1:
        raise _odd(text)
    every = any if joints == {"or"} else all
    return lambda one: every(clause(one) for clause in clauses)


def _clause(found: re.Match[str]) -> Callable[[Json], bool]:
    negated, field, _, key, sign, double, single, number, null = found.groups()
    asked = next((one for one in (double, single, number) if one is not None), "")

    def holds(one: Json) -> bool:
        held: Any = (table(one.get(field)) or {}).get(key) if key else one.get(field)
        if held is None or null:
            return bool(null) and held is None
        return _TESTS[sign](held, asked)

    return (lambda one: not holds(one)) if negated else holds


def _odd(text: str) -> Exception:
    return invalid(f"We were unable to parse your search query: {text[:200]}", param="query")
