"""Which SQL keeps endpoints and their sealed secrets?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.webhooks.model import Endpoint, SecretInfo, SignatureScheme

COLUMNS = (
    "id, url, description, event_types, order_wait_s, enabled, disabled_reason, disabled_at,"
    " failing_since, failures, resume_at, created_at, updated_at"
)


async def real_now(tx: Tx) -> datetime:
    """Return the database's time, which no test clock moves."""
    return await tx.fetchval("select clock_timestamp()")


async def insert_endpoint(tx: Tx, tenant_id: TenantId, endpoint: Endpoint) -> None:
    """Insert an endpoint without secrets."""
    await tx.execute(
        "insert into webhooks_endpoint (tenant_id, id, url, description, event_types,"
        " order_wait_s, enabled, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8,"
        " $8)",
        tenant_id,
        endpoint.id,
        endpoint.url,
        endpoint.description,
        list(endpoint.event_types),
        endpoint.order_wait_s,
        endpoint.enabled,
        endpoint.created_at,
    )


async def update_endpoint(tx: Tx, tenant_id: TenantId, endpoint: Endpoint) -> None:
    """Write what a founder may change of an endpoint."""
    await tx.execute(
        "update webhooks_endpoint set url = $3, description = $4, event_types = $5,"
        " order_wait_s = $6, updated_at = clock_timestamp() where tenant_id = $1 and id = $2",
        tenant_id,
        endpoint.id,
        endpoint.url,
        endpoint.description,
        list(endpoint.event_types),
        endpoint.order_wait_s,
    )


async def enable(tx: Tx, tenant_id: TenantId, endpoint_id: str) -> None:
    """Let an endpoint get messages, as if it had never failed."""
    await tx.execute(
        "update webhooks_endpoint set enabled = true, disabled_reason = null, disabled_at = null,"
        " failing_since = null, failures = 0, resume_at = null, updated_at = clock_timestamp()"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        endpoint_id,
    )


async def disable(
    tx: Tx, tenant_id: TenantId, endpoint_id: str, *, reason: str, at: datetime
) -> bool:
    """Send an endpoint nothing more; return whether it was enabled."""
    changed = await tx.execute(
        "update webhooks_endpoint set enabled = false, disabled_reason = $3, disabled_at = $4,"
        " updated_at = clock_timestamp() where tenant_id = $1 and id = $2 and enabled",
        tenant_id,
        endpoint_id,
        reason,
        at,
    )
    return changed > 0


async def note_health(
    tx: Tx,
    tenant_id: TenantId,
    endpoint_id: str,
    *,
    failing_since: datetime | None,
    failures: int,
    resume_at: datetime | None,
) -> None:
    """Write whether an endpoint fails."""
    await tx.execute(
        "update webhooks_endpoint set failing_since = $3, failures = $4, resume_at = $5"
        " where tenant_id = $1 and id = $2",
        tenant_id,
        endpoint_id,
        failing_since,
        failures,
        resume_at,
    )


async def delete_endpoint(tx: Tx, tenant_id: TenantId, endpoint_id: str) -> bool:
    """Delete an endpoint with all that was sent to it; return whether there was one."""
    gone = await tx.execute(
        "delete from webhooks_endpoint where tenant_id = $1 and id = $2", tenant_id, endpoint_id
    )
    return gone > 0


async def lock_endpoint(tx: Tx, tenant_id: TenantId, endpoint_id: str) -> None:
    """Let no other transaction change an endpoint meanwhile."""
    await tx.fetchval(
        "select id from webhooks_endpoint where tenant_id = $1 and id = $2 for update",
        tenant_id,
        endpoint_id,
    )


async def list_endpoints(
    tx: Tx, tenant_id: TenantId, *, after: str = "", limit: int
) -> list[Endpoint]:
    """Return endpoints by id, the earliest first, with what is known of their secrets."""
    rows = await tx.fetch(
        f"select {COLUMNS} from webhooks_endpoint"
        " where tenant_id = $1 and id > $2 order by id limit $3",
        tenant_id,
        after,
        limit,
    )
    return await _with_secrets(tx, tenant_id, rows)


