"""Which events has which handler taken, and which could it not take, and why?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from solvent.kit.bus.outbox import put_back
from solvent.kit.errors import NotFound

if TYPE_CHECKING:
    from solvent.kit.bus.envelope import Envelope
    from solvent.kit.ctx import Ctx
    from solvent.kit.db import Tx

LIST_MAX = 500


class DeadLetterUnknown(NotFound):
    """There is no such dead letter."""

    code = "kit.dead_letter_unknown"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a handler refused for good, with the reason."""

    handler: str
    event_id: str
    subject: str
    reason: str
    failed_at: datetime


async def mark_handled(
    tx: Tx, tenant_id: str, handler: str, event_ids: Sequence[str]
) -> frozenset[str]:
    """Note events as handled in this transaction; return those that were not before."""
    rows = await tx.fetch(
        "insert into kit_handled (tenant_id, handler, event_id)"
        " select $1, $2, id from unnest($3::text[]) as id"
        " on conflict do nothing returning event_id",
        tenant_id,
        handler,
        list(event_ids),
    )
    return frozenset(row["event_id"] for row in rows)


async def keep(tx: Tx, envelope: Envelope, *, handler: str, reason: str) -> None:
    """Keep an event that a handler could not take."""
    await tx.execute(
        "insert into kit_dead_letter (tenant_id, handler, event_id, subject, envelope, reason)"
        " values ($1, $2, $3, $4, $5, $6) on conflict (tenant_id, handler, event_id)"
        " do update set reason = excluded.reason, failed_at = now()",
        envelope.tenant_id,
        handler,
        envelope.id,
        envelope.subject(),
        envelope.encode(),
        reason,
    )


async def list_kept(ctx: Ctx) -> list[DeadLetter]:
    """Return the tenant's dead letters, newest first."""
    rows = await ctx.tx.fetch(
        "select handler, event_id, subject, reason, failed_at from kit_dead_letter"
        " where tenant_id = $1 order by failed_at desc limit $2",
        ctx.tenant_id,
        LIST_MAX,
    )
    return [DeadLetter(**row) for row in rows]


async def replay(ctx: Ctx, event_id: str) -> int:
    """Publish a dead event again; handlers that took it before skip it. Return letters cleared.

    Raises:
        DeadLetterUnknown: no handler of this tenant has refused such an event.
    """
    rows = await ctx.tx.fetch(
        "delete from kit_dead_letter where tenant_id = $1 and event_id = $2 returning envelope",
        ctx.tenant_id,
        event_id,
    )
    if not rows:
        raise DeadLetterUnknown(field="event_id")
    await put_back(ctx.tx, rows[0]["envelope"], message_id=ctx.ids.new("rpl"))
    ctx.tx.after_commit("kit.outbox", ctx.bus.nudge)
    return len(rows)
