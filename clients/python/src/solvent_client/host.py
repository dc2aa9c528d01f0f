"""What does this machine say of time and chance? The only place that asks it."""

import sys
from datetime import UTC, datetime
from os import urandom
from typing import Final

_ENTROPY_BYTES: Final = 16


# Python's own monotonic clock stands still in a suspended laptop or a paused virtual machine on
# Linux and macOS: on waking, an hour-old snapshot would look fresh for a second. These run on.
if sys.platform == "linux":
    from time import CLOCK_BOOTTIME, clock_gettime

    def elapsed_ms() -> float:
        """Return milliseconds of the forward-only clock; only differences mean anything."""
        return clock_gettime(CLOCK_BOOTTIME) * 1000.0

elif sys.platform == "darwin":
    from time import CLOCK_MONOTONIC, clock_gettime

    def elapsed_ms() -> float:
        """Return milliseconds of the forward-only clock; only differences mean anything."""
        return clock_gettime(CLOCK_MONOTONIC) * 1000.0

else:
    from time import monotonic

    def elapsed_ms() -> float:
        """Return milliseconds of the forward-only clock; only differences mean anything."""
        return monotonic() * 1000.0


def wall_clock() -> datetime:
    """Return this host's own idea of the time, used only where Solvent's is not known."""
    return datetime.now(UTC)


def fresh_id(prefix: str) -> str:
    """Return an id that no one has used before, say `evt_9f86d081884c7d65…`."""
    return f"{prefix}_{urandom(_ENTROPY_BYTES).hex()}"


def jitter() -> float:
    """Return an even chance in [0, 1): callers that failed together do not come back together."""
    return int.from_bytes(urandom(4), "big") / 2**32
