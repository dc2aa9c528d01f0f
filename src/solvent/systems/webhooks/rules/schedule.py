"""What becomes of a delivery after an attempt, and of the endpoint that it went to?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from solvent.systems.webhooks.limits import (
    FAILING_S_MAX,
    FAILURES_MIN,
    JITTER_SHARE_MAX,
    RETRY_AFTER_S_MAX,
    SCHEDULE_S,
)
from solvent.systems.webhooks.model import Answer, Delivery, Endpoint, Outcome, State

BUSY = frozenset({429, 503})
"""Too many requests, and not available: what they say of waiting is said of the whole endpoint."""

GONE = "gone"
FAILING = "failing"
RETRY_AFTER_DIGITS_MAX = 9


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an attempt.

    `next_at` and `aside_at` are the delivery's; `resume_at` holds back all of the endpoint, and
    `disable` says why it is to be disabled.
    """

    state: State
    next_at: datetime | None
    aside_at: datetime | None
    failing_since: datetime | None
    failures: int
    resume_at: datetime | None
    disable: str | None
    steps_aside: bool
    """Whether it was decided just now that others need not wait for this one from `aside_at` on."""


def judge(delivery: Delivery, endpoint: Endpoint, answer: Answer, *, now: datetime) -> Verdict:
    """Decide what follows from the answer to attempt `delivery.attempts + 1`."""
    if answer.outcome is Outcome.DELIVERED:
        return Verdict(State.DELIVERED, None, delivery.aside_at, None, 0, None, None, False)  # noqa: FBT003
    since, failures = endpoint.failing_since or now, endpoint.failures + 1
    asked_s = retry_after_s(answer.retry_after, now=now)
    next_at = next_attempt_at(delivery, asked_s, now=now)
    aside_at = _aside_at(delivery, endpoint, next_at, now=now)
    return Verdict(
        state=State.PENDING if next_at else State.FAILED,
        next_at=next_at,
        aside_at=aside_at,
        failing_since=since,
        failures=failures,
        resume_at=now + timedelta(seconds=asked_s) if asked_s and answer.status in BUSY else None,
        disable=_reason_to_disable(answer, since, failures, now=now),
        steps_aside=next_at is not None and aside_at is not None and delivery.aside_at is None,
    )


def next_attempt_at(delivery: Delivery, asked_s: int, *, now: datetime) -> datetime | None:
    """Return when to try again: by the schedule, but no sooner than was asked; None: never."""
    done = delivery.attempts + 1
    if done >= len(SCHEDULE_S):
        return None
    planned_s = SCHEDULE_S[done] * (1 + jitter_share(delivery, done))
    return now + timedelta(seconds=max(planned_s, asked_s))


def jitter_share(delivery: Delivery, number: int) -> float:
    """Return by which share a wait is lengthened: spread over deliveries, the same if repeated."""
    name = f"{delivery.endpoint_id}/{delivery.message_id}/{number}".encode()
    drawn = int.from_bytes(hashlib.sha256(name).digest()[:4])
    return drawn / 2**32 * JITTER_SHARE_MAX


def retry_after_s(told: str | None, *, now: datetime) -> int:
    """Return the seconds that a `Retry-After` asks for (RFC 9110, 10.2.3), bounded; 0 if none."""
    if not told:
        return 0
    told = told.strip()
    if told.isascii() and told.isdigit():
        asked_s = int(told[:RETRY_AFTER_DIGITS_MAX])
    else:
        try:
            moment = parsedate_to_datetime(told)
        except ValueError:
            return 0
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        asked_s = int((aware - now).total_seconds())
    return min(max(asked_s, 0), RETRY_AFTER_S_MAX)


def _aside_at(
    delivery: Delivery, endpoint: Endpoint, next_at: datetime | None, *, now: datetime
) -> datetime | None:
    """Return from when on others need not wait for a message that failed: if it is not tried again
    before its endpoint's patience ends, then; one that has failed for good waits for nothing.
    """
    if endpoint.order_wait_s is None or delivery.aside_at is not None or next_at is None:
        return delivery.aside_at
    patience_ends = (delivery.first_at or now) + timedelta(seconds=endpoint.order_wait_s)
    return max(patience_ends, now) if next_at > patience_ends else None


def _reason_to_disable(
    answer: Answer, since: datetime, failures: int, *, now: datetime
) -> str | None:
    if answer.outcome is Outcome.GONE:
        return GONE
    for_long = (now - since).total_seconds() >= FAILING_S_MAX
    return FAILING if for_long and failures >= FAILURES_MIN else None
