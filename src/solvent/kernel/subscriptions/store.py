"""Which SQL keeps subscriptions, their periods and what was charged when?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from pydantic import TypeAdapter

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.errors import AlreadySubscribed, SubscriptionNotFound
from solvent.kernel.subscriptions.model import (
    PlannedChange,
    PlanRef,
    Segment,
    Status,
    Subscription,
    SubscriptionId,
)
from solvent.kit.db import Row, Tx, UniqueViolation
from solvent.kit.ids import TenantId

_LOCK_SEED = 60
_PLANNED = TypeAdapter(tuple[PlannedChange, ...])


async def lock(tx: Tx, tenant_id: TenantId, pairs: Iterable[tuple[str, str]]) -> None:
    """Let changes to a customer's subscriptions of one product take turns until commit.

    Or those to one of a provider's: the pairs are (customer id, product key) or (provider, its id).
    """
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended(name, $2)) from unnest($1::text[]) as name",
        sorted(f"{tenant_id}/{left}/{right}" for left, right in pairs),
        _LOCK_SEED,
    )


async def insert(tx: Tx, tenant_id: TenantId, new: Sequence[Subscription]) -> None:
    """Keep new subscriptions.

    Raises:
        AlreadySubscribed: it is current and another one is, or the provider's id is known.
    """
    if not new:
        return
    columns = _columns(new[0])
    names = ", ".join(columns)
    places = ", ".join(f"${number}" for number in range(3, len(columns) + 3))
    sql = (
        f"insert into subscriptions_subscription (tenant_id, id, {names}) values ($1, $2, {places})"
    )
    try:
        await tx.executemany(sql, _rows(tenant_id, new))
    except UniqueViolation:
        raise AlreadySubscribed(product=new[0].product_key) from None


async def update(tx: Tx, tenant_id: TenantId, changed: Sequence[Subscription]) -> None:
    """Replace what is kept of subscriptions."""
    if not changed:
        return
    names = enumerate(_columns(changed[0]), start=3)
    sets = ", ".join(f"{name} = ${number}" for number, name in names)
    sql = f"update subscriptions_subscription set {sets} where tenant_id = $1 and id = $2"
    await tx.executemany(sql, _rows(tenant_id, changed))


def _rows(tenant_id: TenantId, many: Iterable[Subscription]) -> list[tuple[object, ...]]:
    return [(tenant_id, one.id, *_columns(one).values()) for one in many]


async def get(tx: Tx, tenant_id: TenantId, id_: str) -> Subscription:
    """Return a subscription.

    Raises:
        SubscriptionNotFound: the tenant has none of this id.
    """
    row = await tx.fetchrow(
        "select * from subscriptions_subscription where tenant_id = $1 and id = $2", tenant_id, id_
    )
    if row is None:
        raise SubscriptionNotFound(field="subscription", given=id_[:64])
    return _subscription(row)


async def get_many(tx: Tx, tenant_id: TenantId, ids: Collection[str]) -> list[Subscription]:
    """Return those subscriptions that there are, by id."""
    rows = await tx.fetch(
        "select * from subscriptions_subscription where tenant_id = $1 and id = any($2::text[])"
        " order by id",
        tenant_id,
        list(ids),
    )
    return [_subscription(row) for row in rows]


async def find_by_provider(
    tx: Tx, tenant_id: TenantId, named: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Subscription]:
    """Return those of the subscriptions, named by (provider, its id), that there are."""
    rows = await tx.fetch(
        "select s.* from unnest($2::text[], $3::text[]) as asked (provider, id)"
        " join subscriptions_subscription s on s.tenant_id = $1 and s.provider = asked.provider"
        " and s.provider_subscription_id = asked.id",
        tenant_id,
        [provider for provider, _ in named],
        [id_ for _, id_ in named],
    )
    return {(row["provider"], row["provider_subscription_id"]): _subscription(row) for row in rows}


async def list_open(
    tx: Tx, tenant_id: TenantId, pairs: Collection[tuple[str, str]]
) -> list[Subscription]:
    """Return the subscriptions of these (customer id, product key) that have not ended."""
    rows = await tx.fetch(
        "select s.* from unnest($2::text[], $3::text[]) as asked (customer_id, product_key)"
        " join subscriptions_subscription s on s.tenant_id = $1"
        " and s.customer_id = asked.customer_id and s.product_key = asked.product_key"
        " and s.ended_at is null",
        tenant_id,
        [customer_id for customer_id, _ in pairs],
        [product_key for _, product_key in pairs],
    )
    return [_subscription(row) for row in rows]


async def list_current_of(
    tx: Tx, tenant_id: TenantId, customer_ids: Collection[str]
) -> list[Subscription]:
    """Return the current subscriptions of these customers, by customer and product key."""
    rows = await tx.fetch(
        "select * from subscriptions_subscription where tenant_id = $1"
        " and customer_id = any($2::text[]) and current order by customer_id, product_key",
        tenant_id,
        list(customer_ids),
    )
    return [_subscription(row) for row in rows]


async def list_page(
    tx: Tx,
    tenant_id: TenantId,
    *,
    customer_id: str | None,
    status: Status | None,
    after: str | None,
    limit: int,
) -> list[Subscription]:
    """Return subscriptions from the newest id down, those below `after`."""
    rows = await tx.fetch(
        "select * from subscriptions_subscription where tenant_id = $1"
        " and ($2::text is null or customer_id = $2) and ($3::text is null or status = $3)"
        " and ($4::text is null or id < $4) order by id desc limit $5",
        tenant_id,
        customer_id,
        status.value if status else None,
        after,
        limit,
    )
    return [_subscription(row) for row in rows]


async def list_on_plan(
    tx: Tx, tenant_id: TenantId, plan: PlanRef, *, status: Status | None, after: str, limit: int
) -> list[Subscription]:
    """Return the subscriptions to a version of a plan that have not ended, by id, after one."""
    rows = await tx.fetch(
        "select * from subscriptions_subscription where tenant_id = $1"
        " and plan_key = $2 and plan_version = $3 and ended_at is null"
        " and ($4::text is null or status = $4) and id > $5 order by id limit $6",
        tenant_id,
        plan.plan_key,
        plan.version,
        status.value if status else None,
        after,
        limit,
    )
    return [_subscription(row) for row in rows]


async def count_on_plan(
    tx: Tx, tenant_id: TenantId, plan: PlanRef, *, status: Status | None
) -> int:
    """Return how many subscriptions to a version of a plan have not ended."""
    return await tx.fetchval(
        "select count(*) from subscriptions_subscription where tenant_id = $1"
        " and plan_key = $2 and plan_version = $3 and ended_at is null"
        " and ($4::text is null or status = $4)",
        tenant_id,
        plan.plan_key,
        plan.version,
        status.value if status else None,
    )


async def set_current(tx: Tx, tenant_id: TenantId, chosen: Subscription) -> None:
    """Make one subscription the current one of its customer and product, and no other."""
    await tx.execute(
        "update subscriptions_subscription set current = false where tenant_id = $1"
        " and customer_id = $2 and product_key = $3 and current and id <> $4",
        tenant_id,
        chosen.customer_id,
        chosen.product_key,
        chosen.id,
    )
    await tx.execute(
        "update subscriptions_subscription set current = true where tenant_id = $1 and id = $2",
        tenant_id,
        chosen.id,
    )


async def list_periods(tx: Tx, tenant_id: TenantId, id_: str) -> list[Period]:
    """Return the periods that are over, in order."""
    rows = await tx.fetch(
        "select starts_at, ends_at from subscriptions_period"
        " where tenant_id = $1 and subscription_id = $2 order by starts_at",
        tenant_id,
        id_,
    )
    return [Period(row["starts_at"], row["ends_at"]) for row in rows]


async def planned_end(
    tx: Tx, tenant_id: TenantId, id_: str, starts_at: datetime
) -> datetime | None:
    """Return where the period that began at a moment, and is over, was to end."""
    return await tx.fetchval(
        "select planned_end_at from subscriptions_period"
        " where tenant_id = $1 and subscription_id = $2 and starts_at = $3",
        tenant_id,
        id_,
        starts_at,
    )


async def list_segments(tx: Tx, tenant_id: TenantId, id_: str, *, within: Period) -> list[Segment]:
    """Return the stretches of charging that are over, cut to a period, in order."""
    rows = await tx.fetch(
        "select plan_key, plan_version, quantity, greatest(starts_at, $3) as starts_at,"
        "  least(ends_at, $4) as ends_at"
        " from subscriptions_segment where tenant_id = $1 and subscription_id = $2"
        "  and starts_at < $4 and ends_at > $3 order by starts_at",
        tenant_id,
        id_,
        within.start,
        within.end,
    )
    return [
        Segment(
            PlanRef(row["plan_key"], row["plan_version"]),
            Period(row["starts_at"], row["ends_at"]),
            row["quantity"],
        )
        for row in rows
    ]


def _columns(one: Subscription) -> dict[str, object]:
    return {
        "customer_id": one.customer_id,
        "product_key": one.product_key,
        "plan_key": one.plan_key,
        "plan_version": one.plan_version,
        "status": one.status.value,
        "current": one.current,
        "period_start": one.period.start,
        "period_end": one.period.end,
        "anchor_at": one.anchor_at,
        "time_zone": one.time_zone,
        "plan_expires_at": one.plan_expires_at,
        "auto_renew": one.auto_renew,
        "created_at": one.created_at,
        "trial_end_at": one.trial_end_at,
        "paid_through": one.paid_through,
        "cancel_at": one.cancel_at,
        "paused_at": one.paused_at,
        "resume_at": one.resume_at,
        "ended_at": one.ended_at,
        "next_plan_key": one.next_plan.plan_key if one.next_plan else None,
        "next_plan_version": one.next_plan.version if one.next_plan else None,
        "provider": one.provider,
        "provider_subscription_id": one.provider_subscription_id,
        "provider_order": one.provider_order,
        "charged_from": one.charged_from,
        "quantity": one.quantity,
        "planned": _PLANNED.dump_python(one.planned, mode="json"),
    }


_SAME = (
    "customer_id",
    "product_key",
    "plan_key",
    "plan_version",
    "current",
    "anchor_at",
    "time_zone",
    "plan_expires_at",
    "auto_renew",
    "created_at",
    "trial_end_at",
    "paid_through",
    "cancel_at",
    "paused_at",
    "resume_at",
    "ended_at",
    "provider",
    "provider_subscription_id",
    "provider_order",
    "charged_from",
    "quantity",
)


def _subscription(row: Row) -> Subscription:
    key, version = row["next_plan_key"], row["next_plan_version"]
    return Subscription(
        id=SubscriptionId(row["id"]),
        status=Status(row["status"]),
        period=Period(row["period_start"], row["period_end"]),
        planned=_PLANNED.validate_python(row["planned"]),
        next_plan=None if key is None else PlanRef(key, version),
        **{name: row[name] for name in _SAME},
    )
