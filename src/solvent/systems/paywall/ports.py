"""What does the paywall need of the event log's connection?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol


class LiveMessage(Protocol):
    """A message as it comes off the log."""

    @property
    def subject(self) -> str:
        """The subject that it was published on."""
        ...

    @property
    def data(self) -> bytes:
        """What was published."""
        ...


class LiveSubscription(Protocol):
    """A place that messages come in at."""

    @property
    def pending_msgs(self) -> int:
        """How many have come in and are not yet given to the call-back."""
        ...


class LiveBus(Protocol):
    """A connection to the event log that reconnects by itself, losing what passed meanwhile."""

    @property
    def is_connected(self) -> bool:
        """Whether it is up now."""
        ...

    @property
    def stats(self) -> Mapping[str, int]:
        """Counters; `reconnects` grows whenever something may have been lost."""
        ...

    async def subscribe(
        self, subject: str, *, cb: Callable[[LiveMessage], Awaitable[None]]
    ) -> LiveSubscription:
        """Have the call-back run for each message on the subject."""
        ...

    async def flush(self, timeout: int) -> None:  # noqa: ASYNC109 - the driver's own signature
        """Wait until the server has worked on all that was sent."""
        ...
