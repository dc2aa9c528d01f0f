"""What may be said of a task and of a call, and what does that make of its spec?"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias, TypedDict, Unpack

from solvent_client.tasks.errors import OptionInvalid
from solvent_client.tasks.payload import CODECS
from solvent_client.tasks.record import Backoff, Rate

Seconds: TypeAlias = float | timedelta
Moment: TypeAlias = float | timedelta | datetime
"""Seconds from now, or a time with its offset from UTC."""
KeyOf: TypeAlias = Callable[..., str]
"""Is called with the arguments of a call; returns a key."""

NS: Final = 1_000_000_000
MAX_ATTEMPTS: Final = 1_000
MAX_TIMEOUT_S: Final = 7 * 86_400
MAX_KEY_CHARACTERS: Final = 200
_QUEUE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RATE: Final = re.compile(r"(\d{1,7})/([smhd])")
_BACKOFF: Final = Backoff()
_MAX_FACTOR: Final = 100
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Said(TypedDict, total=False):
    """Options of a task as they are said: see `Options`."""

    queue: str
    priority: int
    max_retries: int | None
    backoff: Backoff | float
    timeout: Seconds
    expires: Moment | None
    unique: bool | KeyOf
    rate_limit: str | None
    rate_key: KeyOf | None
    concurrency_key: str | KeyOf | None
    concurrency: int
    in_order: bool
    codec: str
    ignore_result: bool
    retry_on: tuple[type[BaseException], ...]
    give_up_on: tuple[type[BaseException], ...]


class CallSaid(Said, total=False):
    """Options of a call: those of its task, and when and as what it is submitted."""

    countdown: float | None
    eta: Moment | None
    deadline: Moment | None
    """The same as `expires`."""
    task_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What holds for the calls of a task unless a call says otherwise.

    Args:
        queue: which workers take it: letters, digits, `-`, `_`.
        priority: 0 (last) to 9 (first).
        max_retries: how often a failed run is tried again; None: for ever (up to 999 times).
        backoff: how long a failed job waits; a number is the first pause in seconds.
        timeout: how long one run may take.
        expires: a job not finished by then, queue and run time together, is dead.
        unique: one job at a time with the same arguments (True), or with the same key (a function
            of the arguments).
        rate_limit: `10/m`: at most so many starts a second, minute, hour or day, over all workers.
        rate_key: whose starts the limit counts, a function of the arguments; None: all the task's.
        concurrency_key: at most `concurrency` jobs with the same key run at once, over all workers
            and tasks: text, or a function of the arguments.
        concurrency: see there.
        in_order: jobs of one concurrency key run strictly one after the other as submitted.
        codec: `json`, `msgpack`, or `pickle` where both sides asked for it.
        ignore_result: keep no result.
        retry_on: the exceptions that are worth another try.
        give_up_on: the exceptions that are not, whatever `retry_on` says.
    """

    queue: str = "default"
    priority: int = 5
    max_retries: int | None = 4
    backoff: Backoff | float = _BACKOFF
    timeout: Seconds = 3_600.0
    expires: Moment | None = None
    unique: bool | KeyOf = False
    rate_limit: str | None = None
    rate_key: KeyOf | None = None
    concurrency_key: str | KeyOf | None = None
    concurrency: int = 1
    in_order: bool = False
    codec: str = "json"
    ignore_result: bool = False
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    give_up_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        _need(_QUEUE.fullmatch(self.queue), "queue", "up to 64 letters, digits, - and _")
        _between(self.priority, "priority", 0, 9)
        if self.max_retries is not None:
            _between(self.max_retries, "max_retries", 0, MAX_ATTEMPTS - 1)
        _need(
            0 < seconds(self.timeout) <= MAX_TIMEOUT_S, "timeout", "more than 0 s, at most 7 days"
        )
        _between(self.concurrency, "concurrency", 1, 10_000)
        _need(self.codec in CODECS, "codec", f"one of {', '.join(CODECS)}")
        _need(
            not self.in_order or self.concurrency_key is not None,
            "in_order",
            "a concurrency_key with it",
        )
        parsed_rate("check", self.rate_limit)
        parsed_backoff(self.backoff)

    def changed(self, **said: Unpack[Said]) -> Options:
        """Return these options with some said anew. Raises OptionInvalid."""
        unknown = sorted(said.keys() - {field.name for field in fields(Options)})
        if unknown:
            raise OptionInvalid(f"{unknown[0]}: there is no such option of a task")
        return replace(self, **said) if said else self


def seconds(length: Seconds) -> float:
    """Return a length of time in seconds."""
    return length.total_seconds() if isinstance(length, timedelta) else float(length)


def nanoseconds(length: Seconds) -> int:
    """Return a length of time in nanoseconds."""
    return round(seconds(length) * NS)


def moment_ns(name: str, moment: Moment, *, now_ns: int) -> int:
    """Return a moment in nanoseconds since 1970.

    Raises:
        OptionInvalid: it is a time without its offset from UTC.
    """
    if not isinstance(moment, datetime):
        return max(0, now_ns + nanoseconds(moment))
    if moment.tzinfo is None:
        raise OptionInvalid(f"{name}: expected a time with its offset from UTC, got {moment!r}")
    return max(0, round(moment.timestamp() * 1_000_000) * 1_000)


def parsed_rate(key: str, text: str | None) -> Rate | None:
    """Return the rate that `10/m` says. Raises OptionInvalid."""
    if text is None:
        return None
    found = _RATE.fullmatch(text)
    if not found or int(found[1]) == 0:
        raise OptionInvalid(f"rate_limit: expected '10/s', '10/m', '10/h' or '10/d', got {text!r}")
    return Rate(key=key[:MAX_KEY_CHARACTERS], count=int(found[1]), per_ns=_UNIT_S[found[2]] * NS)


def parsed_backoff(said: Backoff | float) -> Backoff:
    """Return the back-off that is said. Raises OptionInvalid."""
    backoff = said if isinstance(said, Backoff) else Backoff(base_ms=round(said * 1000))
    _need(backoff.base_ms >= 0 and backoff.max_ms >= 0, "backoff", "pauses that are not negative")
    _need(1 <= backoff.factor <= _MAX_FACTOR, "backoff.factor", "1 to 100")
    _need(0 <= backoff.jitter <= 1, "backoff.jitter", "0 to 1")
    return backoff


def pause_ns(backoff: Backoff, attempt: int, chance: float) -> int:
    """Return how long a job waits after its attempt of this number failed; chance is in [0, 1)."""
    doublings = min(attempt - 1, 64)  # beyond it any factor has long met max_ms
    longest = min(float(backoff.max_ms), backoff.base_ms * backoff.factor**doublings)
    return round(longest * (1.0 - backoff.jitter * chance) * 1_000_000)


def _between(value: int, name: str, least: int, most: int) -> None:
    _need(type(value) is int and least <= value <= most, name, f"{least} to {most}")


def _need(holds: object, name: str, expected: str) -> None:
    if not holds:
        raise OptionInvalid(f"{name}: expected {expected}")
