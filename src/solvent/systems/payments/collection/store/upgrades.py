"""Which SQL keeps upgrades that wait for their payment?"""

from __future__ import annotations

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.collection.model import Upgrade, UpgradeState


async def insert(tx: Tx, tenant_id: TenantId, one: Upgrade) -> None:
    """Write an upgrade that is to be paid for."""
    await tx.execute(
        "insert into payments_upgrade (tenant_id, id, subscription_id, plan_key, plan_version,"
        " amount_minor, currency, state, created_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        tenant_id,
        one.id,
        one.subscription_id,
        one.plan_key,
        one.plan_version,
        one.amount_minor,
        one.currency,
        one.state,
        one.created_at,
    )


async def settle(
    tx: Tx, tenant_id: TenantId, upgrade_id: str, *, state: UpgradeState, reason: str | None
) -> None:
    """Write what became of an upgrade."""
    await tx.execute(
        "update payments_upgrade set state = $3, reason = $4 where tenant_id = $1 and id = $2",
        tenant_id,
        upgrade_id,
        state,
        reason,
    )


async def find(tx: Tx, tenant_id: TenantId, upgrade_id: str) -> Upgrade | None:
    """Return an upgrade."""
    row = await tx.fetchrow(
        "select * from payments_upgrade where tenant_id = $1 and id = $2", tenant_id, upgrade_id
    )
    return _upgrade(row) if row else None


async def find_open(tx: Tx, tenant_id: TenantId, subscription_id: str) -> Upgrade | None:
    """Return the upgrade of a subscription that waits for its payment."""
    row = await tx.fetchrow(
        "select * from payments_upgrade"
        " where tenant_id = $1 and subscription_id = $2 and state = 'waiting'",
        tenant_id,
        subscription_id,
    )
    return _upgrade(row) if row else None


def _upgrade(row: Row) -> Upgrade:
    return Upgrade(
        id=row["id"],
        subscription_id=row["subscription_id"],
        plan_key=row["plan_key"],
        plan_version=row["plan_version"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        state=UpgradeState(row["state"]),
        created_at=row["created_at"],
        reason=row["reason"],
    )
