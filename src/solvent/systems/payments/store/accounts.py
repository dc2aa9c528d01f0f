"""Which SQL keeps provider accounts and their sealed secrets?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.model import (
    Account,
    Provider,
    SecretInfo,
)


async def save_account(
    tx: Tx,
    tenant_id: TenantId,
    *,
    id: str,
    provider: Provider,
    window_s: int | None,
    window_default_s: int,
    api_key_sealed: bytes | None,
    at: datetime,
) -> None:
    """Insert the account, or change what is given of the one that is there."""
    await tx.execute(
        """insert into payments_account
               (tenant_id, provider, id, window_s, api_key_sealed, created_at, updated_at)
           values ($1, $2, $3, coalesce($4::integer, $5::integer), $6::bytea, $7, $7)
           on conflict (tenant_id, provider) do update set
               window_s = coalesce($4::integer, payments_account.window_s),
               api_key_sealed = coalesce($6::bytea, payments_account.api_key_sealed),
               updated_at = $7""",
        tenant_id,
        provider,
        id,
        window_s,
        window_default_s,
        api_key_sealed,
        at,
    )


async def list_accounts(tx: Tx, tenant_id: TenantId) -> list[Account]:
    """Return the tenant's accounts with the names of their secrets."""
    rows = await tx.fetch(
        "select id, provider, window_s, api_key_sealed is not null as has_api_key, created_at,"
        " updated_at from payments_account where tenant_id = $1 order by provider",
        tenant_id,
    )
    secrets = await tx.fetch(
        "select provider, id, created_at, not_after from payments_secret where tenant_id = $1"
        " order by created_at, id",
        tenant_id,
    )
    return [_account(row, secrets) for row in rows]


def _account(row: Row, secrets: Sequence[Row]) -> Account:
    of_it = [one for one in secrets if one["provider"] == row["provider"]]
    return Account(
        id=row["id"],
        provider=Provider(row["provider"]),
        window_s=row["window_s"],
        has_api_key=row["has_api_key"],
        secrets=tuple(SecretInfo(one["id"], one["created_at"], one["not_after"]) for one in of_it),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


async def real_now(tx: Tx) -> datetime:
    """Return the database's time, which no test clock moves."""
    return await tx.fetchval("select clock_timestamp()")


async def find_api_key(tx: Tx, tenant_id: TenantId, provider: Provider) -> bytes | None:
    """Return the sealed API key of the account, if the account has one."""
    return await tx.fetchval(
        "select api_key_sealed from payments_account where tenant_id = $1 and provider = $2",
        tenant_id,
        provider,
    )


async def has_api_key(tx: Tx, tenant_id: TenantId) -> bool:
    """Return whether any account has an API key."""
    return await tx.fetchval(
        "select exists (select from payments_account"
        " where tenant_id = $1 and api_key_sealed is not null)",
        tenant_id,
    )


async def list_with_keys(tx: Tx) -> list[tuple[TenantId, Provider]]:
    """Return which tenants can ask which providers."""
    rows = await tx.fetch("select tenant_id, provider from payments_tenants_with_keys()")
    return [(TenantId(row["tenant_id"]), Provider(row["provider"])) for row in rows]


async def forget_account(tx: Tx, tenant_id: TenantId, provider: Provider) -> bool:
    """Delete the account with its secrets; return whether there was one."""
    gone = await tx.execute(
        "delete from payments_account where tenant_id = $1 and provider = $2", tenant_id, provider
    )
    return gone > 0


async def add_secret(
    tx: Tx,
    tenant_id: TenantId,
    *,
    id: str,
    provider: Provider,
    sealed: bytes,
    at: datetime,
) -> None:
    """Insert a signing secret without an end."""
    await tx.execute(
        "insert into payments_secret (tenant_id, provider, id, sealed, created_at)"
        " values ($1, $2, $3, $4, $5)",
        tenant_id,
        provider,
        id,
        sealed,
        at,
    )


async def retire_secrets(
    tx: Tx, tenant_id: TenantId, provider: Provider, *, not_after: datetime, but: str
) -> int:
    """Let all secrets but one end at this moment, or earlier where they already do."""
    return await tx.execute(
        "update payments_secret set not_after = $4 where tenant_id = $1 and provider = $2"
        " and id <> $3 and (not_after is null or not_after > $4)",
        tenant_id,
        provider,
        but,
        not_after,
    )


async def drop_ended_secrets(
    tx: Tx, tenant_id: TenantId, provider: Provider, *, now: datetime
) -> None:
    """Delete the secrets that have ended."""
    await tx.execute(
        "delete from payments_secret where tenant_id = $1 and provider = $2 and not_after <= $3",
        tenant_id,
        provider,
        now,
    )


@dataclass(frozen=True, slots=True)
class SealedEndpoint:
    """An account's window and its secrets as they rest: (id, sealed, not_after)."""

    window_s: int
    secrets: tuple[tuple[str, bytes, datetime | None], ...]


async def find_endpoint(tx: Tx, tenant_id: TenantId, provider: Provider) -> SealedEndpoint | None:
    """Return what webhooks of the provider are checked against, or None without any secret."""
    rows = await tx.fetch(
        "select a.window_s, s.id, s.sealed, s.not_after from payments_account a"
        " join payments_secret s using (tenant_id, provider)"
        " where a.tenant_id = $1 and a.provider = $2 order by s.id",
        tenant_id,
        provider,
    )
    if not rows:
        return None
    secrets = tuple((row["id"], row["sealed"], row["not_after"]) for row in rows)
    return SealedEndpoint(rows[0]["window_s"], secrets)
