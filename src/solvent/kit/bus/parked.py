"""Which events wait apart from the log until their handler takes them, and for how long?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from solvent.kit.bus.envelope import Envelope, decode
from solvent.kit.db import Tx
from solvent.kit.ids import TenantId

if TYPE_CHECKING:
    from solvent.kit.ctx import Ctx

LIST_MAX = 500


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that waits, and how often its handler has failed on it."""

    envelope: Envelope
    tries: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A tenant with parked events: when the first is due, and whether some were never tried."""

    tenant_id: TenantId
    wait_s: float
    untried: bool


async def park(
    tx: Tx,
    handler: str,
    envelopes: Sequence[Envelope],
    *,
    tries: int,
    wait_s: float,
    reason: str | None = None,
) -> None:
    """Keep events of one tenant, in their order, to be tried in so many seconds."""
    await tx.execute(
        "insert into kit_parked"
        " (tenant_id, handler, event_id, envelope, tries, not_before, reason)"
        " select $1, $2, id, envelope, $5, clock_timestamp() + make_interval(secs => $6), $7"
        " from unnest($3::text[], $4::bytea[]) with ordinality as one(id, envelope, place)"
        " order by place on conflict do nothing",
        envelopes[0].tenant_id,
        handler,
        [one.id for one in envelopes],
        [one.encode() for one in envelopes],
        tries,
        wait_s,
        reason,
    )


async def list_waiting(tx: Tx, handler: str) -> list[Waiting]:
    """Return the tenants of which this handler has parked events."""
    rows = await tx.fetch("select * from kit_parked_tenants($1)", handler)
    return [Waiting(row["tenant_id"], row["wait_s"], row["untried"]) for row in rows]


async def read_due(tx: Tx, tenant_id: TenantId, handler: str, *, limit: int) -> list[Parked]:
    """Return the tenant's events that are due, in their order."""
    rows = await tx.fetch(
        "select envelope, tries from kit_parked where tenant_id = $1 and handler = $2"
        " and not_before <= clock_timestamp() order by position limit $3",
        tenant_id,
        handler,
        limit,
    )
    return [Parked(decode(row["envelope"]), row["tries"]) for row in rows]


async def claim(
    tx: Tx, tenant_id: TenantId, handler: str, event_ids: Sequence[str]
) -> frozenset[str]:
    """Take events out for this transaction; return those that no other process has taken."""
    rows = await tx.fetch(
        "with free as (select event_id from kit_parked where tenant_id = $1 and handler = $2"
        "  and event_id = any($3) for update skip locked)"
        " delete from kit_parked using free where tenant_id = $1 and handler = $2"
        "  and kit_parked.event_id = free.event_id returning kit_parked.event_id",
        tenant_id,
        handler,
        list(event_ids),
    )
    return frozenset(row["event_id"] for row in rows)


async def postpone(
    tx: Tx, tenant_id: TenantId, handler: str, event_id: str, *, wait_s: float, reason: str
) -> None:
    """Count a try that failed; the next is in so many seconds."""
    await tx.execute(
        "update kit_parked set tries = tries + 1, reason = $4,"
        " not_before = clock_timestamp() + make_interval(secs => $5)"
        " where tenant_id = $1 and handler = $2 and event_id = $3",
        tenant_id,
        handler,
        event_id,
        reason,
        wait_s,
    )


@dataclass(frozen=True, slots=True)
class ParkedShown:
    """A parked event as an operator sees it."""

    event_id: str
    handler: str
    tries: int
    not_before: datetime
    reason: str | None


async def list_parked(ctx: Ctx) -> list[ParkedShown]:
    """Return the tenant's events that wait to be tried again, those due first first."""
    rows = await ctx.tx.fetch(
        "select event_id, handler, tries, not_before, reason from kit_parked where tenant_id = $1"
        " order by not_before, position limit $2",
        ctx.tenant_id,
        LIST_MAX,
    )
    return [ParkedShown(**row) for row in rows]
