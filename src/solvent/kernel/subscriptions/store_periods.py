"""Which SQL tells, of many periods at once, what was charged in them and where they were to end?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import PlanRef, Segment
from solvent.kit.db import Tx
from solvent.kit.ids import TenantId


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
