"""Which SQL keeps periods that are over, many at once, and tells what was charged in them?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import PlanRef, Segment
from solvent.kit.db import Tx
from solvent.kit.ids import TenantId


async def add_periods(
    tx: Tx,
    tenant_id: TenantId,
    ended: Sequence[tuple[str, Period, datetime]],
    *,
    noted_at: datetime,
) -> None:
    """Keep periods that are over: of which subscription, and where each was to end.

    The same start a second time is a bug and fails.
    """
    await tx.execute(
        """insert into subscriptions_period
               (tenant_id, subscription_id, starts_at, ends_at, planned_end_at, noted_at)
           select $1, *, $6
           from unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])""",
        tenant_id,
        [id_ for id_, _, _ in ended],
        [period.start for _, period, _ in ended],
        [period.end for _, period, _ in ended],
        [planned_end for _, _, planned_end in ended],
        noted_at,
    )


async def add_segments(tx: Tx, tenant_id: TenantId, charged: Sequence[tuple[str, Segment]]) -> None:
    """Keep stretches of charging that are over, each of a subscription."""
    await tx.execute(
        """insert into subscriptions_segment
               (tenant_id, subscription_id, starts_at, ends_at, plan_key, plan_version, quantity)
           select $1, * from unnest($2::text[], $3::timestamptz[], $4::timestamptz[],
                                    $5::text[], $6::integer[], $7::integer[])""",
        tenant_id,
        [id_ for id_, _ in charged],
        [one.period.start for _, one in charged],
        [one.period.end for _, one in charged],
        [one.plan.plan_key for _, one in charged],
        [one.plan.version for _, one in charged],
        [one.quantity for _, one in charged],
    )


async def segments_of(
    tx: Tx, tenant_id: TenantId, asked: Sequence[tuple[str, Period]]
) -> list[list[Segment]]:
    """Return for each (subscription id, period) what was charged in it and is over, cut to it."""
    rows = await tx.fetch(
        """select asked.place, plan_key, plan_version, quantity,
                  greatest(starts_at, asked.first_at) as starts_at,
                  least(ends_at, asked.end_at) as ends_at
           from unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) with ordinality
                as asked (id, first_at, end_at, place)
           join subscriptions_segment segment on segment.tenant_id = $1
                and segment.subscription_id = asked.id and segment.starts_at < asked.end_at
                and segment.ends_at > asked.first_at
           order by asked.place, segment.starts_at""",
        tenant_id,
        [id_ for id_, _ in asked],
        [period.start for _, period in asked],
        [period.end for _, period in asked],
    )
    found: list[list[Segment]] = [[] for _ in asked]
    for row in rows:
        plan = PlanRef(row["plan_key"], row["plan_version"])
        period = Period(row["starts_at"], row["ends_at"])
        found[int(row["place"]) - 1].append(Segment(plan, period, row["quantity"]))
    return found


async def planned_ends(
    tx: Tx, tenant_id: TenantId, asked: Sequence[tuple[str, Period]]
) -> list[tuple[datetime, datetime] | None]:
    """Return for each (subscription id, period) where the period that began then ended and was to.

    None where it is not over.
    """
    rows = await tx.fetch(
        """select asked.place, period.ends_at, period.planned_end_at
           from unnest($2::text[], $3::timestamptz[]) with ordinality as asked (id, first_at, place)
           join subscriptions_period period on period.tenant_id = $1
                and period.subscription_id = asked.id and period.starts_at = asked.first_at""",
        tenant_id,
        [id_ for id_, _ in asked],
        [period.start for _, period in asked],
    )
    found: list[tuple[datetime, datetime] | None] = [None for _ in asked]
    for row in rows:
        found[int(row["place"]) - 1] = (row["ends_at"], row["planned_end_at"])
    return found