async def has_endpoints(tx: Tx, tenant_id: TenantId) -> bool:
    """Return whether there is any endpoint, enabled or not."""
    return await tx.fetchval(
        "select exists (select from webhooks_endpoint where tenant_id = $1)", tenant_id
    )


async def find_endpoints(tx: Tx, tenant_id: TenantId, ids: Sequence[str]) -> list[Endpoint]:
    """Return the endpoints of these ids that there are."""
    rows = await tx.fetch(
        f"select {COLUMNS} from webhooks_endpoint where tenant_id = $1 and id = any($2::text[])",
        tenant_id,
        list(ids),
    )
    return await _with_secrets(tx, tenant_id, rows)


async def count_endpoints(tx: Tx, tenant_id: TenantId) -> int:
    """Return how many endpoints there are."""
    return await tx.fetchval(
        "select count(*) from webhooks_endpoint where tenant_id = $1", tenant_id
    )


async def insert_secret(
    tx: Tx, tenant_id: TenantId, endpoint_id: str, secret: SecretInfo, *, sealed: bytes
) -> None:
    """Insert a secret without an end."""
    await tx.execute(
        "insert into webhooks_secret"
        " (tenant_id, endpoint_id, id, scheme, sealed, public_key, created_at)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        tenant_id,
        endpoint_id,
        secret.id,
        secret.scheme,
        sealed,
        secret.public_key,
        secret.created_at,
    )


async def retire_secrets(
    tx: Tx,
    tenant_id: TenantId,
    endpoint_id: str,
    *,
    scheme: SignatureScheme,
    but: str,
    not_after: datetime,
) -> None:
    """Let the other secrets of a scheme end at this moment, or earlier where they already do."""
    await tx.execute(
        "update webhooks_secret set not_after = $5 where tenant_id = $1 and endpoint_id = $2"
        " and scheme = $3 and id <> $4 and (not_after is null or not_after > $5)",
        tenant_id,
        endpoint_id,
        scheme,
        but,
        not_after,
    )


async def drop_ended_secrets(
    tx: Tx, tenant_id: TenantId, endpoint_id: str, *, now: datetime
) -> None:
    """Delete the secrets that have ended."""
    await tx.execute(
        "delete from webhooks_secret where tenant_id = $1 and endpoint_id = $2 and not_after <= $3",
        tenant_id,
        endpoint_id,
        now,
    )


async def sealed_secrets(
    tx: Tx, tenant_id: TenantId, endpoint_ids: Sequence[str], *, now: datetime
) -> list[tuple[str, str, SignatureScheme, bytes]]:
    """Return what signs for these endpoints now: (endpoint, id, scheme, sealed), newest first."""
    rows = await tx.fetch(
        "select endpoint_id, id, scheme, sealed from webhooks_secret"
        " where tenant_id = $1 and endpoint_id = any($2::text[])"
        " and (not_after is null or not_after > $3) order by scheme, created_at desc, id desc",
        tenant_id,
        list(endpoint_ids),
        now,
    )
    return [
        (row["endpoint_id"], row["id"], SignatureScheme(row["scheme"]), bytes(row["sealed"]))
        for row in rows
    ]


async def _with_secrets(tx: Tx, tenant_id: TenantId, rows: Sequence[Row]) -> list[Endpoint]:
    secrets = await tx.fetch(
        "select endpoint_id, id, scheme, public_key, created_at, not_after from webhooks_secret"
        " where tenant_id = $1 and endpoint_id = any($2::text[])"
        " and (not_after is null or not_after > clock_timestamp()) order by scheme, created_at, id",
        tenant_id,
        [row["id"] for row in rows],
    )
    return [_endpoint(row, secrets) for row in rows]


def _endpoint(row: Row, secrets: Sequence[Row]) -> Endpoint:
    told: dict[str, Any] = dict(row) | {"event_types": tuple(row["event_types"])}
    of_it = tuple(
        SecretInfo(
            one["id"],
            SignatureScheme(one["scheme"]),
            one["public_key"],
            one["created_at"],
            one["not_after"],
        )
        for one in secrets
        if one["endpoint_id"] == row["id"]
    )
    return Endpoint(**told, secrets=of_it)
