"""What does the end of a run mean for its job, and which records say so?"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec

from solvent_client.tasks.errors import PayloadInvalid, Reject, Retry, TimeLimitExceeded
from solvent_client.tasks.links import Before, Start, next_id, submit_link, unpack_links
from solvent_client.tasks.log import MAX_UNIT, Entry
from solvent_client.tasks.options import nanoseconds, pause_ns
from solvent_client.tasks.payload import pack_result
from solvent_client.tasks.record import Dead, Done, Expired, Failed, Record, encode, subject_of

if TYPE_CHECKING:
    from solvent_client.tasks.current import Run
    from solvent_client.tasks.engine import LogClock
    from solvent_client.tasks.task import Task

MAX_ERROR_CHARACTERS: Final = 500
MAX_DETAIL_CHARACTERS: Final = 4_000
_MAX_FRAMES: Final = 20
_REFUSED_AGAIN_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Returned:
    """It ran to its end."""

    value: object


@dataclass(frozen=True, slots=True)
class Raised:
    """It failed: is it worth another try, and when?"""

    error: str
    detail: str = ""
    final: bool = False
    countdown: float | None = None
    max_retries: int | None = None


@dataclass(frozen=True, slots=True)
class HandedBack:
    """It has not run, or not to its end, and that is not its fault."""

    cause: Literal["drained", "refused"]


@dataclass(frozen=True, slots=True)
class Gone:
    """The permission has ended: nothing is to be written."""


Verdict: TypeAlias = Returned | Raised | HandedBack | Gone


def judge(task: Task[..., Any], run: Run, fault: BaseException) -> Verdict:
    """Say what an exception out of a task means. It keeps nothing of the exception but text."""
    if isinstance(fault, TimeLimitExceeded | asyncio.CancelledError) and run.timed_out:
        return out_of_time(task, run)
    if isinstance(fault, asyncio.CancelledError) and run.cancelled:
        return Gone()
    if isinstance(fault, Reject):
        return HandedBack("refused") if fault.requeue else Raised(fault.reason, final=True)
    if isinstance(fault, Retry):
        detail = _detail(fault.__cause__) if fault.__cause__ else ""
        return Raised(
            _short(fault.reason),
            detail,
            countdown=fault.countdown,
            max_retries=fault.max_retries,
        )
    options = task.options
    final = isinstance(fault, options.give_up_on) or not (
        isinstance(fault, (*options.retry_on, asyncio.CancelledError))
    )
    return Raised(_short(f"{type(fault).__name__}: {fault}"), _detail(fault), final=final)


def out_of_time(task: Task[..., Any], run: Run) -> Raised:
    """Say what it means that a run was stopped at its bound."""
    options = task.options
    again = issubclass(TimeLimitExceeded, options.retry_on)
    final = not again or issubclass(TimeLimitExceeded, options.give_up_on)
    if run.spec.expires_ns and run.deadline_ns >= run.spec.expires_ns:
        return Raised("expired", final=True)
    told = f"timeout: it ran for more than {run.spec.timeout_ns / 1e9:g} s"
    return Raised(told, final=final)


def _short(text: str) -> str:
    return _sayable(text)[:MAX_ERROR_CHARACTERS]


def _detail(fault: BaseException) -> str:
    """Return the end of the traceback: what raised stands last."""
    try:
        lines = traceback.format_exception(fault, limit=-_MAX_FRAMES)
    except Exception:  # noqa: BLE001 - an exception whose own text raises
        return ""
    return _sayable("".join(lines))[-MAX_DETAIL_CHARACTERS:]


def _sayable(text: str) -> str:
    """Return the text without half characters, which the log cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode()


# ------------------------------------------------------------------------------------------ records


@dataclass(frozen=True, slots=True)
class Desk:
    """What records are written with, besides the run itself."""

    place: Start
    clock: LogClock
    chance: Callable[[], float]
    by: str


def entries_of(run: Run, verdict: Verdict, desk: Desk) -> list[Entry]:
    """Return the records that tell the log of a run's end: its own, and what is submitted next."""
    if isinstance(verdict, Returned):
        try:
            return _entries_of_success(run, verdict.value, desk)
        except (PayloadInvalid, msgspec.DecodeError) as error:
            verdict = Raised(_short(f"the result cannot be handed on: {error}"), final=True)
    record = _record_of(run, verdict, desk)
    return [_own_entry(run, desk, record)] if record is not None else []


def _entries_of_success(run: Run, value: object, desk: Desk) -> list[Entry]:
    spec = run.spec
    result = pack_result(value, codec=spec.codec) if spec.keep_result else b""
    done = Done(prev=run.prev, fence=run.fence, result=result, by=desk.by)
    entries = [_own_entry(run, desk, done)]
    links = unpack_links(spec.then)[0] if spec.then else []
    if links:
        start = replace(desk.place, now_ns=desk.clock.now_ns(), root=spec.root or run.task_id)
        follows = next_id(run.task_id)
        entries += submit_link(links[0], links[1:], follows, start=start, before=Before(value))
    if len(entries) > MAX_UNIT:
        raise PayloadInvalid(f"a group within a chain: expected at most {MAX_UNIT - 2} members")
    return entries


def _record_of(run: Run, verdict: Verdict, desk: Desk) -> Record | None:
    prev, fence, by = run.prev, run.fence, desk.by
    match verdict:
        case HandedBack(cause):
            again_ns = _REFUSED_AGAIN_NS if cause == "refused" else 0
            return Expired(prev=prev, fence=fence, cause=cause, retry_in_ns=again_ns, by=by)
        case Raised() if _is_last(run, verdict):
            return Dead(prev=prev, reason=verdict.error, fence=fence, detail=verdict.detail, by=by)
        case Raised(error, detail):
            if verdict.countdown is not None:
                pause = max(0, nanoseconds(verdict.countdown))
            else:
                pause = pause_ns(run.spec.backoff, run.attempt, desk.chance())
            return Failed(
                prev=prev, fence=fence, error=error, retry_in_ns=pause, detail=detail, by=by
            )
        case _:
            return None


def _is_last(run: Run, verdict: Raised) -> bool:
    """Say whether the job has no try left: `attempt` counts from 1."""
    limit = run.spec.max_attempts
    if verdict.max_retries is not None:
        limit = min(limit, verdict.max_retries + 1)
    return verdict.final or run.attempt >= limit


def _own_entry(run: Run, desk: Desk, record: Record) -> Entry:
    return Entry(subject_of(desk.place.space, run.task_id), run.base, encode(record))
