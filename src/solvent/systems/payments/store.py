"""Which SQL keeps provider accounts, the inbox, and what its events amounted to?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.model import (
    Account,
    Arrival,
    EventState,
    InboxEvent,
    Provider,
    ProviderSubscription,
    SecretInfo,
    StoredEvent,
)

_EVENT = (
    "id, provider, provider_event_id, type, occurred_at, received_at, subscription_ref, state,"
    " reason, settled_at"
)


# ------------------------------------------------------------------------------------ accounts
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


# --------------------------------------------------------------------------------------- inbox
async def insert_arrivals(
    tx: Tx, tenant_id: TenantId, arrivals: Sequence[tuple[str, Arrival]]
) -> set[tuple[str, str]]:
    """Insert arrivals under their ids; return (provider, event id) of those not there before.

    Concurrent deliveries of one event wait for each other here, and one of them inserts it.
    """
    rows = await tx.fetch(
        f"""insert into payments_event (tenant_id, {_EVENT}, api_version, secret_id, digest, body)
           select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::text[],
               $6::timestamptz[], $7::timestamptz[], $8::text[], $9::text[], $10::text[],
               $11::timestamptz[], $12::text[], $13::text[], $14::bytea[], $15::bytea[])
           on conflict (tenant_id, provider, provider_event_id) do nothing
           returning provider, provider_event_id""",
        tenant_id,
        *_columns(arrivals),
    )
    return {(row["provider"], row["provider_event_id"]) for row in rows}


def _columns(arrivals: Sequence[tuple[str, Arrival]]) -> Iterable[list[object]]:
    rows = [
        (
            id_,
            one.provider.value,
            one.envelope.id,
            one.envelope.type,
            one.envelope.occurred_at,
            one.received_at,
            one.envelope.subscription_ref,
            one.state.value,
            one.reason,
            None if one.state is EventState.RECEIVED else one.received_at,
            one.envelope.api_version,
            one.secret_id,
            one.envelope.digest,
            one.body,
        )
        for id_, one in arrivals
    ]
    return (list(column) for column in zip(*rows, strict=True))


async def read_digests(
    tx: Tx, tenant_id: TenantId, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, bytes]]:
    """Return (API version, digest) of stored events by (provider, event id)."""
    rows = await tx.fetch(
        "select provider, provider_event_id, api_version, digest from payments_event"
        " where tenant_id = $1 and (provider, provider_event_id) in"
        " (select * from unnest($2::text[], $3::text[]))",
        tenant_id,
        [provider for provider, _ in keys],
        [event_id for _, event_id in keys],
    )
    return {
        (row["provider"], row["provider_event_id"]): (row["api_version"], row["digest"])
        for row in rows
    }


async def list_events(
    tx: Tx, tenant_id: TenantId, *, state: EventState | None, before: str | None, limit: int
) -> list[InboxEvent]:
    """Return stored events, newest first, those before an id, of one state or of all."""
    rows = await tx.fetch(
        f"select {_EVENT} from payments_event where tenant_id = $1"
        " and ($2::text is null or state = $2) and ($3::text is null or id < $3)"
        " order by id desc limit $4",
        tenant_id,
        state,
        before,
        limit,
    )
    return [_event(row) for row in rows]


async def find_event(tx: Tx, tenant_id: TenantId, reference: str) -> StoredEvent | None:
    """Return a stored event by our id of it or by the provider's."""
    row = await tx.fetchrow(
        f"select {_EVENT}, body from payments_event where tenant_id = $1"
        " and (id = $2 or provider_event_id = $2) order by id limit 1",
        tenant_id,
        reference,
    )
    return StoredEvent(_event(row), row["body"]) if row else None


async def read_events(
    tx: Tx, tenant_id: TenantId, keys: Sequence[tuple[str, str]]
) -> list[StoredEvent]:
    """Return the stored events of these (provider, event id), oldest arrival first."""
    rows = await tx.fetch(
        f"select {_EVENT}, body from payments_event where tenant_id = $1"
        " and (provider, provider_event_id) in (select * from unnest($2::text[], $3::text[]))"
        " order by id",
        tenant_id,
        [provider for provider, _ in keys],
        [event_id for _, event_id in keys],
    )
    return [StoredEvent(_event(row), row["body"]) for row in rows]


async def read_events_of(
    tx: Tx, tenant_id: TenantId, *, provider: Provider, subscription_ref: str, limit: int
) -> list[StoredEvent]:
    """Return all stored events about a provider's subscription, oldest arrival first."""
    rows = await tx.fetch(
        f"select {_EVENT}, body from payments_event where tenant_id = $1"
        " and provider = $2 and subscription_ref = $3 and state <> 'ignored'"
        " order by id limit $4",
        tenant_id,
        provider,
        subscription_ref,
        limit,
    )
    return [StoredEvent(_event(row), row["body"]) for row in rows]


