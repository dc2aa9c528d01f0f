"""Which SQL tells what was charged when, over all subscriptions of a customer?"""

from __future__ import annotations

from collections.abc import Collection

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Charged, PlanRef, TrialEnd
from solvent.kit.db import Tx
from solvent.kit.ids import TenantId

TOLD_MAX = 1_000
"""Of what contradicts itself no more is named: the first is enough to stop and look."""


async def list_charged(tx: Tx, tenant_id: TenantId, customer_ids: Collection[str]) -> list[Charged]:
    """Return all stretches of charging of these customers, those that go on with no end.

    An add-on is charged while its subscription is, so its stretches are cut to those.
    """
    rows = await tx.fetch(
        """with stretch as (
               select held.customer_id, held.id, over.plan_key, over.plan_version, over.quantity,
                      over.starts_at, over.ends_at
               from subscriptions_subscription held
               join subscriptions_segment over
                 on over.tenant_id = held.tenant_id and over.subscription_id = held.id
               where held.tenant_id = $1 and held.customer_id = any($2::text[])
               union all
               select customer_id, id, plan_key, plan_version, quantity, charged_from, null
               from subscriptions_subscription
               where tenant_id = $1 and customer_id = any($2::text[]) and charged_from is not null
           )
           select *, null as beside from stretch
           union all
           select customer_id, stretch.id, addon.plan_key, addon.plan_version, addon.quantity,
                  greatest(stretch.starts_at, addon.starts_at),
                  least(stretch.ends_at, addon.ends_at), stretch.plan_key
           from stretch join subscriptions_addon addon
             on addon.tenant_id = $1 and addon.subscription_id = stretch.id
            and addon.starts_at < coalesce(stretch.ends_at, 'infinity')
            and coalesce(addon.ends_at, 'infinity') > stretch.starts_at""",
        tenant_id,
        list(customer_ids),
    )
    return [
        Charged(
            customer_id=row["customer_id"],
            subscription_id=row["id"],
            plan=PlanRef(row["plan_key"], row["plan_version"]),
            quantity=row["quantity"],
            since=row["starts_at"],
            until=row["ends_at"],
            beside=row["beside"],
        )
        for row in rows
    ]


async def list_charged_twice(tx: Tx, tenant_id: TenantId) -> list[tuple[str, str]]:
    """Return the subscriptions of which a second was charged twice, and where that begins."""
    rows = await tx.fetch(
        """select subscription_id, min(starts_at) as since
           from (
               select subscription_id, starts_at, max(ends_at) over (
                          partition by subscription_id order by starts_at
                          rows between unbounded preceding and 1 preceding) as charged_until
               from (
                   select subscription_id, starts_at, ends_at
                   from subscriptions_segment where tenant_id = $1
                   union all
                   select id, charged_from, 'infinity' from subscriptions_subscription
                   where tenant_id = $1 and charged_from is not null
               ) as stretch
           ) as one
           where charged_until > starts_at
           group by subscription_id order by subscription_id limit $2""",
        tenant_id,
        TOLD_MAX,
    )
    return [(row["subscription_id"], row["since"].isoformat()) for row in rows]


async def list_subscribers(tx: Tx, tenant_id: TenantId, *, after: str, limit: int) -> list[str]:
    """Return the ids of customers who have or had a subscription, those after `after`."""
    rows = await tx.fetch(
        """select distinct customer_id collate "C" as customer_id from subscriptions_subscription
           where tenant_id = $1 and customer_id collate "C" > $2 order by 1 limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [row["customer_id"] for row in rows]


async def list_trial_ends(tx: Tx, tenant_id: TenantId, within: Period) -> list[TrialEnd]:
    """Return the trials that ended within a period, in order."""
    rows = await tx.fetch(
        """select held.*, least(trial_end_at, ended_at) as over_at,
                  charged_from is not null or exists (
                      select from subscriptions_segment over
                      where over.tenant_id = $1 and over.subscription_id = held.id
                  ) as converted
           from subscriptions_subscription held
           where tenant_id = $1 and trial_end_at is not null
             and (status <> 'pending' or trial_end_at <= period_start)
             and least(trial_end_at, ended_at) >= $2 and least(trial_end_at, ended_at) < $3
           order by over_at, id""",
        tenant_id,
        within.start,
        within.end,
    )
    return [
        TrialEnd(
            subscription_id=row["id"],
            customer_id=row["customer_id"],
            plan=PlanRef(row["plan_key"], row["plan_version"]),
            at=row["over_at"],
            converted=row["converted"],
        )
        for row in rows
    ]
