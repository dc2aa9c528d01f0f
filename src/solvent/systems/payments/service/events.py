"""Which provider events came in, what became of them, and which are to be tried again?"""

from __future__ import annotations

from solvent.contracts.payments import WebhooksReceived
from solvent.kernel.audit import service as audit
from solvent.kit.ctx import Ctx
from solvent.systems.payments.errors import EventNotFound, EventSettled
from solvent.systems.payments.limits import REPLAY_BATCH
from solvent.systems.payments.model import EventState, InboxEvent, StoredEvent
from solvent.systems.payments.service.accounts import SCOPE_READ, SCOPE_WRITE
from solvent.systems.payments.store import inbox as inbox_store


async def list_events(
    ctx: Ctx, *, state: EventState | None = None, before: str | None = None, limit: int = 50
) -> list[InboxEvent]:
    """Return stored events, newest first, those before an id; needs `payments:read`."""
    ctx.require(SCOPE_READ)
    return await inbox_store.list_events(
        ctx.tx, ctx.tenant_id, state=state, before=before, limit=limit
    )


async def get_event(ctx: Ctx, reference: str) -> StoredEvent:
    """Return a stored event by our id or the provider's; raises EventNotFound."""
    ctx.require(SCOPE_READ)
    storable = reference.isascii() and reference.isprintable()
    found = await inbox_store.find_event(ctx.tx, ctx.tenant_id, reference) if storable else None
    if found is None:
        raise EventNotFound
    return found


async def replay(ctx: Ctx, reference: str) -> InboxEvent:
    """Try a stored event again; needs `payments:write`.

    Raises:
        EventNotFound: there is none of this name.
        EventSettled: it is applied, or of no use: there is nothing to do.
    """
    ctx.require(SCOPE_WRITE)
    event = (await get_event(ctx, reference)).info
    if event.state not in (EventState.RECEIVED, EventState.FAILED):
        raise EventSettled(field="event", state=event.state.value)
    await _again(ctx, event)
    audit.record(ctx, action="payments.event_replayed", subject=event.provider_event_id)
    return event


async def replay_failed(ctx: Ctx) -> int:
    """Try all failed events again, at most 200; return how many. Needs `payments:write`."""
    ctx.require(SCOPE_WRITE)
    failed = await inbox_store.reopen_failed(ctx.tx, ctx.tenant_id, limit=REPLAY_BATCH)
    for event in failed:
        await _again(ctx, event)
    if failed:
        data = {"count": len(failed)}
        audit.record(ctx, action="payments.events_replayed", subject="failed", data=data)
    return len(failed)


async def _again(ctx: Ctx, event: InboxEvent) -> None:
    await ctx.bus.emit(ctx, WebhooksReceived(event.provider, (event.provider_event_id,)))
