"""Where does each payload, list and wait of the doors end?"""

from __future__ import annotations

from solvent.kit.limits import BODY_BYTES_MAX

UNPACKED_BYTES_MAX = BODY_BYTES_MAX
"""A body holds so much once it is unpacked, too: a gzip bomb is no larger than another body."""

EVENTS_MAX = 1_000
"""Events of one request; Lago and Stripe take 100."""

FORM_FIELDS_MAX = 1_000
DEPTH_MAX = 8
"""Objects inside objects of an event's data that become properties with dotted names."""

NAME_CHARS_MAX = 200
"""A name that a foreign client uses: of a customer, an event, an id."""

PATH_CHARS_MAX = 200
DIMENSIONS_MAX = 20
NAMES_MAX = 100_000
"""Foreign names of customers, and of meters, that one tenant can have."""

RAW_BYTES_MAX = 8_192
"""Of a dead event so much is kept; one that is larger cannot be replayed."""

TOLD_CHARS_MAX = 300
LETTERS_MAX = 50_000
"""Dead letters of a tenant that wait; past that what would make more is refused, not dropped."""

KEPT_DAYS = 90
REPLAY_MAX = 500
"""Letters of one replay, which is one transaction."""

WINDOWS_MAX = 2_000
"""Rows of one query of usage."""

SESSION_S = 900
"""How long a token of Stripe's meter event sessions is good."""

PAGES_DEPTH_MAX = 10_000
"""Events that a list in numbered pages leads to."""

EPOCH_S_MAX = 253_402_300_799
"""The last second of the year 9999."""
