"""How does an event come to be published if, and only if, its transaction commits?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from solvent.kit.bus.envelope import Envelope, adapter, decode
from solvent.kit.db import STAGE_OUTBOX, STAGE_REACT
from solvent.kit.ids import TenantId
from solvent.kit.wiring import Event, Reaction

if TYPE_CHECKING:
    from solvent.kit.ctx import Actor, Ctx
    from solvent.kit.db import Tx

Nudge = Callable[[], Awaitable[None]]


async def no_nudge() -> None:
    """Wake nobody: the relay finds the row at its next poll."""


@dataclass(frozen=True, slots=True)
class Bus:
    """Takes events inside a transaction; `nudge` wakes the relay after its commit."""

    reactions: Mapping[str, Sequence[Reaction[Any]]] = field(default_factory=dict[str, Any])
    nudge: Nudge = no_nudge

    async def emit(self, ctx: Ctx, event: Event) -> None:
        """Publish the event if this transaction commits; run its reactions before it does."""
        encoded = sealed(event, ctx.tenant_id, ctx.ids.new("evt"), at=ctx.now(), actor=ctx.actor)
        write = partial(_write_outbox, ctx.tx, ctx.tenant_id)
        ctx.tx.collect("kit.outbox", encoded, flush=write, stage=STAGE_OUTBOX)
        ctx.tx.after_commit("kit.outbox", self.nudge)
        for index, reaction in enumerate(self.reactions.get(event.NAME, ())):
            key = f"kit.react.{event.NAME}.{index}"
            ctx.tx.collect(key, event, flush=partial(reaction, ctx), stage=STAGE_REACT)


def sealed(
    event: Event, tenant_id: TenantId, event_id: str, *, at: datetime, actor: Actor
) -> tuple[str, str, bytes]:
    """Return an event as an outbox row: its id, its subject and its envelope."""
    payload = adapter(type(event)).dump_python(event, mode="json")
    envelope = Envelope(event_id, tenant_id, event.NAME, at, str(actor), payload)
    return envelope.id, envelope.subject(), envelope.encode()


async def _write_outbox(tx: Tx, tenant_id: str, rows: list[tuple[str, str, bytes]]) -> None:
    """Write all events of a transaction in one statement, in the order they were emitted."""
    await tx.execute(
        "insert into kit_outbox (tenant_id, id, subject, envelope)"
        " select $1, * from unnest($2::text[], $3::text[], $4::bytea[])",
        tenant_id,
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
    )


@dataclass(frozen=True, slots=True)
class Pending:
    """An outbox row not yet published."""

    position: int
    id: str
    subject: str
    envelope: bytes


async def read_pending(tx: Tx, *, limit: int) -> list[Pending]:
    """Return the oldest unpublished rows of all tenants."""
    rows = await tx.fetch(
        "select position, id, subject, envelope from kit_outbox order by position limit $1", limit
    )
    return [Pending(**row) for row in rows]


async def forget_published(tx: Tx, positions: Sequence[int]) -> None:
    """Delete rows that the log has acknowledged."""
    await tx.execute("delete from kit_outbox where position = any($1::bigint[])", list(positions))


async def put_back(tx: Tx, envelope: bytes, *, message_id: str) -> None:
    """Publish an envelope again; the message id is new, lest the log takes it for a duplicate."""
    again = decode(envelope)
    await tx.execute(
        "insert into kit_outbox (tenant_id, id, subject, envelope) values ($1, $2, $3, $4)",
        again.tenant_id,
        message_id,
        again.subject(),
        envelope,
    )
