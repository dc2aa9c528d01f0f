"""Which add-ons does an invoice charge, and for which parts of its period?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.ledger.model import InvoiceDraft, Part, Stretch
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Addon, PlanRef, Segment, Subscription
from solvent.kernel.subscriptions.service.periods import HeldPeriod
from solvent.kit.ctx import Ctx


async def addons_in(ctx: Ctx, periods: Sequence[HeldPeriod]) -> list[tuple[Stretch, ...]]:
    """Return the add-ons of each period, cut to the seconds in which its plan was charged."""
    asked = [(one.held.id, one.period) for one in periods]
    found = await subscriptions.addons_within(ctx, asked)
    return [
        tuple(
            [
                await _stretch(ctx, addon.id, addon.plan, shared, quantity=addon.quantity)
                for addon in addons
                for span in charged_spans(one.segments)
                if (shared := _shared(addon, span)) is not None
            ]
        )
        for one, addons in zip(periods, found, strict=True)
    ]


def charged_spans(segments: Sequence[Segment]) -> list[Period]:
    """Return the stretches in which something was charged without a break."""
    spans: list[Period] = []
    for one in segments:
        if spans and spans[-1].end == one.period.start:
            spans[-1] = Period(spans[-1].start, one.period.end)
        else:
            spans.append(one.period)
    return spans


def _shared(addon: Addon, span: Period) -> Period | None:
    start = max(addon.starts_at, span.start)
    end = span.end if addon.ends_at is None else min(addon.ends_at, span.end)
    return Period(start, end) if start < end else None


async def addons_since(
    ctx: Ctx, asked: Sequence[tuple[Subscription, Period]]
) -> list[tuple[Stretch, ...]]:
    """Return the add-ons that each period began with, up to the end that is known of them now."""
    found = await subscriptions.addons_within(ctx, [(held.id, period) for held, period in asked])
    return [
        tuple(
            [
                await _stretch(ctx, addon.id, addon.plan, shared, quantity=addon.quantity)
                for addon in addons
                if addon.starts_at <= period.start
                if (shared := _shared(addon, period)) is not None
            ]
        )
        for (_, period), addons in zip(asked, found, strict=True)
    ]


async def addons_said(ctx: Ctx, said: InvoiceDraft) -> tuple[Stretch, ...]:
    """Return the add-ons that an invoice in advance says it charged."""
    return tuple(
        [
            await _stretch(
                ctx,
                one.id,
                PlanRef(one.plan_key, one.plan_version),
                Period(one.start, one.end),
                quantity=one.quantity,
            )
            for one in said.addons
        ]
    )


async def _stretch(
    ctx: Ctx, addon_id: str, plan: PlanRef, period: Period, *, quantity: int
) -> Stretch:
    version = await catalogue.plan_version(ctx, plan.plan_key, plan.version)
    return Stretch(version, period, (), (Part(period, quantity),), addon_id)
