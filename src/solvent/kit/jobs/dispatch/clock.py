"""What time is it by the log server's clock, the only one that the queue knows?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LogClock:
    """The newest time that the log told, and what has passed since by our monotonic clock.

    It runs behind the server by what the news took to come, and never ahead of it.
    """

    told_ns: int = 0
    heard_at_ns: int = 0

    def tell(self, told_ns: int, mono_ns: int) -> None:
        """Take in a time that the server stamped on something that came just now."""
        self.told_ns = told_ns
        self.heard_at_ns = mono_ns

    def now_ns(self, mono_ns: int) -> int:
        """Return the server's time, in nanoseconds since 1970."""
        return self.told_ns + mono_ns - self.heard_at_ns
