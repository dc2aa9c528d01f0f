"""Is this a job that may be written to the log at all, whoever asks?"""

from __future__ import annotations

import re

from solvent.kit.errors import Invalid
from solvent.kit.jobs.record import Backoff, Rate, Spec

NAME_CHARS_MAX = 200
QUEUE = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
CODEC = re.compile(r"[a-z0-9_-]{1,32}\Z")
KEY_CHARS_MAX = 200
PRIORITY_MAX = 9
ATTEMPTS_MAX = 1_000
KEY_LIMIT_MAX = 10_000
RATE_COUNT_MAX = 1_000_000
GATHER_MAX = 100_000
NS = 1_000_000_000
TIMEOUT_NS_MAX = 7 * 86_400 * NS
PER_NS_MAX = 86_400 * NS
MOMENT_NS_MAX = 2**63 - 1
BACKOFF_MS_MAX = 7 * 86_400 * 1_000
FACTOR_MAX = 100.0
ARGS_BYTES_MAX = 524_288
THEN_BYTES_MAX = 262_144


class JobMalformed(Invalid):
    """This job cannot be written to the queue."""

    code = "kit.job_malformed"


def check_spec(spec: Spec) -> None:
    """Let only jobs pass that every part of the queue can carry.

    Raises:
        JobMalformed: naming the field and what was expected of it.
    """
    _need(_printable(spec.name, NAME_CHARS_MAX), "name", "1 to 200 printable characters")
    _need(QUEUE.match(spec.queue), "queue", "1 to 64 letters, digits, - and _")
    _need(CODEC.match(spec.codec), "codec", "a short name such as json")
    _need(len(spec.args) <= ARGS_BYTES_MAX, "args", f"at most {ARGS_BYTES_MAX} bytes")
    _need(len(spec.then) <= THEN_BYTES_MAX, "then", f"at most {THEN_BYTES_MAX} bytes")
    _between(spec.priority, "priority", 0, PRIORITY_MAX)
    _between(spec.max_attempts, "max_attempts", 1, ATTEMPTS_MAX)
    _between(spec.timeout_ns, "timeout", 1, TIMEOUT_NS_MAX)
    _between(spec.not_before_ns, "not_before", 0, MOMENT_NS_MAX)
    _between(spec.expires_ns, "expires", 0, MOMENT_NS_MAX)
    _between(spec.key_limit, "key_limit", 1, KEY_LIMIT_MAX)
    _between(spec.gather, "gather", 0, GATHER_MAX)
    _need(not spec.key or _printable(spec.key, KEY_CHARS_MAX), "key", "at most 200 characters")
    _need(not spec.group or TASK_ID.match(spec.group), "group", "a task id")
    _check_backoff(spec.backoff)
    if spec.rate:
        _check_rate(spec.rate)


def _check_backoff(backoff: Backoff) -> None:
    _between(backoff.base_ms, "backoff.base_ms", 0, BACKOFF_MS_MAX)
    _between(backoff.max_ms, "backoff.max_ms", 0, BACKOFF_MS_MAX)
    _need(1 <= backoff.factor <= FACTOR_MAX, "backoff.factor", f"1 to {FACTOR_MAX:g}")
    _need(0 <= backoff.jitter <= 1, "backoff.jitter", "0 to 1")


def _check_rate(rate: Rate) -> None:
    _need(_printable(rate.key, KEY_CHARS_MAX), "rate.key", "1 to 200 printable characters")
    _between(rate.count, "rate.count", 1, RATE_COUNT_MAX)
    _between(rate.per_ns, "rate.per", 1, PER_NS_MAX)


def _printable(text: str, limit: int) -> bool:
    return 0 < len(text) <= limit and text.isprintable()


def _between(value: int, field: str, least: int, most: int) -> None:
    _need(least <= value <= most, field, f"{least} to {most}")


def _need(holds: object, field: str, expected: str) -> None:
    if not holds:
        raise JobMalformed(f"expected {expected}", field=field)
