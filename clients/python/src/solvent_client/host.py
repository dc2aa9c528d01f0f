"""What does this machine say of time and chance? The only place that asks it."""

import sys
import time
from datetime import UTC, datetime
from os import urandom
from typing import Final

_ENTROPY_BYTES: Final = 16


def _read_clock() -> float:
    """Read seconds of a clock that only goes forward and that runs on while the machine sleeps.

    Python's own monotonic clock stands still in a suspended laptop or a paused virtual machine on
    Linux and macOS: on waking, an hour-old snapshot would look fresh for one more second.
    """
    return time.monotonic()


if sys.platform == "linux":

    def _read_clock() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

elif sys.platform == "darwin":

    def _read_clock() -> float:
        return time.clock_gettime(time.CLOCK_MONOTONIC)


def elapsed_ms() -> float:
    """Return milliseconds of the forward-only clock; only differences mean anything."""
    return _read_clock() * 1000.0


def wall_clock() -> datetime:
    """Return this host's own idea of the time, used only where Solvent's is not known."""
    return datetime.now(UTC)


def fresh_id(prefix: str) -> str:
    """Return an id that no one has used before, say `evt_9f86d081884c7d65…`."""
    return f"{prefix}_{urandom(_ENTROPY_BYTES).hex()}"


def jitter() -> float:
    """Return an even chance in [0, 1): callers that failed together do not come back together."""
    return int.from_bytes(urandom(4), "big") / 2**32
