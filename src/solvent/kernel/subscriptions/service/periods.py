"""What was charged in many periods at once, and what are their fees for?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import store_periods as store
from solvent.kernel.subscriptions.model import FeePeriod, Segment, Subscription
from solvent.kernel.subscriptions.rules.calendar import Recurrence, boundary, index_at
from solvent.kernel.subscriptions.rules.calendar import fee_period as fee_period_of
from solvent.kernel.subscriptions.rules.states import months_of
from solvent.kit.ctx import Ctx


@dataclass(frozen=True, slots=True)
class HeldPeriod:
    """A period of a subscription, and what was charged in it."""

    held: Subscription
    period: Period
    segments: tuple[Segment, ...]
    planned: Period
    """The period as the calendar had it before anything cut it short."""
    over: bool
    """Whether it is, as it stands, one of the subscription's periods that are over."""

    def fee_period(self, version: PlanVersion) -> FeePeriod:
        """Return which whole period a fee of this plan version is for, as things stand now.

        A provider collects whole fees, so of its subscriptions each period is whole.
        """
        held = self.held
        recurrence = Recurrence(held.anchor_at, months_of(version), held.time_zone)
        found = fee_period_of(recurrence, self.planned, calendar=version.terms.calendar)
        return replace(found, whole=self.period) if held.provider_managed else found


def cut_for(held: Subscription, period: Period, version: PlanVersion) -> list[FeePeriod]:
    """Return the parts of a period as a plan of another interval would count them, in order.

    Each is told by the whole period that it is a part of; those of a shorter interval are whole but
    for the first and last.
    """
    recurrence = Recurrence(held.anchor_at, months_of(version), held.time_zone)
    index = index_at(recurrence, period.start)
    found: list[FeePeriod] = []
    while (start := boundary(recurrence, index)) < period.end:
        found.append(FeePeriod(Period(start, boundary(recurrence, index + 1)), index))
        index += 1
    return found


async def held_periods(ctx: Ctx, asked: Sequence[tuple[Subscription, Period]]) -> list[HeldPeriod]:
    """Return for each of these periods what `segments` and `fee_period` would, in their order."""
    named = [(held.id, period) for held, period in asked]
    segments = await store.segments_of(ctx.tx, ctx.tenant_id, named)
    ends = await store.planned_ends(ctx.tx, ctx.tenant_id, named)
    return [
        HeldPeriod(
            held=held,
            period=period,
            segments=(*over, *_going_on(held, period)),
            planned=Period(period.start, end[1]) if end else period,
            over=end is not None and end[0] == period.end,
        )
        for (held, period), over, end in zip(asked, segments, ends, strict=True)
    ]


def _going_on(held: Subscription, period: Period) -> list[Segment]:
    """Return what goes on now, taken to go on to the period's end."""
    since = held.charged_from
    if since is None or since >= period.end:
        return []
    return [Segment(held.plan, Period(max(since, period.start), period.end), held.quantity)]
