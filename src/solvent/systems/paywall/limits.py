"""Where do the paywall's streams, queues and waits end?"""

from __future__ import annotations

PROTOCOL = 1
BOUND_MS = 1_000
"""A guard that has no younger proof of freshness than this asks the database."""

STREAMS_PER_TENANT_MAX = 256
"""A stream is one process of the tenant's app; a quarter of all leaves room for others."""
STREAMS_MAX = 1_000
FRAMES_WAITING_MAX = 2_000
"""A guard this far behind is cut off: it comes back and takes a fresh snapshot."""

SEND_WITHIN_S = 10
KEEP_ALIVE_S = 10
KEY_CHECK_MS = 2_000
"""How long a stream outlives its revoked key at most."""

FLUSH_WITHIN_S = 2
DRAIN_TURNS_MAX = 10_000
