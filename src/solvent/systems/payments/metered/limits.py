"""Where does telling Stripe of usage end: how late, how often, how many at once?"""

from __future__ import annotations

from datetime import timedelta

REPORT_EVERY = timedelta(seconds=30)
SETTLES_IN = timedelta(minutes=5)
"""An hour is told when it has been over for so long: most of what is late has come by then."""

LOOKS_BACK_DAYS = 62
"""Usage older than this is not looked at any more; Stripe takes 35 days."""

PAIRS_MAX = 50
"""Customers' meters that are looked at in one transaction."""

CLAIM_MAX = 25
"""Events that are sent in one go; Stripe takes about 100 a second in a sandbox."""

ROUNDS_MAX = 400
"""Goes in one run: 10,000 events, some minutes."""

LEASE = timedelta(minutes=5)
KNOWN_FOR = timedelta(hours=23)
"""How long an identifier can be used again: Stripe keeps it unique for at least 24 hours."""

RETRY_AFTER_S = (30, 60, 300, 900, 3_600)
"""Pauses between tries; the last one again and again."""

CUSTOMER_WAIT = timedelta(minutes=10)
EVENT_NAME_CHARS_MAX = 100
REASON_CHARS_MAX = 300
