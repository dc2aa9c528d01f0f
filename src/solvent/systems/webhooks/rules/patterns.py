"""Does an endpoint ask for events of this type?"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from solvent.systems.webhooks.errors import PatternInvalid
from solvent.systems.webhooks.limits import PATTERN_CHARS_MAX, PATTERNS_MAX

EVERYTHING = "*"
_FORM = re.compile(r"(?:[a-z][a-z0-9_]*\.)+(?:\*|v[0-9]+)\Z|\*\Z", re.ASCII)

INTERNAL = frozenset({"payments.webhooks_received.v1", "webhooks.endpoint_tested.v1"})
"""Events that tell of our own inbox, or go to one endpoint alone: nobody can ask for them."""


def matches(pattern: str, event_type: str) -> bool:
    """Return whether a pattern means this type."""
    if pattern.endswith(EVERYTHING):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


def is_asked_for(patterns: Iterable[str], event_type: str) -> bool:
    """Return whether one of the patterns means this type."""
    return any(matches(one, event_type) for one in patterns)


def check_patterns(patterns: Sequence[str], *, known: Collection[str]) -> tuple[str, ...]:
    """Return the patterns without repeats, if each means an event that there is.

    Raises:
        PatternInvalid: none or too many, another form, or one that no event is meant by.
    """
    if not 1 <= len(patterns) <= PATTERNS_MAX:
        message = f"name 1 to {PATTERNS_MAX} event types; * means all"
        raise PatternInvalid(message, field="event_types")
    for one in patterns:
        if len(one) > PATTERN_CHARS_MAX or not _FORM.match(one):
            raise PatternInvalid(field="event_types", given=one[:PATTERN_CHARS_MAX])
        if not any(matches(one, event_type) for event_type in known):
            message = f"no event is meant by {one}; `solvent webhook types` lists them"
            raise PatternInvalid(message, field="event_types", given=one)
    return tuple(dict.fromkeys(patterns))
