"""Which SQL keeps the add-ons of subscriptions?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.errors import AddonNotFound
from solvent.kernel.subscriptions.model import Addon, PlanRef
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId


async def insert(tx: Tx, tenant_id: TenantId, addon: Addon) -> None:
    """Keep a new add-on."""
    await tx.execute(
        "insert into subscriptions_addon (tenant_id, id, subscription_id, plan_key, plan_version,"
        "  quantity, starts_at, ends_at, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tenant_id,
        addon.id,
        addon.subscription_id,
        addon.plan.plan_key,
        addon.plan.version,
        addon.quantity,
        addon.starts_at,
        addon.ends_at,
        addon.created_at,
    )


async def set_end(tx: Tx, tenant_id: TenantId, id_: str, ends_at: datetime | None) -> None:
    """Say when an add-on ends; None: with its subscription."""
    await tx.execute(
        "update subscriptions_addon set ends_at = $3 where tenant_id = $1 and id = $2",
        tenant_id,
        id_,
        ends_at,
    )


async def remove(tx: Tx, tenant_id: TenantId, id_: str) -> None:
    """Forget an add-on that has not begun."""
    await tx.execute(
        "delete from subscriptions_addon where tenant_id = $1 and id = $2", tenant_id, id_
    )


async def get(tx: Tx, tenant_id: TenantId, subscription_id: str, id_: str) -> Addon:
    """Return an add-on of a subscription.

    Raises:
        AddonNotFound: it has none of this id.
    """
    row = await tx.fetchrow(
        "select * from subscriptions_addon"
        " where tenant_id = $1 and subscription_id = $2 and id = $3",
        tenant_id,
        subscription_id,
        id_,
    )
    if row is None:
        raise AddonNotFound(field="addon", given=id_[:64])
    return _addon(row)


async def list_of(tx: Tx, tenant_id: TenantId, subscription_id: str) -> list[Addon]:
    """Return all add-ons that a subscription has, had or is to have, in order of their start."""
    rows = await tx.fetch(
        "select * from subscriptions_addon where tenant_id = $1 and subscription_id = $2"
        " order by starts_at, id",
        tenant_id,
        subscription_id,
    )
    return [_addon(row) for row in rows]


async def list_within(
    tx: Tx, tenant_id: TenantId, asked: Sequence[tuple[str, Period]]
) -> list[list[Addon]]:
    """Return the add-ons that each subscription has at any second of its period, by their start."""
    rows = await tx.fetch(
        "select asked.place, a.* from unnest($2::text[], $3::timestamptz[], $4::timestamptz[])"
        "  with ordinality as asked (id, starts_at, ends_at, place)"
        " join subscriptions_addon a on a.tenant_id = $1 and a.subscription_id = asked.id"
        " and a.starts_at < asked.ends_at and coalesce(a.ends_at, 'infinity') > asked.starts_at"
        " order by a.starts_at, a.id",
        tenant_id,
        [id_ for id_, _ in asked],
        [period.start for _, period in asked],
        [period.end for _, period in asked],
    )
    found: list[list[Addon]] = [[] for _ in asked]
    for row in rows:
        found[row["place"] - 1].append(_addon(row))
    return found


async def list_at(
    tx: Tx, tenant_id: TenantId, subscription_ids: Sequence[str], at: datetime
) -> list[Addon]:
    """Return the add-ons that these subscriptions have at a moment."""
    rows = await tx.fetch(
        "select * from subscriptions_addon where tenant_id = $1"
        " and subscription_id = any($2::text[]) and starts_at <= $3"
        " and coalesce(ends_at, 'infinity') > $3 order by starts_at, id",
        tenant_id,
        list(subscription_ids),
        at,
    )
    return [_addon(row) for row in rows]


def _addon(row: Row) -> Addon:
    return Addon(
        id=row["id"],
        subscription_id=row["subscription_id"],
        plan=PlanRef(row["plan_key"], row["plan_version"]),
        quantity=row["quantity"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        created_at=row["created_at"],
    )
