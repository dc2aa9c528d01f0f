"""Which schedules tick now, and how does each tick become one job, whoever submits it?

A tick is one atomic batch: the schedule, written again with what it has come to, and the job under
the id of the tick. Of two dispatchers the log refuses one; after an outage the schedule on the log
says where to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

import msgspec

from solvent.kit.errors import Invalid, Unavailable
from solvent.kit.jobs.fold import State
from solvent.kit.jobs.job import Schedule
from solvent.kit.jobs.log import Append, Log, LogConflict
from solvent.kit.jobs.record import CHAIN_START, Scheduled, Submitted, encode
from solvent.kit.jobs.schedule import due_ticks, parse_cron, tick_id
from solvent.kit.log import get_logger

log = get_logger(__name__)


class Ticks(NamedTuple):
    """What one schedule has to submit now."""

    schedule: Schedule
    told: Scheduled
    at_ns: Sequence[int]


class Ticker:
    """Keeps the schedules in the order of their next ticks."""

    def __init__(self, by: str) -> None:
        """Begin with none; `by` is the dispatcher's name."""
        self._by = by
        self._next: list[tuple[int, int, str, int]] = []
        self._ticket = count()
        self._under_way: set[str] = set()

    def build(self, state: State) -> None:
        """Take in all schedules that the fold holds."""
        for key in state.schedules:
            self.note(state, key)

    def note(self, state: State, key: str) -> None:
        """Take in that a schedule (`<space>.<name>`) was declared, has ticked, or is gone."""
        schedule = state.schedules.get(key)
        if schedule is None:
            return
        next_ns = self._next_of(schedule)
        if next_ns is not None:
            heappush(self._next, (next_ns, next(self._ticket), key, schedule.seq))

    def _next_of(self, schedule: Schedule) -> int | None:
        told = schedule.told
        try:
            return parse_cron(told.cron, told.zone).next_after(schedule.after_ns)
        except Invalid as wrong:
            log.warning("schedule_invalid", schedule=schedule.key, reason=str(wrong))
            return None

    def due(self, state: State, now_ns: int) -> list[Ticks]:
        """Return what is to be submitted now; `submit` each."""
        found: list[Ticks] = []
        while self._next and self._next[0][0] <= now_ns:
            _, _, key, seq = heappop(self._next)
            schedule = state.schedules.get(key)
            if schedule is not None and schedule.seq == seq and key not in self._under_way:
                found.append(self._ticks_of(schedule, now_ns))
                self._under_way.add(key)
        return found

    def _ticks_of(self, schedule: Schedule, now_ns: int) -> Ticks:
        told = schedule.told
        ticks, after_ns = due_ticks(
            parse_cron(told.cron, told.zone),
            after_ns=schedule.after_ns,
            now_ns=now_ns,
            catch_up=told.catch_up,
        )
        written = msgspec.structs.replace(told, prev=schedule.hash, after_ns=after_ns, by=self._by)
        return Ticks(schedule, written, ticks)

    async def submit(self, state: State, to: Log, ticks: Ticks) -> None:
        """Write a schedule's ticks; those that exist already are left as they are."""
        schedule = ticks.schedule
        mine = Append(schedule.subject, schedule.seq, encode(ticks.told))
        jobs = [self._job(schedule, at_ns) for at_ns in ticks.at_ns]
        try:
            while True:
                try:
                    await to.append([mine, *jobs])
                    return
                except LogConflict as conflict:
                    if mine.subject in conflict.subjects or not jobs:
                        return  # another dispatcher, or whoever declares it, was faster
                    jobs = [job for job in jobs if job.subject not in conflict.subjects]
        except Unavailable as away:
            log.warning("schedule_waits", schedule=schedule.key, reason=str(away)[:200])
        finally:
            self._under_way.discard(schedule.key)
            self.note(state, schedule.key)

    def _job(self, schedule: Schedule, at_ns: int) -> Append:
        spec = schedule.told.spec
        space, _, name = schedule.key.partition(".")
        spec = msgspec.structs.replace(
            spec,
            not_before_ns=spec.not_before_ns and at_ns + spec.not_before_ns,
            expires_ns=spec.expires_ns and at_ns + spec.expires_ns,
        )
        record = Submitted(CHAIN_START, spec, self._by)
        return Append(f"job.{space}.{tick_id(space, name, at_ns)}", 0, encode(record))
