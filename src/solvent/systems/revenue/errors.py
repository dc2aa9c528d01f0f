"""In which ways can the revenue system refuse?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound


class RateMissing(Conflict):
    """A report in one currency needs the rate of each day on which something moved."""

    code = "revenue.rate_missing"


class RateMalformed(Invalid):
    """A rate is a number above 0 of one currency in another, from a day on."""

    code = "revenue.rate_malformed"


class RateNotFound(NotFound):
    """There is no such rate."""

    code = "revenue.rate_not_found"


class SpanMalformed(Invalid):
    """A span is a month, 2026-11, or a day, 2026-11-23, and ends after it begins."""

    code = "revenue.span_malformed"


class SpanTooLong(Invalid):
    """A report has only so many rows; ask for a shorter span, or for months."""

    code = "revenue.span_too_long"


class PlanUnknownHere(NotFound):
    """There is no movement of such a plan."""

    code = "revenue.plan_unknown"
