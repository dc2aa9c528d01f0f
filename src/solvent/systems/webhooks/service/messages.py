"""How do events become messages, and how are messages sent again?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from solvent.contracts.webhooks import EndpointTested
from solvent.kernel.audit import service as audit
from solvent.kit.bus import Envelope
from solvent.kit.ctx import Ctx
from solvent.systems.webhooks.errors import (
    EndpointDisabled,
    MessageNotFound,
    NotSubscribed,
    OutOfRange,
    ReplayTooLarge,
)
from solvent.systems.webhooks.limits import BODY_BYTES_MAX, ENDPOINTS_MAX, REPLAY_MAX
from solvent.systems.webhooks.model import (
    Attempt,
    Delivery,
    Endpoint,
    Message,
    Replayed,
    State,
    Which,
)
from solvent.systems.webhooks.rules.body import body_of
from solvent.systems.webhooks.rules.patterns import INTERNAL, is_asked_for
from solvent.systems.webhooks.service.endpoints import SCOPE_READ, SCOPE_WRITE, get
from solvent.systems.webhooks.service.types import known_types
from solvent.systems.webhooks.store import deliveries as deliveries_store
from solvent.systems.webhooks.store import endpoints as endpoints_store
from solvent.systems.webhooks.store import messages as store

NOTE_CHARS_MAX = 200


async def take_events(ctx: Ctx, envelopes: Sequence[Envelope]) -> int:
    """Make a message of each event that an endpoint asks for; return how many there are to send.

    One that is disabled gets none now; they are kept, so that it can be sent what it missed.
    """
    endpoints = await endpoints_store.list_endpoints(ctx.tx, ctx.tenant_id, limit=ENDPOINTS_MAX)
    asked = [one for one in envelopes if _asking(endpoints, one.name)]
    if not asked:
        return 0
    await store.lock_order(ctx.tx, ctx.tenant_id)
    now = await endpoints_store.real_now(ctx.tx)
    messages = [_message(ctx, one, now=now) for one in asked]
    await store.insert_messages(ctx.tx, ctx.tenant_id, messages)
    pairs = [
        (endpoint.id, message.id)
        for message in messages
        for endpoint in _asking(endpoints, message.type)
        if endpoint.enabled
    ]
    await deliveries_store.insert_deliveries(ctx.tx, ctx.tenant_id, pairs, at=now)
    return len(pairs)


def list_types(ctx: Ctx) -> list[str]:
    """Return the events that can be asked for; needs `webhooks:read`."""
    ctx.require(SCOPE_READ)
    return known_types()


async def send_test(ctx: Ctx, endpoint_id: str, *, note: str = "") -> Message:
    """Send a test event to an endpoint, and to no other; needs `webhooks:write`.

    Raises:
        EndpointNotFound, EndpointDisabled.
        OutOfRange: a note has at most 200 characters.
    """
    ctx.require(SCOPE_WRITE)
    held = _must_be_enabled(await get(ctx, endpoint_id))
    if len(note) > NOTE_CHARS_MAX:
        message = f"a note has at most {NOTE_CHARS_MAX} characters"
        raise OutOfRange(message, field="note")
    await store.lock_order(ctx.tx, ctx.tenant_id)
    now = await endpoints_store.real_now(ctx.tx)
    data = {"endpoint_id": held.id, "note": note}
    made = Message(
        id=ctx.ids.new("msg"),
        event_id=ctx.ids.new("evt"),
        type=EndpointTested.NAME,
        occurred_at=ctx.now(),
        created_at=now,
        body=body_of(EndpointTested.NAME, ctx.now(), data),
        endpoint_id=held.id,
    )
    await store.insert_messages(ctx.tx, ctx.tenant_id, [made])
    await deliveries_store.insert_deliveries(ctx.tx, ctx.tenant_id, [(held.id, made.id)], at=now)
    audit.record(
        ctx, action="webhooks.endpoint_tested", subject=held.id, data={"message_id": made.id}
    )
    return made


async def replay_message(ctx: Ctx, message_id: str, *, endpoint_id: str) -> Delivery:
    """Send a message to an endpoint again, from its first attempt; needs `webhooks:write`.

    It keeps its id, so that a handler that had it knows it again. At an ordered endpoint it takes a
    place at the end.

    Raises:
        MessageNotFound, EndpointNotFound, EndpointDisabled.
        NotSubscribed: the endpoint does not ask for this type.
    """
    ctx.require(SCOPE_WRITE)
    message = await get_message(ctx, message_id)
    held = _must_be_enabled(await get(ctx, endpoint_id))
    meant = message.endpoint_id == held.id
    if not meant and (message.endpoint_id or not is_asked_for(held.event_types, message.type)):
        raise NotSubscribed(field="endpoint")
    await store.lock_order(ctx.tx, ctx.tenant_id)
    now = await endpoints_store.real_now(ctx.tx)
    await deliveries_store.restart_deliveries(ctx.tx, ctx.tenant_id, held.id, [message.id], at=now)
    audit.record(
        ctx,
        action="webhooks.message_replayed",
        subject=message.id,
        data={"endpoint_id": held.id},
    )
    found = await deliveries_store.list_of_message(ctx.tx, ctx.tenant_id, message.id)
    return next(one for one in found if one.endpoint_id == held.id)


async def plan_replay(
    ctx: Ctx, endpoint_id: str, *, since: datetime, until: datetime, which: Which
) -> list[str]:
    """Return the messages that `replay_range` would send, in their order; needs `webhooks:read`."""
    ctx.require(SCOPE_READ)
    await get(ctx, endpoint_id)
    if since >= until:
        message = "the time to replay ends before it begins"
        raise OutOfRange(message, field="until")
    found = await store.list_to_replay(
        ctx.tx,
        ctx.tenant_id,
        endpoint_id,
        since=since,
        until=until,
        which=which,
        limit=REPLAY_MAX + 1,
    )
    if len(found) > REPLAY_MAX:
        raise ReplayTooLarge(field="until", limit=REPLAY_MAX)
    return found


async def replay_range(
    ctx: Ctx,
    endpoint_id: str,
    *,
    since: datetime,
    until: datetime,
    which: Which = Which.MISSED,
    dry_run: bool = False,
) -> Replayed:
    """Send an endpoint the messages of a time again, in their order; a dry run counts them.

    By real time: when a message came to be. Those on their way are left to it. Needs
    `webhooks:write`, a dry run `webhooks:read`.

    Raises:
        EndpointNotFound; EndpointDisabled: also of a dry run.
        OutOfRange: it ends before it begins.
        ReplayTooLarge: more than 10,000.
    """
    ctx.require(SCOPE_READ if dry_run else SCOPE_WRITE)
    _must_be_enabled(await get(ctx, endpoint_id))
    await store.lock_order(ctx.tx, ctx.tenant_id)
    found = await plan_replay(ctx, endpoint_id, since=since, until=until, which=which)
    told = Replayed(len(found), found[0] if found else None, found[-1] if found else None)
    if dry_run or not found:
        return told
    now = await endpoints_store.real_now(ctx.tx)
    await deliveries_store.restart_deliveries(ctx.tx, ctx.tenant_id, endpoint_id, found, at=now)
    data = {"messages": len(found), "since": since, "until": until, "which": which.value}
    audit.record(ctx, action="webhooks.messages_replayed", subject=endpoint_id, data=data)
    return told


async def get_message(ctx: Ctx, message_id: str) -> Message:
    """Return a message; needs `webhooks:read`. Raises MessageNotFound."""
    ctx.require(SCOPE_READ)
    found = await store.find_messages(ctx.tx, ctx.tenant_id, [message_id])
    if not found:
        raise MessageNotFound(field="message")
    return found[0]


async def list_messages(
    ctx: Ctx, *, event_type: str | None = None, before: str | None = None, limit: int
) -> list[Message]:
    """Return messages, the newest first; needs `webhooks:read`."""
    ctx.require(SCOPE_READ)
    return await store.list_messages(
        ctx.tx, ctx.tenant_id, event_type=event_type, before=before, limit=limit
    )


async def deliveries_of(ctx: Ctx, message_id: str) -> list[Delivery]:
    """Return where a message goes; needs `webhooks:read`. Raises MessageNotFound."""
    await get_message(ctx, message_id)
    return await deliveries_store.list_of_message(ctx.tx, ctx.tenant_id, message_id)


async def deliveries_to(
    ctx: Ctx,
    endpoint_id: str,
    *,
    state: State | None = None,
    before: str | None = None,
    limit: int,
) -> list[Delivery]:
    """Return what goes to an endpoint, the newest first; needs `webhooks:read`.

    Raises EndpointNotFound.
    """
    await get(ctx, endpoint_id)
    return await deliveries_store.list_of_endpoint(
        ctx.tx, ctx.tenant_id, endpoint_id, state=state, before=before, limit=limit
    )


async def count_states(ctx: Ctx, endpoint_id: str) -> dict[State, int]:
    """Return how many messages wait, arrived and failed at an endpoint; needs `webhooks:read`."""
    await get(ctx, endpoint_id)
    return await deliveries_store.count_states(ctx.tx, ctx.tenant_id, endpoint_id)


async def attempts_of(
    ctx: Ctx,
    message_id: str,
    *,
    endpoint_id: str | None = None,
    before: str | None = None,
    limit: int,
) -> list[Attempt]:
    """Return the attempts of a message, the newest first; needs `webhooks:read`.

    Raises MessageNotFound.
    """
    await get_message(ctx, message_id)
    return await deliveries_store.list_attempts(
        ctx.tx, ctx.tenant_id, message_id, endpoint_id=endpoint_id, before=before, limit=limit
    )


def _asking(endpoints: Sequence[Endpoint], event_type: str) -> list[Endpoint]:
    if event_type in INTERNAL:
        return []
    return [one for one in endpoints if is_asked_for(one.event_types, event_type)]


def _message(ctx: Ctx, envelope: Envelope, *, now: datetime) -> Message:
    body = body_of(envelope.name, envelope.at, envelope.payload)
    if len(body) > BODY_BYTES_MAX:
        message = f"an event of {len(body)} bytes is none of ours"
        raise OutOfRange(message, field="payload", limit=BODY_BYTES_MAX)
    return Message(ctx.ids.new("msg"), envelope.id, envelope.name, envelope.at, now, body)


def _must_be_enabled(endpoint: Endpoint) -> Endpoint:
    if not endpoint.enabled:
        raise EndpointDisabled(field="endpoint", reason=endpoint.disabled_reason)
    return endpoint
