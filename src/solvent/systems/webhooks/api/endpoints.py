"""What may be done about webhook endpoints over HTTP?"""

from __future__ import annotations

from dataclasses import replace

from solvent.kit.clock import as_utc
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.webhooks import service
from solvent.systems.webhooks.model import State
from solvent.systems.webhooks.rules.address import Guard
from solvent.systems.webhooks.service.endpoints import Signing
from solvent.systems.webhooks.shapes import (
    DeliveryShown,
    DisableBody,
    EndpointBody,
    EndpointChange,
    EndpointShown,
    EndpointWithCounts,
    EndpointWithSecrets,
    MessageShown,
    MessagesReplayedShown,
    NoteBody,
    ReplayMessagesBody,
    RotateBody,
    TypesShown,
    show_counted,
    show_delivery,
    show_endpoint,
    show_made,
    show_message,
    show_replayed,
)

CREATED = 201
GONE = 204


def router(guard: Guard) -> Router:
    """Return the routes of endpoints; the guard says where webhooks may go."""
    routes = Router(tags=["webhooks"])
    _mount_making(routes, guard)
    routes.get("/webhook-endpoints")(list_webhook_endpoints)
    routes.get("/webhook-event-types")(list_webhook_event_types)
    routes.get("/webhook-endpoints/{endpoint_id}")(get_webhook_endpoint)
    routes.delete("/webhook-endpoints/{endpoint_id}", status_code=GONE)(remove_webhook_endpoint)
    routes.post("/webhook-endpoints/{endpoint_id}/rotate")(rotate_webhook_secret)
    routes.post("/webhook-endpoints/{endpoint_id}/enable")(enable_webhook_endpoint)
    routes.post("/webhook-endpoints/{endpoint_id}/disable")(disable_webhook_endpoint)
    routes.post("/webhook-endpoints/{endpoint_id}/test", status_code=CREATED)(try_webhook_endpoint)
    routes.post("/webhook-endpoints/{endpoint_id}/replay")(replay_webhook_messages)
    routes.get("/webhook-endpoints/{endpoint_id}/deliveries")(list_webhook_deliveries)
    return routes


def _mount_making(routes: Router, guard: Guard) -> None:
    @routes.post("/webhook-endpoints", status_code=CREATED)
    async def create_webhook_endpoint(ctx: RequestCtx, body: EndpointBody) -> EndpointWithSecrets:
        """Make an endpoint; its secrets are shown this once."""
        wanted = service.Wanted(
            body.url, tuple(body.event_types), body.description, body.order_wait_s
        )
        signing = Signing(tuple(body.schemes), body.secret)
        made = await service.create(ctx, wanted, guard=guard, signing=signing)
        return show_made(made.endpoint, made.secrets)

    @routes.patch("/webhook-endpoints/{endpoint_id}")
    async def change_webhook_endpoint(
        ctx: RequestCtx, endpoint_id: str, body: EndpointChange
    ) -> EndpointShown:
        """Change what is given of an endpoint; what is on its way goes to the new address."""
        told = body.model_dump(exclude_unset=True)
        if "event_types" in told:
            told["event_types"] = tuple(body.event_types)
        held = service.wanted_of(await service.get(ctx, endpoint_id))
        wanted = replace(held, **told)
        return show_endpoint(await service.update(ctx, endpoint_id, wanted, guard=guard))


async def list_webhook_endpoints(ctx: RequestCtx, page: PageQuery) -> Page[EndpointShown]:
    """List endpoints, the earliest first."""
    found = await service.list_endpoints(ctx, after=page.after or "", limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.id, render=show_endpoint)


async def list_webhook_event_types(ctx: RequestCtx) -> TypesShown:
    """List the events that can be asked for."""
    return TypesShown(data=service.list_types(ctx))


async def get_webhook_endpoint(ctx: RequestCtx, endpoint_id: str) -> EndpointWithCounts:
    """Return an endpoint, and how many messages wait, arrived and failed."""
    held = await service.get(ctx, endpoint_id)
    return show_counted(held, await service.count_states(ctx, endpoint_id))


async def remove_webhook_endpoint(ctx: RequestCtx, endpoint_id: str) -> None:
    """Delete an endpoint with the records of what it got."""
    await service.remove(ctx, endpoint_id)


async def rotate_webhook_secret(
    ctx: RequestCtx, endpoint_id: str, body: RotateBody
) -> EndpointWithSecrets:
    """Make a new secret, shown this once; the old ones sign beside it for some hours."""
    made = await service.rotate(
        ctx,
        endpoint_id,
        scheme=body.scheme,
        overlap_hours=body.overlap_hours,
        secret=body.secret,
    )
    return show_made(made.endpoint, made.secrets)


async def enable_webhook_endpoint(ctx: RequestCtx, endpoint_id: str) -> EndpointShown:
    """Let an endpoint get messages again."""
    return show_endpoint(await service.enable(ctx, endpoint_id))


async def disable_webhook_endpoint(
    ctx: RequestCtx, endpoint_id: str, body: DisableBody
) -> EndpointShown:
    """Send an endpoint nothing more until it is enabled."""
    return show_endpoint(await service.disable(ctx, endpoint_id, reason=body.reason))


async def try_webhook_endpoint(ctx: RequestCtx, endpoint_id: str, body: NoteBody) -> MessageShown:
    """Send a test event to this endpoint alone."""
    return show_message(await service.send_test(ctx, endpoint_id, note=body.note))


async def replay_webhook_messages(
    ctx: RequestCtx, endpoint_id: str, body: ReplayMessagesBody
) -> MessagesReplayedShown:
    """Send the messages of a time again, in their order; a dry run only counts them."""
    replayed = await service.replay_range(
        ctx,
        endpoint_id,
        since=as_utc(body.since, field="since"),
        until=as_utc(body.until, field="until"),
        which=body.which,
        dry_run=body.dry_run,
    )
    return show_replayed(replayed, dry_run=body.dry_run)


async def list_webhook_deliveries(
    ctx: RequestCtx, endpoint_id: str, page: PageQuery, state: State | None = None
) -> Page[DeliveryShown]:
    """List what goes to an endpoint, the newest first."""
    found = await service.deliveries_to(
        ctx, endpoint_id, state=state, before=page.after, limit=page.limit + 1
    )
    return page_of(found, page, key=lambda one: one.message_id, render=show_delivery)
