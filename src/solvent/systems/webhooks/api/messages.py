"""What may be done about messages and their attempts over HTTP?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.webhooks import service
from solvent.systems.webhooks.limits import PATTERN_CHARS_MAX
from solvent.systems.webhooks.shapes import (
    AttemptShown,
    DeliveryShown,
    MessageShown,
    MessageWhole,
    ReplayOneBody,
    show_attempt,
    show_delivery,
    show_message,
    show_whole,
)

router = Router(tags=["webhooks"])

TypeQuery = Annotated[str | None, Query(alias="type", max_length=PATTERN_CHARS_MAX)]
EndpointQuery = Annotated[str | None, Query(max_length=64)]


@router.get("/webhook-messages")
async def list_webhook_messages(
    ctx: RequestCtx, page: PageQuery, event_type: TypeQuery = None
) -> Page[MessageShown]:
    """List messages of the last 30 days, the newest first."""
    found = await service.list_messages(
        ctx, event_type=event_type, before=page.after, limit=page.limit + 1
    )
    return page_of(found, page, key=lambda one: one.id, render=show_message)


@router.get("/webhook-messages/{message_id}")
async def get_webhook_message(ctx: RequestCtx, message_id: str) -> MessageWhole:
    """Return a message with its body, and where it goes."""
    found = await service.get_message(ctx, message_id)
    return show_whole(found, await service.deliveries_of(ctx, message_id))


@router.get("/webhook-messages/{message_id}/attempts")
async def list_webhook_attempts(
    ctx: RequestCtx, message_id: str, page: PageQuery, endpoint_id: EndpointQuery = None
) -> Page[AttemptShown]:
    """List the attempts of a message, the newest first."""
    found = await service.attempts_of(
        ctx, message_id, endpoint_id=endpoint_id, before=page.after, limit=page.limit + 1
    )
    return page_of(found, page, key=lambda one: one.id, render=show_attempt)


@router.post("/webhook-messages/{message_id}/replay")
async def replay_webhook_message(
    ctx: RequestCtx, message_id: str, body: ReplayOneBody
) -> DeliveryShown:
    """Send a message to an endpoint again, under the same id."""
    return show_delivery(
        await service.replay_message(ctx, message_id, endpoint_id=body.endpoint_id)
    )
