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

GC_THRESHOLDS = (50_000, 20, 100)
"""A busy process makes few cycles: what is young is looked through seldom, the rest hardly ever."""

OUTBOX_BATCH = 500
OUTBOX_POLL_MS = 100
"""How long an unnoticed outbox row waits at most before the relay looks again."""

RELAY_EVERY_MS = 20
"""The relay's passes begin at least so far apart: each is a transaction, whatever it carries."""

NUDGE_EVERY_MS = 10
"""A process wakes the relay at most so often; it would not work more often anyway."""

BEAT_MS = 200
"""How often the relay proves that nothing committed is unpublished."""

HANDLER_FETCH = 100
HANDLER_TOGETHER = 10
"""Events of one tenant that share a transaction where the handler takes them one after another."""

HANDLER_DELIVERIES_MAX = 8
HANDLER_BACKOFF_S = (0.1, 0.5, 2, 5, 15, 30, 60)
PARKED_FAILURES_MAX = 10
"""After so many parked events of a tenant failed in one pass, its others wait for the next."""

PARKED_POLL_S = 5
"""How often parked events are looked for that another process has left behind."""

JOB_BATCH = 200
JOB_ATTEMPTS_MAX = 10
JOB_BACKOFF_S = (1, 5, 30, 120, 600, 1800, 3600)
JOB_LOOK_MS = 100
"""How soon after a look at the jobs that were due a nudge makes for another."""

JOB_POLL_MS = 200
JOB_PROVEN_S = 60
"""A job that has stood on the log for so long is looked up there, whether it is still alive."""

JOB_PROVEN_BATCH = 100
JOB_SLOTS = 8
"""Jobs of the house that one process runs at once; each needs a connection of the pool."""

WORKER_LEASE_S = 5
"""A worker that is silent for so long is lost, and its jobs are given to others."""

REDELIVER_S = 2
"""A job that its worker does not name in its beats is delivered to it again after this."""

LOST_WORKERS_MAX = 3
"""A job that took so many workers with it is dead: it is what kills them."""

CRON_LATE_S = 30
"""A tick that is later than this was missed, and the schedule's policy says what becomes of it."""

CRON_TICKS_MAX = 400
"""Missed ticks of a schedule that are made up for at once."""

EVENT_BYTES_MAX = 524_288
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 5_000
POOL_SIZE_MAX = 16
