"""In which ways can the paywall refuse to serve a guard?"""

from __future__ import annotations

from solvent.kit.errors import LimitReached, Unavailable


class TooManyStreams(LimitReached):
    """This tenant, or this process, has as many entitlement streams open as it may."""

    code = "paywall.too_many_streams"


class FeedAway(Unavailable):
    """The event log is away, so no stream could be kept fresh; ask by check meanwhile."""

    code = "paywall.feed_away"
