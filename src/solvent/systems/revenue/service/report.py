"""What did recurring revenue come to, month by month or day by day, and who stayed?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from operator import attrgetter
from zoneinfo import ZoneInfo

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.service import history
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.money import exponent
from solvent.systems.revenue.limits import CUSTOMERS_AT_ONCE
from solvent.systems.revenue.model import (
    Cohort,
    Kept,
    Moved,
    Movement,
    Policy,
    Ratios,
    Row,
    Span,
    Step,
    Trials,
)
from solvent.systems.revenue.rules.exchange import Rates, moved_in
from solvent.systems.revenue.rules.figures import ratios_of
from solvent.systems.revenue.rules.moving import moved_by_currency
from solvent.systems.revenue.rules.spans import (
    DAY,
    beginning_of,
    day_of,
    month_of,
    months_later,
    place_in,
    spans_between,
    zone_named,
)
from solvent.systems.revenue.rules.tally import Tally
from solvent.systems.revenue.service.policy import get_policy
from solvent.systems.revenue.service.scopes import SCOPE_READ
from solvent.systems.revenue.store import movements as store
from solvent.systems.revenue.store import rates as rate_store

MONTHS_SHOWN = 12
"""What a report shows where nobody says since when: this month and the eleven before it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Which rows a report is to have: None is a default; `currency` that of the policy."""

    since: date | None = None
    until: date | None = None
    """The day after the last one."""
    step: Step = Step.MONTH
    currency: str | None = None
    each: bool = False
    """Each currency by itself, whatever the policy says."""
    customer: str | None = None
    """Only this customer (id or own reference)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question comes to, with all defaults filled in."""

    spans: Sequence[Span]
    zone: ZoneInfo
    policy: Policy
    rates: Rates | None
    customer_id: str | None

    @property
    def period(self) -> Period:
        """Return the whole time of the report."""
        start, end = self.spans[0].start, self.spans[-1].end
        return Period(beginning_of(start, self.zone), beginning_of(end, self.zone))


async def scope_of(ctx: Ctx, ask: Ask) -> Scope:
    """Return what a question comes to.

    Raises:
        SpanMalformed, SpanTooLong, CurrencyUnknown: names the field.
        CustomerUnknown: there is no such customer.
    """
    ctx.require(SCOPE_READ)
    policy = await get_policy(ctx)
    zone = zone_named(policy.time_zone)
    spans = spans_between(*_bounds(ask, day_of(ctx.now(), zone)), ask.step)
    into = None if ask.each else ask.currency or policy.currency
    if into:
        exponent(into)
    rates = Rates.of(into, await rate_store.into(ctx.tx, ctx.tenant_id, into)) if into else None
    customer_id = (await tenants.get_customer(ctx, ask.customer)).id if ask.customer else None
    return Scope(spans, zone, policy, rates, customer_id)


def _bounds(ask: Ask, today: date) -> tuple[date, date]:
    """Return the first day of a report and the one after its last: months to the end of this one,
    or the days of a month up to today.
    """
    if ask.step is Step.DAY:
        until = ask.until or today + DAY
        return ask.since or month_of(until - DAY).start, until
    until = ask.until or month_of(today).end
    return ask.since or months_later(month_of(until - DAY).start, 1 - MONTHS_SHOWN), until


async def survey(ctx: Ctx, scope: Scope) -> Tally:
    """Go through all customers and return the sums.

    Raises:
        RateMissing: names the currencies and days.
    """
    tally = Tally(scope.spans)
    async for rows in each_customer(ctx, scope):
        tally.add(moved(rows, scope))
    if scope.rates:
        scope.rates.must_be_whole()
    return tally


def moved(rows: Sequence[Movement], scope: Scope) -> list[Moved]:
    """Return what one customer's days came to, in the currencies of the report."""
    if scope.rates is None:
        return moved_by_currency(rows, scope.zone)
    return moved_in(rows, scope.zone, scope.rates)


async def each_customer(ctx: Ctx, scope: Scope) -> AsyncIterator[Sequence[Movement]]:
    """Yield the movements of each customer up to the report's end, in the order of time."""
    if scope.customer_id is not None:
        rows = await store.of_customers(ctx.tx, ctx.tenant_id, [scope.customer_id])
        seen = [row for row in rows if row.at < scope.period.end]
        if seen:
            yield seen
        return
    after, until = "", scope.period.end
    while last := await store.last_customer(
        ctx.tx, ctx.tenant_id, after=after, limit=CUSTOMERS_AT_ONCE
    ):
        rows = await store.between_customers(
            ctx.tx, ctx.tenant_id, after=after, last=last, until=until
        )
        for _, of_customer in groupby(rows, key=attrgetter("customer_id")):
            yield list(of_customer)
        after = last


async def mrr(ctx: Ctx, ask: Ask) -> list[Row]:
    """Return what MRR moved by in each span, by currency: its rows add up.

    Raises:
        As `scope_of`; RateMissing: names the currencies and days.
    """
    tally = await survey(ctx, await scope_of(ctx, ask))
    return [row for _, rows in sorted(tally.finished().items()) for row in rows]


@dataclass(frozen=True, slots=True)
class Retention:
    """The figures of each span, and of all of them together, in one currency."""

    currency: str
    ratios: Sequence[Ratios]
    kept: Sequence[Kept]
    whole: Kept


async def retention(ctx: Ctx, ask: Ask) -> list[Retention]:
    """Return churn, retention, ARPU, quick ratio, lifetime value and trials of each span.

    Raises:
        As `mrr`.
    """
    scope = await scope_of(ctx, ask)
    tally = await survey(ctx, scope)
    trials = await trials_in(ctx, scope)
    found: list[Retention] = []
    for currency, rows in sorted(tally.finished().items()):
        kept = tally.kept[currency]
        ratios = [ratios_of(*given) for given in zip(rows, kept, trials, strict=True)]
        found.append(Retention(currency, ratios, kept, tally.whole[currency]))
    return found


async def trials_in(ctx: Ctx, scope: Scope) -> list[Trials]:
    """Return of each span how many trials ended, and how many led to a charge.

    One that is still running has not ended, whatever its end is planned to be.
    """
    period = scope.period
    until = max(period.start, min(period.end, ctx.now()))
    ended = [0] * len(scope.spans)
    converted = [0] * len(scope.spans)
    for one in await history.list_trial_ends(ctx, Period(period.start, until)):
        if scope.customer_id in {None, one.customer_id}:
            place = place_in(scope.spans, day_of(one.at, scope.zone))
            ended[place] += 1
            converted[place] += one.converted
    return [Trials(*pair) for pair in zip(ended, converted, strict=True)]


async def cohorts(ctx: Ctx, ask: Ask) -> list[Cohort]:
    """Return the customers who came in each month, and what was left of them at each month's end.

    Raises:
        As `mrr`.
    """
    return (await survey(ctx, await scope_of(ctx, ask))).cohorts()
