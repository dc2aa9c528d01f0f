"""Until when is what this process holds proved to be fresh? Arithmetic on two clocks."""

from dataclasses import dataclass
from typing import Final

from solvent_client.decision import Moment

NEVER_LIVE: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far this host's forward-only clock is ahead of Solvent's database clock, in ms.

    It lies between two values that need no trust in either machine's time:

    - `high`: a beat with database time `at` that was received at local time `r` was made before
      `r`, so the offset is at most `r - at`; the least of all beats is the best.
    - `low`: the greeting carries the database's time, read after the request left at local time
      `s`, so the offset is at least `s - at`. None where the greeting carries no time.
    """

    low: float | None
    high: float | None = None

    def heard(self, *, at_ms: float, received_ms: float) -> "ClockOffset":
        """Return the offset as one more beat narrows it."""
        seen = received_ms - at_ms
        return ClockOffset(low=self.low, high=seen if self.high is None else min(self.high, seen))

    @property
    def safe(self) -> float | None:
        """The least that the offset can be: no proof of freshness may reach further.

        Beats that all came late (a proxy that buffers) raise `high` by their delay, and only `low`
        shows it; a database clock that was set forward lowers `high`, and only `high` shows it.
        """
        if self.low is None or self.high is None:
            return self.high
        return min(self.low, self.high)

    def moment(self, local_ms: float) -> Moment | None:
        """Return Solvent's time at this local time, None before the first beat."""
        if self.high is None or self.safe is None:
            return None
        return (local_ms - self.high, local_ms - self.safe)


@dataclass(frozen=True, slots=True)
class Proof:
    """What the beats have proved so far.

    Args:
        live_until_ms: local time until which the snapshot may be served.
        offset: the two clocks' difference.
    """

    live_until_ms: float
    offset: ClockOffset

    def heard(self, *, at_ms: float, received_ms: float, bound_ms: float) -> "Proof":
        """Return the proof after a beat: all that was committed before `at_ms` is applied.

        An old proof stays a proof, so a late or repeated beat never shortens it.
        """
        offset = self.offset.heard(at_ms=at_ms, received_ms=received_ms)
        safe = offset.safe
        assert safe is not None  # noqa: S101 -- a beat was just heard
        return Proof(
            live_until_ms=max(self.live_until_ms, at_ms + safe + bound_ms),
            offset=offset,
        )


NO_PROOF: Final = Proof(live_until_ms=NEVER_LIVE, offset=ClockOffset(low=None))
"""Before the first beat."""
