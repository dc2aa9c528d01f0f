"""Is it worth asking again right after it failed? Not for a second, and then one call tries."""

from collections.abc import Callable
from typing import Final

_FAILURES: Final = 3
_PAUSE_MS: Final = 1000.0


class Breaker:
    """Keeps callers from waiting one after another for a server that does not answer.

    After three failures in a row nobody asks for a second; then one call tries. Races between
    threads cost an extra question at worst, so there is no lock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._closed_until_ms = float("-inf")

    def may_try(self) -> bool:
        """Say whether to ask now."""
        if self._failures < _FAILURES:
            return True
        now_ms = self._clock()
        if now_ms < self._closed_until_ms:
            return False
        self._closed_until_ms = now_ms + _PAUSE_MS  # the others wait for what this one finds
        return True

    def failed(self) -> None:
        """Note that there was no answer."""
        self._failures += 1
        if self._failures >= _FAILURES:
            self._closed_until_ms = self._clock() + _PAUSE_MS

    def worked(self) -> None:
        """Note that there was an answer."""
        self._failures = 0
