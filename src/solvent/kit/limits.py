"""Where does each loop, page, payload and queue of the kit end?"""

from __future__ import annotations

BODY_BYTES_MAX = 1_048_576
"""A request body; usage batches and webhooks are far smaller."""

PAGE_SIZE = 50
PAGE_SIZE_MAX = 500

IDEMPOTENCY_KEY_LENGTH_MAX = 255
IDEMPOTENT_BODY_BYTES_MAX = 262_144
"""Past this a response is not kept for replay; the repeat is refused instead of being run again."""

ERRAND_S = 40
ERRAND_LEASE_S = 50
"""How long somebody outside may be asked for an answer; past the lease a repeat asks again."""

OUTBOX_BATCH = 500
OUTBOX_POLL_MS = 100
"""How long an unnoticed outbox row waits at most before the relay looks again."""

RELAY_EVERY_MS = 20
"""The relay's passes begin at least so far apart: each costs a transaction, however much it carries."""

BEAT_MS = 200
"""How often the relay proves that nothing committed is unpublished."""

HANDLER_FETCH = 100
HANDLER_DELIVERIES_MAX = 8
HANDLER_BACKOFF_S = (0.1, 0.5, 2, 5, 15, 30, 60)

JOB_BATCH = 50
JOB_ATTEMPTS_MAX = 10
JOB_BACKOFF_S = (1, 5, 30, 120, 600, 1800, 3600)
JOB_LEASE_S = 300
JOB_LOOK_MS = 100
"""How soon after a look at the jobs that were due a nudge makes for another."""

JOB_POLL_MS = 200

EVENT_BYTES_MAX = 524_288
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 5_000
POOL_SIZE_MAX = 16
