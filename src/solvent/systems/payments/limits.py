"""Where does each header, body, window and retry of the payments system end?"""

from __future__ import annotations

from datetime import timedelta

BODY_BYTES_MAX = 262_144
"""Providers' events are a few kilobytes; the largest that either documents stays far below."""

HEADER_CHARS_MAX = 1_024
SIGNATURES_MAX = 8
"""Signatures in one header: a provider sends one for each secret it is rotating between."""

SECRETS_MAX = 4
"""Signing secrets of one account that are valid at once."""

TIMESTAMP_DIGITS_MAX = 12

STRIPE_WINDOW_S = 300
"""Stripe's own default; here it holds in both directions and cannot be changed."""

PADDLE_WINDOW_S = 60
PADDLE_WINDOW_MIN_S = 5
PADDLE_WINDOW_MAX_S = 300
"""Paddle's libraries allow 5 s, which honest clock drift breaks; 0 (off) cannot be said."""

ROTATION_OVERLAP_MAX_H = 168
"""How long an old signing secret may count beside a new one; Stripe's own limit is 24 h."""

TEXT_CHARS_MAX = 500
ID_CHARS_MAX = 255
ITEMS_MAX = 100

EVENTS_PER_SUBSCRIPTION_MAX = 5_000
"""How many events one fold reads: over a hundred years of monthly renewals."""

FLUSH_ROWS_MAX = 200
"""Webhooks that one transaction makes durable together."""

FLUSH_EVERY_MS = 8
"""A tenant's commits begin at least so far apart: at 500 webhooks a second four share one."""

FLUSHES_MAX = 3
"""Commits of one tenant that are under way at once."""

QUEUE_ROWS_MAX = 5_000
"""Webhooks waiting for their commit; past this the provider is told to come back."""

REFUSALS_EACH_MAX = 5
REFUSAL_WINDOW_S = 60
"""In each window the first refusals of a kind are recorded one by one, the rest as one count."""

ACCOUNT_CACHE_S = 2.0
ACCOUNT_CACHE_MAX = 1_000
RELOAD_PAUSE_S = 0.25
"""A signature that does not match is checked against secrets read at most this long ago, so that a
new secret counts at once and a flood of forgeries reads the database four times a second."""

CUSTOMER_WAIT_S = 30
"""How long a subscription waits for the checkout that names its customer, before the provider's own
name of the customer is taken."""

TOGETHER_MAX = 200
"""Subscriptions made equal to their events by the same statements."""

WAITING_BATCH = 100
REPLAY_BATCH = 200
GATEWAY_TIMEOUT_S = 10
GATEWAY_CONCURRENCY = 8
QUANTITY_MAX = 10_000
URL_CHARS_MAX = 2_000

LISTED_PAGE = 100
LISTED_MAX = 10_000
"""Objects of a provider that are looked through for one, or listed by one look of the poller."""

RECONCILE_FIRST = timedelta(days=3)
"""How far back the first look goes; Stripe lists the events of 30 days."""

RECONCILE_OVERLAP = timedelta(hours=1)
RECONCILE_QUIET = timedelta(minutes=5)
"""What is younger may still come by webhook, and is no difference yet."""

RECONCILE_SUBSCRIPTIONS = timedelta(days=400)
"""Subscriptions that began longer ago have renewed since, and have told of themselves."""

RECONCILE_BATCH = 100
RECONCILE_LISTED_MAX = 10_000

ERRANDS_KEPT_DAYS = 30
"""As long as an idempotency key is remembered: until then a repeat may ask what came of it."""
