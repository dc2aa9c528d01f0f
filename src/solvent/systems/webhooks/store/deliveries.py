"""Which SQL keeps deliveries and their attempts, and gives out what is due?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.webhooks.model import Attempt, Delivery, Outcome, State

_DELIVERY = (
    "select d.endpoint_id, d.message_id, m.type, d.state, d.attempts, d.created_at, d.first_at,"
    " case when d.state = 'pending' then d.next_at end as next_at, d.aside_at, d.settled_at"
    " from webhooks_delivery d"
    " join webhooks_message m on m.tenant_id = d.tenant_id and m.id = d.message_id"
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process alone may attempt for now."""

    tenant_id: TenantId
    endpoint_id: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much of what is to be claimed: of endpoints that fail or of those that do not."""

    failing: bool
    each: int
    limit: int
    busy: tuple[str, ...]


async def claim(tx: Tx, wanted: Wanted, *, now: datetime, lease_s: float) -> list[Claimed]:
    """Lease what is due, of all tenants; those endpoints that are busy are passed over."""
    rows = await tx.fetch(
        "select tenant_id, endpoint_id, message_id from webhooks_claim($1, $2, $3, $4, $5, $6)",
        now,
        timedelta(seconds=lease_s),
        wanted.failing,
        wanted.each,
        wanted.limit,
        list(wanted.busy),
    )
    return [Claimed(**row) for row in rows]


async def insert_deliveries(
    tx: Tx, tenant_id: TenantId, pairs: Sequence[tuple[str, str]], *, at: datetime
) -> None:
    """Let messages go to endpoints, due at once: (endpoint, message), in their order."""
    await tx.executemany(
        "insert into webhooks_delivery"
        " (tenant_id, endpoint_id, message_id, state, created_at, next_at)"
        " values ($1, $2, $3, 'pending', $4, $4)",
        [(tenant_id, endpoint_id, message_id, at) for endpoint_id, message_id in pairs],
    )


async def restart_deliveries(
    tx: Tx, tenant_id: TenantId, endpoint_id: str, message_ids: Sequence[str], *, at: datetime
) -> None:
    """Let messages go to an endpoint from the first attempt on, at the end of its order.

    One that is just being attempted is left to it.
    """
    await tx.executemany(
        "insert into webhooks_delivery"
        " (tenant_id, endpoint_id, message_id, state, created_at, next_at)"
        " values ($1, $2, $3, 'pending', $4, $4)"
        " on conflict (tenant_id, endpoint_id, message_id) do update set state = 'pending',"
        "  position = default, attempts = 0, first_at = null, next_at = $4, leased_until = null,"
        "  aside_at = null, settled_at = null"
        " where webhooks_delivery.leased_until is null or webhooks_delivery.leased_until <= $4",
        [(tenant_id, endpoint_id, message_id, at) for message_id in message_ids],
    )


async def find_deliveries(
    tx: Tx, tenant_id: TenantId, pairs: Sequence[tuple[str, str]], *, now: datetime
) -> list[Delivery]:
    """Return the deliveries (endpoint, message) that this process holds the lease of."""
    rows = await tx.fetch(
        _DELIVERY
        + " join unnest($2::text[], $3::text[]) as asked (endpoint_id, message_id)"
        + "   on d.endpoint_id = asked.endpoint_id and d.message_id = asked.message_id"
        + " where d.tenant_id = $1 and d.state = 'pending' and d.leased_until > $4"
        + " order by d.position",
        tenant_id,
        [endpoint_id for endpoint_id, _ in pairs],
        [message_id for _, message_id in pairs],
        now,
    )
    return [_delivery(row) for row in rows]


async def lock_delivery(
    tx: Tx, tenant_id: TenantId, endpoint_id: str, message_id: str
) -> Delivery | None:
    """Return a delivery that nobody else may change meanwhile."""
    row = await tx.fetchrow(
        _DELIVERY
        + " where d.tenant_id = $1 and d.endpoint_id = $2 and d.message_id = $3 for update of d",
        tenant_id,
        endpoint_id,
        message_id,
    )
    return _delivery(row) if row else None


async def settle(tx: Tx, tenant_id: TenantId, delivery: Delivery, *, at: datetime) -> None:
    """Write what became of a delivery, and give its lease back."""
    await tx.execute(
        "update webhooks_delivery set state = $4, attempts = $5, first_at = $6,"
        " next_at = coalesce($7, next_at), aside_at = $8, leased_until = null,"
        " settled_at = case when $4 = 'pending' then null else $9::timestamptz end"
        " where tenant_id = $1 and endpoint_id = $2 and message_id = $3",
        tenant_id,
        delivery.endpoint_id,
        delivery.message_id,
        delivery.state,
        delivery.attempts,
        delivery.first_at,
        delivery.next_at,
        delivery.aside_at,
        at,
    )


async def give_back(tx: Tx, tenant_id: TenantId, endpoint_id: str, message_id: str) -> None:
    """Let a delivery be claimed again at once."""
    await tx.execute(
        "update webhooks_delivery set leased_until = null"
        " where tenant_id = $1 and endpoint_id = $2 and message_id = $3",
        tenant_id,
        endpoint_id,
        message_id,
    )


async def let_step_aside(tx: Tx, tenant_id: TenantId, endpoint_id: str, *, at: datetime) -> None:
    """Let what failed before an endpoint wanted its order hold nothing up."""
    await tx.execute(
        "update webhooks_delivery set aside_at = $3 where tenant_id = $1 and endpoint_id = $2"
        " and state = 'pending' and attempts > 0 and aside_at is null",
        tenant_id,
        endpoint_id,
        at,
    )


async def list_of_endpoint(
    tx: Tx,
    tenant_id: TenantId,
    endpoint_id: str,
    *,
    state: State | None,
    before: str | None,
    limit: int,
) -> list[Delivery]:
    """Return deliveries to an endpoint, the newest message first."""
    rows = await tx.fetch(
        _DELIVERY
        + " where d.tenant_id = $1 and d.endpoint_id = $2 and ($3::text is null or d.state = $3)"
        + " and ($4::text is null or d.message_id < $4) order by d.message_id desc limit $5",
        tenant_id,
        endpoint_id,
        state,
        before,
        limit,
    )
    return [_delivery(row) for row in rows]


async def list_of_message(tx: Tx, tenant_id: TenantId, message_id: str) -> list[Delivery]:
    """Return the deliveries of a message, by endpoint."""
    rows = await tx.fetch(
        _DELIVERY + " where d.tenant_id = $1 and d.message_id = $2 order by d.endpoint_id",
        tenant_id,
        message_id,
    )
    return [_delivery(row) for row in rows]


async def count_states(tx: Tx, tenant_id: TenantId, endpoint_id: str) -> dict[State, int]:
    """Return how many deliveries of an endpoint are in each state."""
    rows = await tx.fetch(
        "select state, count(*) as many from webhooks_delivery"
        " where tenant_id = $1 and endpoint_id = $2 group by state",
        tenant_id,
        endpoint_id,
    )
    return dict.fromkeys(State, 0) | {State(row["state"]): row["many"] for row in rows}


async def insert_attempt(tx: Tx, tenant_id: TenantId, attempt: Attempt) -> None:
    """Insert the record of one request."""
    await tx.execute(
        "insert into webhooks_attempt (tenant_id, id, endpoint_id, message_id, number, at,"
        " duration_ms, outcome, status, told, next_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        tenant_id,
        attempt.id,
        attempt.endpoint_id,
        attempt.message_id,
        attempt.number,
        attempt.at,
        attempt.duration_ms,
        attempt.outcome,
        attempt.status,
        attempt.told,
        attempt.next_at,
    )


async def list_attempts(
    tx: Tx,
    tenant_id: TenantId,
    message_id: str,
    *,
    endpoint_id: str | None,
    before: str | None,
    limit: int,
) -> list[Attempt]:
    """Return the attempts of a message, the newest first."""
    rows = await tx.fetch(
        "select id, endpoint_id, message_id, number, at, duration_ms, outcome, status, told,"
        " next_at from webhooks_attempt where tenant_id = $1 and message_id = $2"
        " and ($3::text is null or endpoint_id = $3) and ($4::text is null or id < $4)"
        " order by id desc limit $5",
        tenant_id,
        message_id,
        endpoint_id,
        before,
        limit,
    )
    return [_attempt(row) for row in rows]


def _delivery(row: Row) -> Delivery:
    values: dict[str, Any] = dict(row)
    values["state"] = State(row["state"])
    return Delivery(**values)


def _attempt(row: Row) -> Attempt:
    values: dict[str, Any] = dict(row)
    values["outcome"] = Outcome(row["outcome"])
    return Attempt(**values)
