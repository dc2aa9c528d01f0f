"""Does a schedule tick when its calendar says, over changes of time, outages and rivals?"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kit.jobs.dispatch.ticker import Ticker
from solvent.kit.jobs.fold import State
from solvent.kit.jobs.log import Append, MemoryLog
from solvent.kit.jobs.record import (
    CHAIN_START,
    Canceled,
    Scheduled,
    Spec,
    Submitted,
    decode,
    encode,
)
from solvent.kit.jobs.schedule import CronInvalid, ZoneUnknown, due_ticks, parse_cron, tick_id
from solvent.kit.limits import CRON_TICKS_MAX

S = 1_000_000_000
BERLIN = "Europe/Berlin"


def ns(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * S


def ticks(cron: str, zone: str, after: str, count: int) -> list[str]:
    """Return the next ticks in UTC."""
    found = islice(parse_cron(cron, zone).ticks_after(ns(after, zone)), count)
    return [datetime.fromtimestamp(one / S, UTC).strftime("%d %H:%M") for one in found]


# ---------------------------------------------------------------------------------- the calendar


def test_a_tick_in_the_skipped_hour_comes_at_once_after_it() -> None:
    """In Berlin 2026-03-29 has no 02:30; at 01:00 UTC clocks go from 02:00 to 03:00."""
    assert ticks("30 2 * * *", BERLIN, "2026-03-28T12:00:00", 2) == ["29 01:00", "30 00:30"]


def test_a_tick_in_the_hour_that_comes_twice_comes_once() -> None:
    """In Berlin 2026-10-25 has 02:30 twice: at 00:30 and at 01:30 UTC."""
    assert ticks("30 2 * * *", BERLIN, "2026-10-24T12:00:00", 2) == ["25 00:30", "26 01:30"]


def test_ticks_of_every_hour_follow_real_time_through_both_changes() -> None:
    assert ticks("0 * * * *", BERLIN, "2026-10-25T01:00:00", 3) == [
        "25 00:00",
        "25 01:00",
        "25 02:00",
    ]
    assert ticks("0 * * * *", BERLIN, "2026-03-29T00:30:00", 3) == [
        "29 00:00",
        "29 01:00",
        "29 02:00",
    ]


def test_a_daily_tick_keeps_its_hour_on_the_wall_over_a_change() -> None:
    assert ticks("0 9 * * *", BERLIN, "2026-03-28T00:00:00", 2) == ["28 08:00", "29 07:00"]


def test_every_so_often_needs_no_calendar() -> None:
    assert list(islice(parse_cron("@every 90s").ticks_after(100 * S), 2)) == [180 * S, 270 * S]
    assert parse_cron("@every 2h").next_after(0) == 7_200 * S


def test_names_stand_for_their_expressions() -> None:
    assert ticks("@daily", "UTC", "2026-01-15T10:00:00", 1) == ["16 00:00"]


@pytest.mark.parametrize(
    "cron", ["", "* * * *", "61 * * * *", "* * * * mondays", "@every 0s", "@every s", "0 0 31 2 *"]
)
def test_what_is_no_expression_is_refused(cron: str) -> None:
    with pytest.raises(CronInvalid):
        parse_cron(cron)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "/etc/localtime"])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(ZoneUnknown):
        parse_cron("* * * * *", zone)


# ---------------------------------------------------------------------------------------- outages

NOON = ns("2026-01-15T12:00:00")
OUTAGE = {"after_ns": NOON, "now_ns": NOON + 3600 * S + 5 * S}


def due(policy: str, **moments: int) -> tuple[list[int], int]:
    table = parse_cron("*/10 * * * *")
    chosen, upto = due_ticks(table, catch_up=policy, **(OUTAGE | moments))
    return [(one - NOON) // (60 * S) for one in chosen], (upto - NOON) // (60 * S)


def test_after_an_outage_of_an_hour_the_policy_decides() -> None:
    late = {"now_ns": NOON + 3600 * S + 300 * S}  # no tick is on time
    assert due("all", **late) == ([10, 20, 30, 40, 50, 60], 60)
    assert due("one", **late) == ([60], 60)
    assert due("none", **late) == ([], 60)


def test_a_tick_that_is_on_time_comes_under_every_policy() -> None:
    assert due("all") == ([10, 20, 30, 40, 50, 60], 60)
    assert due("one") == ([60], 60)
    assert due("none") == ([60], 60)


def test_nothing_is_due_before_its_time() -> None:
    assert due("all", now_ns=NOON + 599 * S) == ([], 0)


def test_an_outage_of_years_is_made_up_for_in_parts_or_by_its_last_tick() -> None:
    table = parse_cron("* * * * *")
    years = {"after_ns": NOON, "now_ns": NOON + 3 * 365 * 86_400 * S + 40 * S}
    chosen, upto = due_ticks(table, catch_up="all", **years)
    assert len(chosen) == CRON_TICKS_MAX
    assert upto == chosen[-1] == NOON + CRON_TICKS_MAX * 60 * S
    chosen, upto = due_ticks(table, catch_up="one", **years)
    assert chosen == [upto] == [years["now_ns"] - 40 * S]
    assert due_ticks(table, catch_up="none", **years) == ([], upto)


@given(
    st.sampled_from(["*/5 * * * *", "@every 7m", "30 2 * * *", "0 * * * *"]),
    st.integers(0, 4 * 86_400),
    st.lists(st.integers(1, 40_000), max_size=12),
)
def test_whoever_asks_however_often_each_tick_comes_once_under_all(
    cron: str, start_s: int, steps: list[int]
) -> None:
    table = parse_cron(cron, BERLIN)
    began = now = after = ns("2026-03-27T00:00:00") + start_s * S
    seen: list[int] = []
    for step in steps:
        now += step * S
        chosen, after = due_ticks(table, after_ns=after, now_ns=now, catch_up="all")
        seen += chosen
    assert seen == list(takewhile(lambda tick: tick <= now, table.ticks_after(began)))


# ----------------------------------------------------------------------------------- on the log


class Clock:
    now = NOON


class House:
    """Two dispatchers' folds of one log."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.log = MemoryLog(lambda: self.clock.now)
        self.state = State()

    async def declare(self, told: Scheduled) -> None:
        last = await self.log.last("cron.t1.nightly")
        await self.log.append([Append("cron.t1.nightly", last.seq if last else 0, encode(told))])

    async def follow(self) -> None:
        bounds = await self.log.bounds()
        while self.state.seq < bounds.last:
            for entry in await anext(aiter(self.log.read(self.state.seq + 1))):
                self.state.apply(*entry)

    async def tick(self, *tickers: Ticker) -> int:
        """Let dispatchers tick at the same time; return how many schedules were due in all."""
        await self.follow()
        due = [(one, ticks) for one in tickers for ticks in one.due(self.state, self.clock.now)]
        for ticker, ticks in due:
            await ticker.submit(self.state, self.log, ticks)
        await self.follow()
        for ticker in tickers:
            ticker.note(self.state, "t1.nightly")
        return len(due)

    def ticker(self, name: str) -> Ticker:
        made = Ticker(name)
        made.build(self.state)
        return made


