"""Where does each retry, key, page and list of collecting money end?"""

from __future__ import annotations

from datetime import timedelta

KEY_LIFE = timedelta(hours=23)
"""Stripe forgets a key after 24 h at the earliest; an older one is never trusted."""

UNKNOWN_WAITS_S = (5, 30, 120, 300, 900, 3_600)
"""How long an attempt of unknown outcome waits before it is asked for again; the last from then."""

PENDING_WAIT_S = 3_600
"""How often a payment that waits for a bank or a customer is looked at, besides webhooks."""

QUIET_S = 120
"""Paddle has no keys: what was lost is looked for only when it cannot be on its way any more."""

LEASE_S = 120
"""Longer than asking takes: a few calls of at most 10 s each, tried twice."""

CLAIM_MAX = 16
POLL_S = 1
RETRY_S = 2

UNKNOWN_TOO_LONG = timedelta(hours=1)
"""An attempt whose outcome nobody knows after this is told by the doctor."""

STEPS_MAX = 8
"""Questions that one turn of an attempt asks: find a card, close what was before, charge."""

RETRIES_MAX = 20
DAYS_MAX = 365
REASON_CHARS_MAX = 200
WITHDRAWN_MAX = 20
LINK_URL_CHARS_MAX = 2_000

TOP_UP_EVERY = timedelta(minutes=5)
TOP_UP_RULES_MAX = 500
AMOUNT_LEAST_MINOR = 1
PROBLEMS_MAX = 100
