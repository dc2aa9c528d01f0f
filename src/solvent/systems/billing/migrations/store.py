"""How do migrations and their items reach the database, and come back?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import TypeAdapter

from solvent.kernel.subscriptions.model import PlanRef, When
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.billing.errors import MigrationNotFound
from solvent.systems.billing.migrations.model import (
    Aim,
    ItemState,
    Migration,
    MigrationItem,
    MigrationState,
    Tally,
    Where,
)

_WHERE = TypeAdapter(Where)


async def insert(tx: Tx, tenant_id: TenantId, new: Migration) -> None:
    """Keep a new migration."""
    await tx.execute(
        """insert into billing_migration
               (tenant_id, id, from_plan_key, from_version, to_plan_key, to_version, timing,
                conditions, state, matching, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)""",
        tenant_id,
        new.id,
        new.aim.source.plan_key,
        new.aim.source.version,
        new.aim.target.plan_key,
        new.aim.target.version,
        new.aim.when.value,
        _WHERE.dump_python(new.aim.where, mode="json"),
        new.state.value,
        new.matching,
        new.created_at,
    )


async def save(tx: Tx, tenant_id: TenantId, one: Migration) -> None:
    """Keep how far a migration is."""
    await tx.execute(
        """update billing_migration
           set state = $3, "position" = $4, looked_at = $5, ended_at = $6
           where tenant_id = $1 and id = $2""",
        tenant_id,
        one.id,
        one.state.value,
        one.position,
        one.looked_at,
        one.ended_at,
    )


async def lock(tx: Tx, tenant_id: TenantId, id_: str) -> None:
    """Let nobody else work on a migration until commit."""
    await tx.execute(
        "select 1 from billing_migration where tenant_id = $1 and id = $2 for update",
        tenant_id,
        id_,
    )


_MIGRATIONS = """select m.*, v.terms ->> 'currency' as currency
                 from billing_migration m
                 join catalogue_plan_version v on v.tenant_id = m.tenant_id
                     and v.plan_key = m.from_plan_key and v.version = m.from_version
                 where m.tenant_id = $1"""


async def get(tx: Tx, tenant_id: TenantId, id_: str) -> Migration:
    """Return a migration with its tallies.

    Raises:
        MigrationNotFound: there is none of this id.
    """
    row = await tx.fetchrow(f"{_MIGRATIONS} and m.id = $2", tenant_id, id_)
    if row is None:
        raise MigrationNotFound(field="migration", given=id_[:64])
    return _migration(row, await tallies(tx, tenant_id, id_))


async def list_page(
    tx: Tx, tenant_id: TenantId, *, after: str | None, limit: int
) -> list[Migration]:
    """Return migrations, newest first, without their tallies."""
    rows = await tx.fetch(
        f"{_MIGRATIONS} and ($2::text is null or m.id < $2) order by m.id desc limit $3",
        tenant_id,
        after,
        limit,
    )
    return [_migration(row, {}) for row in rows]


async def tallies(tx: Tx, tenant_id: TenantId, id_: str) -> Mapping[ItemState, Tally]:
    """Return how many subscriptions came to each state, and what they come to."""
    rows = await tx.fetch(
        """select state, count(*) as many, sum(now_minor)::bigint as now_minor,
                  sum(fee_before_minor)::bigint as before_minor,
                  sum(fee_after_minor)::bigint as after_minor
           from billing_migration_item where tenant_id = $1 and migration_id = $2 group by state""",
        tenant_id,
        id_,
    )
    return {
        ItemState(row["state"]): Tally(
            row["many"], row["now_minor"], row["before_minor"], row["after_minor"]
        )
        for row in rows
    }


async def add_items(tx: Tx, tenant_id: TenantId, id_: str, items: Sequence[MigrationItem]) -> None:
    """Keep what became of subscriptions, once each."""
    await tx.executemany(
        """insert into billing_migration_item
               (tenant_id, migration_id, subscription_id, customer_id, state, detail, now_minor,
                fee_before_minor, fee_after_minor, takes_effect_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           on conflict (tenant_id, migration_id, subscription_id) do nothing""",
        [
            (
                tenant_id,
                id_,
                one.subscription_id,
                one.customer_id,
                one.state.value,
                one.detail,
                one.now_minor,
                one.fee_before_minor,
                one.fee_after_minor,
                one.takes_effect_at,
            )
            for one in items
        ],
    )


async def set_state(
    tx: Tx, tenant_id: TenantId, id_: str, subscription_id: str, *, state: ItemState, detail: str
) -> None:
    """Keep what became of a subscription after all."""
    await tx.execute(
        """update billing_migration_item set state = $4, detail = $5
           where tenant_id = $1 and migration_id = $2 and subscription_id = $3""",
        tenant_id,
        id_,
        subscription_id,
        state.value,
        detail,
    )


async def list_items(
    tx: Tx,
    tenant_id: TenantId,
    id_: str,
    *,
    state: ItemState | None,
    after: str,
    limit: int,
) -> list[MigrationItem]:
    """Return items by subscription, after one."""
    rows = await tx.fetch(
        """select * from billing_migration_item where tenant_id = $1 and migration_id = $2
             and ($3::text is null or state = $3) and subscription_id > $4
           order by subscription_id limit $5""",
        tenant_id,
        id_,
        state.value if state else None,
        after,
        limit,
    )
    return [_item(row) for row in rows]


def _item(row: Row) -> MigrationItem:
    at: datetime | None = row["takes_effect_at"]
    return MigrationItem(
        subscription_id=row["subscription_id"],
        customer_id=row["customer_id"],
        state=ItemState(row["state"]),
        detail=row["detail"],
        now_minor=row["now_minor"],
        fee_before_minor=row["fee_before_minor"],
        fee_after_minor=row["fee_after_minor"],
        takes_effect_at=at,
    )


def _migration(row: Row, found: Mapping[ItemState, Tally]) -> Migration:
    return Migration(
        id=row["id"],
        aim=Aim(
            PlanRef(row["from_plan_key"], row["from_version"]),
            PlanRef(row["to_plan_key"], row["to_version"]),
            When(row["timing"]),
            _WHERE.validate_python(row["conditions"]),
        ),
        currency=row["currency"],
        state=MigrationState(row["state"]),
        position=row["position"],
        looked_at=row["looked_at"],
        matching=row["matching"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        tallies=found,
    )