@pytest.fixture
async def house() -> House:
    made = House()
    await made.declare(
        Scheduled(CHAIN_START, Spec(name="report", expires_ns=60 * S), "*/10 * * * *")
    )
    await made.follow()
    return made


def submitted(house: House) -> list[str]:
    return [job.task_id for job in house.state.jobs.values()]


async def test_two_schedulers_submit_one_tick(house: House) -> None:
    both = house.ticker("d1"), house.ticker("d2")
    house.clock.now += 600 * S
    assert await house.tick(*both) == 2
    assert submitted(house) == [tick_id("t1", "nightly", NOON + 600 * S)]
    assert house.state.voids == 0


async def test_a_new_schedule_ticks_from_its_declaration_on(house: House) -> None:
    ticker = house.ticker("d1")
    assert await house.tick(ticker) == 0
    house.clock.now += 600 * S
    await house.tick(ticker)
    assert len(submitted(house)) == 1


async def test_times_of_a_schedules_jobs_count_from_the_tick(house: House) -> None:
    house.clock.now += 605 * S
    await house.tick(house.ticker("d1"))
    (job,) = house.state.jobs.values()
    assert job.spec.expires_ns == NOON + 660 * S


async def test_after_an_outage_a_new_dispatcher_goes_on_from_what_the_log_says(
    house: House,
) -> None:
    house.clock.now += 600 * S
    await house.tick(house.ticker("d1"))
    house.clock.now += 7 * 600 * S
    await house.tick(house.ticker("d2"))
    assert submitted(house) == [
        tick_id("t1", "nightly", NOON + 600 * S),
        tick_id("t1", "nightly", NOON + 8 * 600 * S),
    ]


async def test_a_tick_that_exists_already_does_not_hold_up_the_schedule(house: House) -> None:
    there = f"job.t1.{tick_id('t1', 'nightly', NOON + 600 * S)}"
    await house.log.append([Append(there, 0, encode(Submitted(CHAIN_START, Spec(name="x"))))])
    ticker = house.ticker("d1")
    house.clock.now += 600 * S
    await house.tick(ticker)
    house.clock.now += 600 * S
    await house.tick(ticker)
    assert len(submitted(house)) == 2


async def test_declaring_a_schedule_anew_repeats_no_tick(house: House) -> None:
    house.clock.now += 600 * S
    await house.tick(house.ticker("d1"))
    held = house.state.schedules["t1.nightly"]
    await house.declare(Scheduled(held.hash, Spec(name="report"), "*/5 * * * *"))
    await house.follow()
    assert house.state.schedules["t1.nightly"].after_ns == NOON + 600 * S
    assert await house.tick(house.ticker("d1")) == 0


async def test_a_canceled_schedule_ticks_no_more(house: House) -> None:
    ticker = house.ticker("d1")
    held = house.state.schedules["t1.nightly"]
    await house.log.append([Append(held.subject, held.seq, encode(Canceled(held.hash)))])
    house.clock.now += 600 * S
    assert await house.tick(ticker) == 0


async def test_a_schedule_that_cannot_be_read_is_passed_over(house: House) -> None:
    held = house.state.schedules["t1.nightly"]
    await house.declare(Scheduled(held.hash, Spec(name="x"), "never", zone="Mars/Olympus"))
    house.clock.now += 600 * S
    assert await house.tick(house.ticker("d1")) == 0


async def test_nonsense_about_a_tenants_schedule_is_void(house: House) -> None:
    held = house.state.schedules["t1.nightly"]
    await house.log.append([Append(held.subject, held.seq, b"nonsense")])
    await house.follow()
    assert house.state.voids == 1
    house.clock.now += 600 * S
    await house.tick(house.ticker("d1"))
    assert len(submitted(house)) == 1
    written = await house.log.last(held.subject)
    assert written is not None
    assert isinstance(decode(written.data), Scheduled)
