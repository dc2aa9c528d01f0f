"""Does every second of ten years cost what was held in it, whatever day, zone and changes?"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from solvent.kernel.catalogue.model import (
    Interval,
    PlanVersion,
    Price,
    PriceModel,
    Proration,
    SeatTerms,
    Terms,
)
from solvent.kernel.ledger import rules
from solvent.kernel.ledger.model import DraftInput, InvoiceDraft, InvoiceKind, Part, Stretch
from solvent.kernel.ledger.rules.prorating import days
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import (
    PlannedChange,
    PlannedKind,
    PlanRef,
    Segment,
    Status,
    Subscription,
    SubscriptionId,
)
from solvent.kernel.subscriptions.rules.calendar import moved_anchor
from solvent.kernel.subscriptions.rules.timeline import steps_due
from solvent.kernel.subscriptions.rules.turning import Cycle, Turn

ZONES = ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
YEARS = 10
SEAT_MINOR = 1000
PRO = PlanRef("pro", 1)
CYCLE = Cycle(1, timedelta(days=3), seats=SeatTerms())
FEE = Price("seats", PriceModel.FLAT, "Seats", amount_minor=SEAT_MINOR, per_seat=True)


def plan(proration: Proration) -> PlanVersion:
    terms = Terms(
        "logs", "Pro", "EUR", Interval.MONTH, 1, (FEE,), (), seats=SeatTerms(), proration=proration
    )
    return PlanVersion("pro", 1, terms, "0" * 64, datetime(2026, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Story:
    """A subscription with what is planned for it over ten years, and what came of it."""

    begun: Subscription
    turns: list[Turn]

    @property
    def periods(self) -> list[Period]:
        return [turn.ended for turn in self.turns if turn.ended]

    @property
    def segments(self) -> list[Segment]:
        return [turn.charged for turn in self.turns if turn.charged]

    def rests(self) -> Iterator[Period]:
        """Yield when nothing was charged, by what happened and not by what was charged."""
        since: datetime | None = None
        for turn in self.turns:
            after = turn.subscription
            if after.status is Status.PAUSED and since is None:
                since = after.paused_at
            elif after.status is Status.ACTIVE and since is not None:
                yield Period(since, after.charged_from or since)
                since = None

    def seats_at(self, moment: datetime) -> int:
        done = [one for one in self.begun.planned if one.quantity and one.at <= moment]
        return done[-1].quantity or 1 if done else self.begun.quantity


@cache
def story(day: int, zone: str) -> Story:
    """Tell a story that begins on a day of January 2024, in a zone's night that DST touches."""
    chance = random.Random(f"{day} {zone}")
    start = datetime(2024, 1, day, 2, 30, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    begun = Subscription(
        id=SubscriptionId("sub_1"),
        customer_id="cus_1",
        product_key="logs",
        plan_key="pro",
        plan_version=1,
        status=Status.ACTIVE,
        current=True,
        period=Period(start, start + timedelta(days=1)),
        anchor_at=start,
        time_zone=zone,
        plan_expires_at=start,
        auto_renew=True,
        created_at=start,
        paid_through=start,
        charged_from=start,
        quantity=2,
        planned=tuple(_planned(chance, start)),
    )
    first = next(_steps(replace(begun, planned=(), period=Period(start, start)), start))
    begun = replace(begun, period=first.subscription.period)
    return Story(begun, list(_with_moves(begun, chance)))


def _steps(one: Subscription, now: datetime) -> Iterator[Turn]:
    return steps_due(one, lambda _: CYCLE, now=now)


def _planned(chance: random.Random, start: datetime) -> list[PlannedChange]:
    span = YEARS * 365 * 86_400
    moments = sorted(chance.sample(range(1, span), 14))
    found: list[PlannedChange] = []
    for place, second in enumerate(moments):
        at = start + timedelta(seconds=second)
        if place % 3 == 2:
            until = at + timedelta(seconds=chance.randrange(1, 50 * 86_400))
            found.append(PlannedChange(f"p{place}", PlannedKind.PAUSE, at, resume_at=until))
        else:
            seats = chance.randrange(1, 30)
            found.append(
                PlannedChange(f"q{place}", PlannedKind.CHANGE_QUANTITY, at, quantity=seats)
            )
    return found


def _with_moves(one: Subscription, chance: random.Random) -> Iterator[Turn]:
    """Yield ten years of turns; in the seventh the customer moves to another zone and back."""
    home = one.time_zone
    for year, zone in ((6, home), (7, chance.choice(ZONES)), (YEARS, home)):
        if zone != one.time_zone:
            anchor_at = moved_anchor(one.anchor_at, old=one.time_zone, new=zone)
            one = replace(one, time_zone=zone, anchor_at=anchor_at)
        for turn in _steps(one, datetime(2024 + year, 6, 15, tzinfo=UTC)):
            yield turn
            one = turn.subscription


def days_of(zone: str) -> range | list[int]:
    """Return on which days stories begin: on each where the clock changes by an hour."""
    return range(1, 32) if zone in {"Europe/Paris", "America/New_York"} else [1, 28, 29, 30, 31]


@pytest.fixture(params=ZONES)
def stories(request: pytest.FixtureRequest) -> list[Story]:
    return [story(day, request.param) for day in days_of(request.param)]


def test_periods_have_neither_hole_nor_overlap_over_ten_years(stories: list[Story]) -> None:
    for told in stories:
        assert told.periods[0].start == told.begun.period.start
        assert all(a.end == b.start for a, b in pairwise(told.periods))
        assert len(told.periods) in range(YEARS * 12, YEARS * 12 + 8)
        zone = ZoneInfo(told.begun.time_zone)
        day = told.begun.anchor_at.astimezone(zone).day
        for period in told.periods[:60]:  # before the move
            local = period.end.astimezone(zone)
            last = (local.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
            assert local.day == min(day, last.day)


def test_each_second_is_charged_once_or_at_rest(stories: list[Story]) -> None:
    for told in stories:
        segments, end = told.segments, told.periods[-1].end
        assert all(a.period.end <= b.period.start for a, b in pairwise(segments))
        charged = sum(one.seconds for one in segments)
        rests = [Period(one.start, min(one.end, end)) for one in told.rests() if one.start < end]
        resting = sum(rules.seconds(one) for one in rests)
        going_on = told.turns[-1].subscription
        if going_on.status is Status.PAUSED and going_on.paused_at:
            resting += max(rules.seconds(Period(min(going_on.paused_at, end), end)), 0)
        assert charged + resting == rules.seconds(Period(told.begun.period.start, end))
        assert all(one.quantity == told.seats_at(one.period.start) for one in segments)


def drafts(told: Story, proration: Proration) -> Iterator[tuple[list[Segment], InvoiceDraft]]:
    """Yield each period's segments and its invoice."""
    version, rest = plan(proration), told.segments
    for period in told.periods:
        here = [one for one in rest if one.period.start < period.end]
        rest = rest[len(here) :]
        stretches: list[Stretch] = []
        for one in here:
            part = Part(one.period, one.quantity)
            last = stretches[-1] if stretches else None
            if last and last.period.end == one.period.start:
                whole = Period(last.period.start, one.period.end)
                stretches[-1] = replace(last, period=whole, parts=(*last.parts, part))
            else:
                stretches.append(Stretch(version, one.period, (), (part,)))
        given = DraftInput(
            InvoiceKind.PERIOD,
            "cus_1",
            "sub_1",
            period,
            version,
            tuple(stretches),
            0,
            time_zone=told.begun.time_zone,
        )
        yield here, rules.draft(given)


def weight(one: Period, proration: Proration, zone: str) -> int:
    return rules.seconds(one) if proration is Proration.SECOND else days(one, zone)


@pytest.mark.parametrize("proration", [Proration.SECOND, Proration.DAY])
def test_ten_years_cost_exactly_what_was_held(stories: list[Story], proration: Proration) -> None:
    for told in stories[::4]:
        zone = told.begun.time_zone
        for here, said in drafts(told, proration):
            period = Period(said.period_start, said.period_end)
            exact = sum(
                SEAT_MINOR * one.quantity * weight(one.period, proration, zone) for one in here
            )
            due = (Decimal(exact) / weight(period, proration, zone)).quantize(
                Decimal(1), rounding=ROUND_HALF_UP
            )
            assert abs(said.total_minor - int(due)) <= (len({one.quantity for one in here}) == 1)
            if len(here) == 1 and here[0].period == period:
                assert said.total_minor == SEAT_MINOR * here[0].quantity


def test_what_is_not_prorated_costs_the_most_of_each_period(stories: list[Story]) -> None:
    for told in stories[::8]:
        for here, said in drafts(told, Proration.NONE):
            most = max((one.quantity for one in here), default=0)
            assert said.total_minor == SEAT_MINOR * most
