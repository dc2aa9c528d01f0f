"""What does a dispatcher ask of whoever starts and stops workers?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from solvent.kit.jobs.dispatch.fleet import Lane


class Scaler(Protocol):
    """Hears where workers are missing."""

    def want(self, lanes: Sequence[Lane]) -> None:
        """Take in that these lanes have jobs, and no worker below the bounds to take them.

        Asked for up to twice a second as long as it is so; it must not wait.
        """
        ...


class NoScaler:
    """Starts no workers."""

    def want(self, lanes: Sequence[Lane]) -> None:
        """Do nothing."""
