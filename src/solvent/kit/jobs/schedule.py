"""At which moments does a schedule tick, and which ticks are made up for after an outage?

Cron expressions are read as Debian's cron reads them (by the library cronsim), in the time zone of
the schedule. Where a change of daylight saving time skips a tick at fixed hours, it comes at once
after the change; where an hour comes twice, such a tick comes once. Ticks of `*` hours follow real
time. `@every 90s` (s, m, h, d) ticks at the multiples of that length since 1970, in no zone.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import count, islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from solvent.kit.errors import Invalid
from solvent.kit.jobs.record import CatchUp
from solvent.kit.limits import CRON_LATE_S, CRON_TICKS_MAX

NS: Final = 1_000_000_000
TICK_IDS: Final = uuid.UUID("6d6a1e0e-5e3a-5d0b-9a43-2f6f6b1c7a10")
"""The namespace of the ids of ticks' jobs (RFC 9562, version 5)."""

NAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EVERY: Final = re.compile(r"@every\s+([1-9]\d{0,8})\s*([smhd])")
UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class CronInvalid(Invalid):
    """A schedule is five cron fields (six with seconds first), @hourly … @yearly, or @every 90s."""

    code = "kit.cron_invalid"


class ZoneUnknown(Invalid):
    """A time zone is named as in the IANA database, for example Europe/Berlin."""

    code = "kit.zone_unknown"


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a schedule ticks; made by `parse_cron`."""

    cron: str
    zone: tzinfo
    every_ns: int = 0

    def next_after(self, after_ns: int) -> int | None:
        """Return the first tick later than the moment; None if none comes in fifty years."""
        return next(self.ticks_after(after_ns), None)

    def ticks_after(self, after_ns: int) -> Iterator[int]:
        """Give the ticks later than the moment, in nanoseconds since 1970."""
        if self.every_ns:
            return count((after_ns // self.every_ns + 1) * self.every_ns, self.every_ns)
        start = datetime.fromtimestamp(after_ns // NS, UTC).astimezone(self.zone)
        moments = (int(tick.timestamp()) * NS for tick in CronSim(self.cron, start))
        return (tick for tick in moments if tick > after_ns)

    def ticks_between(self, after_ns: int, until_ns: int) -> list[int]:
        """Return the ticks later than the one moment, up to the other; CRON_TICKS_MAX at most."""
        ticks = takewhile(lambda tick: tick <= until_ns, self.ticks_after(after_ns))
        return list(islice(ticks, CRON_TICKS_MAX))


@lru_cache(maxsize=4_096)
def parse_cron(cron: str, zone: str = "UTC") -> Timetable:
    """Return the timetable of an expression in a time zone.

    Raises:
        CronInvalid: the expression is none; `reason` names the field.
        ZoneUnknown: there is no such time zone.
    """
    text = " ".join(cron.split())
    if every := EVERY.fullmatch(text):
        return Timetable(text, UTC, int(every[1]) * UNITS_S[every[2]] * NS)
    known = _zone(zone)
    try:
        CronSim(NAMES.get(text, text), datetime(2000, 1, 1, tzinfo=known))
    except (CronSimError, ValueError) as wrong:
        raise CronInvalid(field="cron", given=cron[:100], reason=str(wrong)) from None
    return Timetable(NAMES.get(text, text), known)


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ZoneUnknown(field="zone", given=name[:100]) from None


def due_ticks(
    timetable: Timetable, *, after_ns: int, now_ns: int, catch_up: CatchUp
) -> tuple[list[int], int]:
    """Return which ticks are to be submitted now, and up to where all ticks are then done with.

    A tick later than CRON_LATE_S was missed: of those, `one` makes up for the last, `all` for every
    one (CRON_TICKS_MAX at a time: ask again), `none` for none.
    """
    due = timetable.ticks_between(after_ns, now_ns)
    if not due:
        return [], after_ns
    if catch_up == "all":
        return due, due[-1]
    if len(due) == CRON_TICKS_MAX:  # an outage of very many ticks: only the last ones can matter
        due = [tick for tick in _latest(timetable, now_ns) if tick > after_ns] or due[-1:]
    on_time = [tick for tick in due if tick > now_ns - CRON_LATE_S * NS]
    missed = due[: len(due) - len(on_time)]
    chosen = missed[-1:] if catch_up == "one" and not on_time else []
    return [*chosen, *on_time], due[-1]


def _latest(timetable: Timetable, now_ns: int) -> list[int]:
    """Return the last ticks up to now, in their order, of the span in which ticks are on time.

    Where there is none, the last one before it.
    """
    if timetable.every_ns:
        last = now_ns // timetable.every_ns
        first = max((now_ns - CRON_LATE_S * NS) // timetable.every_ns + 1, last - CRON_TICKS_MAX)
        return [number * timetable.every_ns for number in range(min(first, last), last + 1)]
    now = datetime.fromtimestamp(now_ns // NS + 1, UTC).astimezone(timetable.zone)
    found: list[int] = []
    for tick in islice(CronSim(timetable.cron, now, reverse=True), CRON_TICKS_MAX):
        tick_ns = int(tick.timestamp()) * NS
        if tick_ns > now_ns:
            continue
        found.append(tick_ns)
        if tick_ns <= now_ns - CRON_LATE_S * NS:
            break
    return found[::-1]


def tick_id(space: str, name: str, tick_ns: int) -> str:
    """Return the id of the job of a tick: whoever submits it, it is the same, so it exists once."""
    return str(uuid.uuid5(TICK_IDS, f"{space}/{name}/{tick_ns}"))
