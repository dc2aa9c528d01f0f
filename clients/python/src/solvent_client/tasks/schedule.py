"""How does a schedule get onto the log, from where the dispatchers submit its jobs in time?

A schedule stands on `cron.<space>.<name>` until it is withdrawn, whether workers run or not. Any
number of workers may declare the same one: the log keeps one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from solvent_client.tasks.errors import LogConflict, OptionInvalid
from solvent_client.tasks.log import Entry
from solvent_client.tasks.record import (
    CHAIN_START,
    Canceled,
    Scheduled,
    Spec,
    chain_hash,
    decode,
    encode,
)

if TYPE_CHECKING:
    from solvent_client.tasks.engine import Link
    from solvent_client.tasks.signature import Signature

CatchUp: TypeAlias = Literal["one", "all", "none"]

_EVERY: Final = re.compile(r"@every\s+[1-9]\d{0,8}\s*[smhd]")
_ALIAS: Final = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)")
_FIELD: Final = re.compile(r"[A-Za-z0-9*,/#L?-]+")
_FIELDS: Final = {5, 6}
_TRIES: Final = 10
_GIVE_UP_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """A call, and when it is submitted by itself; made by `Schedule.of`."""

    name: str
    cron: str
    tz: str
    catch_up: CatchUp
    spec: Spec

    @classmethod
    def of(cls, call: Signature, cron: str, *, name: str, tz: str, catch_up: CatchUp) -> Schedule:
        """Return a call's schedule. Raises OptionInvalid."""
        text = " ".join(cron.split())
        parts = text.split(" ")
        fields = len(parts) in _FIELDS and all(_FIELD.fullmatch(part) for part in parts)
        if not (fields or _EVERY.fullmatch(text) or _ALIAS.fullmatch(text)):
            raise OptionInvalid(
                f"cron: expected '0 3 * * *', '@hourly' or '@every 90s', got {cron!r}"
            )
        if catch_up not in {"one", "all", "none"}:
            raise OptionInvalid(f"catch_up: expected one, all or none, got {catch_up!r}")
        _check_zone(tz)
        link = call.task.link_of(call)
        # In a schedule the moments count from its tick.
        spec = msgspec.structs.replace(
            link.spec, not_before_ns=link.delay_ns, expires_ns=link.life_ns
        )
        return cls(schedule_name(name), text, tz, catch_up, spec)


def schedule_name(name: str) -> str:
    """Return the name as a part of a subject: dots and the like become `-`."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)[-64:]


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise OptionInvalid(
            f"tz: expected an IANA name like Europe/Berlin, got {name!r}"
        ) from error


async def declare(link: Link, space: str, schedule: Schedule, *, by: str) -> bool:
    """Write the schedule, unless the log has it as it is; return whether it was written."""

    def follow(now: Any, prev: bytes) -> Scheduled | None:  # noqa: ANN401 - a record or None
        known = now if isinstance(now, Scheduled) else None
        made = Scheduled(
            prev=prev,
            spec=schedule.spec,
            cron=schedule.cron,
            zone=schedule.tz,
            catch_up=schedule.catch_up,
            after_ns=known.after_ns if known else 0,
            by=by,
        )
        if (
            known is not None
            and msgspec.structs.replace(made, prev=known.prev, by=known.by) == known
        ):
            return None
        return made

    return await _write(link, f"cron.{space}.{schedule.name}", follow)


async def withdraw(link: Link, space: str, name: str, *, by: str) -> bool:
    """End a schedule; False if there is none."""

    def follow(now: Any, prev: bytes) -> Canceled | None:  # noqa: ANN401 - a record or None
        return Canceled(prev=prev, by=by) if isinstance(now, Scheduled) else None

    return await _write(link, f"cron.{space}.{schedule_name(name)}", follow)


async def _write(link: Link, subject: str, follow: Any) -> bool:  # noqa: ANN401 - see above
    for _ in range(_TRIES):
        last = await link.reader.last(subject)
        now = decode(last.data) if last else None
        record = follow(now, chain_hash(last.data) if last else CHAIN_START)
        if record is None:
            return False
        try:
            entry = Entry(subject, last.seq if last else 0, encode(record))
            await link.appender.put([entry], give_up_s=_GIVE_UP_S)
        except LogConflict:
            continue
        return True
    raise LogConflict(f"{subject}: overtaken {_TRIES} times")
