"""What does the scaler need of whoever starts workers, and of whoever sees them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from solvent.kit.errors import Unavailable
from solvent.kit.jobs.scale.model import Pool, Seen


class ProviderRefused(Unavailable):
    """Whoever starts workers refuses or cannot be reached."""

    code = "kit.provider_refused"


class WorkerProvider(Protocol):
    """Starts and ends workers somewhere; a worker's name is its `worker` in beats."""

    async def start(self, name: str) -> None:
        """Start one worker, under this name where names can be given.

        Raises:
            ProviderRefused: nothing was started.
        """
        ...

    async def stop(self, name: str, *, force: bool) -> None:
        """End a worker: politely, or at once. One that is gone already is no fault.

        Raises:
            ProviderRefused: it may still run.
        """
        ...

    async def running(self) -> frozenset[str]:
        """Return the names of all workers that it has started and that have not ended.

        Raises:
            ProviderRefused: that cannot be told now.
        """
        ...


class InHand(NamedTuple):
    """A job in a worker's hands: where its record stands and what follows it must carry."""

    subject: str
    seq: int
    hash: bytes
    fence: int


class Watch(Protocol):
    """Sees the workers and what waits for them: a dispatcher."""

    def now_ns(self) -> int:
        """Return the time by the log's clock."""
        ...

    def workers(self, pool: Pool) -> Sequence[Seen]:
        """Return the pool's workers that are heard."""
        ...

    def pending(self, pool: Pool) -> int:
        """Return how many jobs of the pool's queues wait and are due."""
        ...

    def wanting(self, pool: Pool) -> bool:
        """Return whether some of them found no worker below the bounds."""
        ...

    def in_hands(self, pool: Pool, worker: str) -> Sequence[InHand]:
        """Return the jobs that the log has assigned to a worker."""
        ...

    async def drain(self, pool: Pool, worker: str) -> None:
        """Tell a worker to finish what it has and take no more."""
        ...
