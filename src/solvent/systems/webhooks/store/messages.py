"""Which SQL keeps messages, and finds those that an endpoint missed?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId
from solvent.systems.webhooks.model import Message, Which

COLUMNS = "id, event_id, type, occurred_at, created_at, body, endpoint_id"

_OF_A_RANGE = """
    select m.id from webhooks_message m
    join webhooks_endpoint e on e.tenant_id = m.tenant_id and e.id = $2
    left join webhooks_delivery d
        on d.tenant_id = m.tenant_id and d.endpoint_id = e.id and d.message_id = m.id
    where m.tenant_id = $1 and m.created_at >= $3 and m.created_at < $4
      and (m.endpoint_id is null or m.endpoint_id = e.id)
      and (m.endpoint_id is not null or exists (
          select from unnest(e.event_types) as asked (pattern)
          where pattern = m.type
             or right(pattern, 1) = '*' and starts_with(m.type, left(pattern, -1))))
      and (d.state is null or d.state = 'failed' or d.state = 'delivered' and $5)
    order by m.position limit $6
"""


async def lock_order(tx: Tx, tenant_id: TenantId) -> None:
    """Let no other transaction give out places in the tenant's order before this one has ended.

    So what is visible never has a gap that an earlier message comes into.
    """
    await tx.fetchval("select pg_advisory_xact_lock(hashtextextended($1, 200))", tenant_id)


async def insert_messages(tx: Tx, tenant_id: TenantId, messages: Sequence[Message]) -> None:
    """Insert messages, in their order."""
    await tx.executemany(
        "insert into webhooks_message"
        " (tenant_id, id, event_id, type, occurred_at, created_at, body, endpoint_id)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            (
                tenant_id,
                one.id,
                one.event_id,
                one.type,
                one.occurred_at,
                one.created_at,
                one.body,
                one.endpoint_id,
            )
            for one in messages
        ],
    )


async def find_messages(tx: Tx, tenant_id: TenantId, ids: Sequence[str]) -> list[Message]:
    """Return the messages of these ids that there are."""
    rows = await tx.fetch(
        f"select {COLUMNS} from webhooks_message where tenant_id = $1 and id = any($2::text[])",
        tenant_id,
        list(ids),
    )
    return [Message(**row) for row in rows]


async def list_messages(
    tx: Tx, tenant_id: TenantId, *, event_type: str | None, before: str | None, limit: int
) -> list[Message]:
    """Return messages, the newest first."""
    rows = await tx.fetch(
        f"select {COLUMNS} from webhooks_message"
        " where tenant_id = $1 and ($2::text is null or type = $2)"
        " and ($3::text is null or id < $3) order by id desc limit $4",
        tenant_id,
        event_type,
        before,
        limit,
    )
    return [Message(**row) for row in rows]


async def list_to_replay(
    tx: Tx,
    tenant_id: TenantId,
    endpoint_id: str,
    *,
    since: datetime,
    until: datetime,
    which: Which,
    limit: int,
) -> list[str]:
    """Return the messages of a time that an endpoint asks for, the earliest first.

    Those that are on their way are none of them.
    """
    rows = await tx.fetch(
        _OF_A_RANGE, tenant_id, endpoint_id, since, until, which is Which.ALL, limit
    )
    return [row["id"] for row in rows]