async def settle_events(
    tx: Tx,
    tenant_id: TenantId,
    ids: Sequence[str],
    *,
    state: EventState,
    at: datetime,
    reason: str | None = None,
) -> None:
    """Note what came of events."""
    await tx.execute(
        "update payments_event set state = $3, reason = $4, settled_at = $5"
        " where tenant_id = $1 and id = any($2::text[])",
        tenant_id,
        list(ids),
        state,
        reason,
        at,
    )


async def reopen_failed(tx: Tx, tenant_id: TenantId, *, limit: int) -> list[InboxEvent]:
    """Return failed events to be tried again, oldest first."""
    rows = await tx.fetch(
        f"select {_EVENT} from payments_event where tenant_id = $1"
        " and state = 'failed' order by id limit $2",
        tenant_id,
        limit,
    )
    return [_event(row) for row in rows]


def _event(row: Row) -> InboxEvent:
    return InboxEvent(
        id=row["id"],
        provider=Provider(row["provider"]),
        provider_event_id=row["provider_event_id"],
        type=row["type"],
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        subscription_ref=row["subscription_ref"],
        state=EventState(row["state"]),
        reason=row["reason"],
        settled_at=row["settled_at"],
    )


# ----------------------------------------------------------------- customers and subscriptions
async def find_customer(
    tx: Tx, tenant_id: TenantId, provider: Provider, provider_customer_id: str
) -> str | None:
    """Return the id of the tenant's customer that this customer of the provider is."""
    return await tx.fetchval(
        "select customer_id from payments_customer"
        " where tenant_id = $1 and provider = $2 and provider_customer_id = $3",
        tenant_id,
        provider,
        provider_customer_id,
    )


async def save_customer(
    tx: Tx,
    tenant_id: TenantId,
    *,
    provider: Provider,
    provider_customer_id: str,
    customer_id: str,
) -> None:
    """Note which customer of the tenant this customer of the provider is from now on."""
    await tx.execute(
        "insert into payments_customer (tenant_id, provider, provider_customer_id, customer_id)"
        " values ($1, $2, $3, $4) on conflict (tenant_id, provider, provider_customer_id)"
        " do update set customer_id = excluded.customer_id"
        " where payments_customer.customer_id <> excluded.customer_id",
        tenant_id,
        provider,
        provider_customer_id,
        customer_id,
    )


async def find_provider_customer(
    tx: Tx, tenant_id: TenantId, provider: Provider, customer_id: str
) -> str | None:
    """Return the provider's name of a customer, the newest where there are several."""
    return await tx.fetchval(
        "select provider_customer_id from payments_customer"
        " where tenant_id = $1 and customer_id = $2 and provider = $3"
        " order by provider_customer_id desc limit 1",
        tenant_id,
        customer_id,
        provider,
    )


async def lock_subscription(
    tx: Tx, tenant_id: TenantId, provider: Provider, subscription_ref: str
) -> timedelta | None:
    """Hold the subscription until commit; return how long it has waited for its customer."""
    return await tx.fetchval(
        "insert into payments_subscription as s (tenant_id, provider, provider_subscription_id)"
        " values ($1, $2, $3) on conflict (tenant_id, provider, provider_subscription_id)"
        " do update set event_count = s.event_count"
        " returning clock_timestamp() - awaits_customer_since",
        tenant_id,
        provider,
        subscription_ref,
    )


async def note_waiting(
    tx: Tx, tenant_id: TenantId, provider: Provider, subscription_ref: str
) -> None:
    """Note that the subscription waits, from the first time on, to hear whose it is."""
    await tx.execute(
        "update payments_subscription set"
        " awaits_customer_since = coalesce(awaits_customer_since, clock_timestamp())"
        " where tenant_id = $1 and provider = $2 and provider_subscription_id = $3",
        tenant_id,
        provider,
        subscription_ref,
    )


async def note_fold(
    tx: Tx, tenant_id: TenantId, folded: ProviderSubscription, *, subscription_id: str | None
) -> None:
    """Note what the events amounted to, and the subscription that was made equal to it."""
    await tx.execute(
        "update payments_subscription set status = $4, event_count = $5, last_event_id = $6,"
        " subscription_id = coalesce($7, subscription_id), awaits_customer_since = null"
        " where tenant_id = $1 and provider = $2 and provider_subscription_id = $3",
        tenant_id,
        folded.provider,
        folded.id,
        folded.status,
        folded.event_count,
        folded.last_event_id,
        subscription_id,
    )


async def list_waiting(tx: Tx, tenant_id: TenantId, *, limit: int) -> list[tuple[Provider, str]]:
    """Return the subscriptions that wait for their customer, longest first."""
    rows = await tx.fetch(
        "select provider, provider_subscription_id from payments_subscription"
        " where tenant_id = $1 and awaits_customer_since is not null"
        " order by awaits_customer_since limit $2",
        tenant_id,
        limit,
    )
    return [(Provider(row["provider"]), row["provider_subscription_id"]) for row in rows]


async def list_tenants_waiting(tx: Tx, *, longer_than: timedelta) -> list[TenantId]:
    """Return the tenants in which some subscription has waited for longer than this."""
    rows = await tx.fetch("select tenant_id from payments_waiting($1)", longer_than)
    return [TenantId(row["tenant_id"]) for row in rows]
