"""Where does each payload, list, wait and retry of the webhooks system end?"""

from __future__ import annotations

ENDPOINTS_MAX = 50
"""Endpoints of one tenant."""

PATTERNS_MAX = 50
PATTERN_CHARS_MAX = 100
URL_CHARS_MAX = 2_000
DESCRIPTION_CHARS_MAX = 500

SECRET_BYTES = 32
SECRET_BYTES_MIN = 24
SECRET_BYTES_MAX = 64
"""Standard Webhooks: a secret has 192 to 512 bits."""

SECRETS_MAX = 4
"""Secrets of one scheme that sign beside each other."""

OVERLAP_HOURS = 24
OVERLAP_HOURS_MAX = 168

BODY_BYTES_MAX = 1_048_576
"""Twice the largest event of the bus: what was emitted can be sent."""

SCHEDULE_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each attempt, since the one before: the schedule that Standard Webhooks names."""

JITTER_SHARE_MAX = 0.1
"""A retry waits for up to so much longer than its schedule says, so that many spread out."""

RETRY_AFTER_S_MAX = 86_400

TIMEOUT_S = 20
"""For all of an attempt; Standard Webhooks asks for 15 to 30."""

RESOLVE_S = 5
RESOLVERS = 8
"""Names that are looked up at once, on threads of their own."""

ADDRESSES_MAX = 3
"""Addresses of a name that are tried, where the first cannot be reached."""

RESPONSE_BYTES_MAX = 16_384
RESPONSE_CHARS_KEPT = 1_000
RESPONSE_READ_S = 5

FAILING_S_MAX = 432_000
FAILURES_MIN = 10
"""An endpoint is disabled once it has failed for five days and so many times, without a success."""

ORDER_WAIT_S = 600
ORDER_WAIT_S_MAX = 604_800
"""How long a message that fails holds up those behind it, at an endpoint that wants its order."""

SLOTS = 64
"""Attempts of a process that are under way at once."""

SLOTS_FAILING = 32
"""Of these at most so many at endpoints that fail."""

EACH = 4
"""Deliveries of one endpoint that are taken at once; of one that fails, one."""

EACH_UNDER_WAY_MAX = 4
"""While so many are under way at an endpoint, no more of it are taken."""

LEASE_S = 90
"""More than an attempt and its record take; what a killed process had taken comes again then."""

POLL_S = 0.5
RETRY_S = 1.0
"""How soon the database is asked again after it was away."""

REPLAY_MAX = 10_000
"""Messages that one replay sends again."""

KEPT_DAYS = 30
INTAKE_LINGER_MS = 80
