"""Which SQL keeps the events that providers sent?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from solvent.kit.db import Fetcher, Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.model import (
    Arrival,
    EventState,
    InboxEvent,
    Provider,
    StoredEvent,
)

_EVENT = (
    "id, provider, provider_event_id, type, occurred_at, received_at, subscription_ref, state,"
    " reason, settled_at"
)


async def take_arrivals(
    db: Fetcher,
    tenant_id: TenantId,
    arrivals: Sequence[tuple[str, Arrival]],
    told: Sequence[tuple[str, str, bytes]],
) -> set[tuple[str, str]]:
    """Insert arrivals under their ids; return (provider, event id) of those not there before.

    If there is any, the outbox rows are written with them. Concurrent deliveries of one event wait
    for each other here, and one of them inserts it. Given the database, it is one transaction.
    """
    rows = await db.fetch(
        "select * from payments_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,"
        " $15, $16, $17, $18)",
        tenant_id,
        *_columns(arrivals),
        [event_id for event_id, _, _ in told],
        [subject for _, subject, _ in told],
        [envelope for _, _, envelope in told],
    )
    return {(row["new_provider"], row["new_event_id"]) for row in rows}


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
    tx: Tx, tenant_id: TenantId, names: Collection[tuple[Provider, str]], *, limit: int
) -> dict[tuple[Provider, str], list[StoredEvent]]:
    """Return the stored events about each of the providers' subscriptions, oldest arrival first."""
    rows = await tx.fetch(
        f"select e.* from unnest($2::text[], $3::text[]) as asked (provider, subscription_ref)"
        f" cross join lateral (select {_EVENT}, body from payments_event where tenant_id = $1"
        " and provider = asked.provider and subscription_ref = asked.subscription_ref"
        " and state <> 'ignored' order by id limit $4) e",
        tenant_id,
        [provider for provider, _ in names],
        [reference for _, reference in names],
        limit,
    )
    found: dict[tuple[Provider, str], list[StoredEvent]] = {name: [] for name in names}
    for row in rows:
        stored = StoredEvent(_event(row), row["body"])
        found[stored.info.provider, row["subscription_ref"]].append(stored)
    return found


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


async def read_failed(
    tx: Tx, tenant_id: TenantId, *, types: Sequence[str], limit: int
) -> list[StoredEvent]:
    """Return failed events of these types, oldest first."""
    rows = await tx.fetch(
        f"select {_EVENT}, body from payments_event where tenant_id = $1"
        " and state = 'failed' and type = any($2::text[]) order by id limit $3",
        tenant_id,
        list(types),
        limit,
    )
    return [StoredEvent(_event(row), row["body"]) for row in rows]


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
