"""How long does a process that has ended wait before it is started again?"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Each failure in a row doubles the pause, up to a limit; a stable run begins anew.

    `jitter` is the share of the pause that chance may take away, so that processes which fell
    together do not rise together.
    """

    first_s: float = 0.1
    factor: float = 2.0
    most_s: float = 30.0
    jitter: float = 0.2
    stable_s: float = 30.0


@dataclass(slots=True)
class Restarts:
    """The failures in a row of one process."""

    policy: Policy
    failures: int = 0

    def pause_s(self, *, ran_s: float, chance: float) -> float:
        """Count a failure after a run of `ran_s` seconds; say for how long to wait now.

        `chance` is uniform in [0, 1).
        """
        if ran_s >= self.policy.stable_s:
            self.failures = 0
        full_s = min(
            self.policy.first_s * self.policy.factor ** min(self.failures, 60), self.policy.most_s
        )
        self.failures += 1
        return full_s * (1 - self.policy.jitter * chance)
