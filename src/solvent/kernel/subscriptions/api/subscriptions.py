"""How are subscriptions made, shown and changed over HTTP?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.api.bodies import (
    CancelBody,
    CardBody,
    ChangePlanBody,
    ChangeQuantityBody,
    ChangeTimeZoneBody,
    CreateBody,
    PauseBody,
    ResumeBody,
    moment_of,
    time_of,
)
from solvent.kernel.subscriptions.json_form import (
    PlannedChangeShown,
    SubscriptionShown,
    show_planned,
    show_subscription,
)
from solvent.kernel.subscriptions.model import Status, When
from solvent.kernel.tenants import service as tenants
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of

router = Router(tags=["subscriptions"])

SCOPE_READ = "subscriptions:read"


@router.get("/subscriptions")
async def list_subscriptions(
    ctx: RequestCtx,
    page: PageQuery,
    customer: Annotated[str | None, Query(max_length=200, description="Id or reference.")] = None,
    status: Status | None = None,
) -> Page[SubscriptionShown]:
    """List subscriptions, the newest first."""
    ctx.require(SCOPE_READ)
    customer_id = (await tenants.get_customer(ctx, customer)).id if customer else None
    rows = await service.list_all(
        ctx, customer_id=customer_id, status=status, after=page.after, limit=page.limit + 1
    )
    return page_of(rows, page, key=lambda one: one.id, render=show_subscription)


@router.post("/subscriptions", status_code=201)
async def create_subscription(ctx: RequestCtx, body: CreateBody) -> SubscriptionShown:
    """Subscribe a customer to a plan that Solvent itself renews."""
    made = await service.create(
        ctx,
        body.customer,
        body.plan,
        version=body.version,
        start_at=time_of(body.start_at, field="start_at"),
        time_zone=body.time_zone,
        trial_days=body.trial_days,
        auto_renew=body.auto_renew,
        pending=body.pending,
        quantity=body.quantity,
    )
    return show_subscription(made)


@router.get("/subscriptions/{id}")
async def get_subscription(ctx: RequestCtx, id: str) -> SubscriptionShown:
    """Show a subscription."""
    ctx.require(SCOPE_READ)
    return show_subscription(await service.get(ctx, id))


@router.post("/subscriptions/{id}/activate")
async def activate_subscription(ctx: RequestCtx, id: str) -> SubscriptionShown:
    """Let a pending subscription begin now."""
    return show_subscription(await service.activate(ctx, id))


@router.post("/subscriptions/{id}/cancel")
async def cancel_subscription(
    ctx: RequestCtx, id: str, body: CancelBody | None = None
) -> SubscriptionShown:
    """End a subscription now, at its period's end, or at a later moment."""
    at = moment_of(body or CancelBody(), otherwise=When.NOW)
    return show_subscription(await service.cancel(ctx, id, at=at))


@router.post("/subscriptions/{id}/keep")
async def keep_subscription(ctx: RequestCtx, id: str) -> SubscriptionShown:
    """Take back a cancellation that has not yet come true."""
    return show_subscription(await service.keep(ctx, id))


@router.post("/subscriptions/{id}/pause")
async def pause_subscription(
    ctx: RequestCtx, id: str, body: PauseBody | None = None
) -> SubscriptionShown:
    """Stop access and charges now or later, until resumed or until a moment."""
    told = body or PauseBody()
    resume_at = time_of(told.resume_at, field="resume_at")
    at = moment_of(told, otherwise=When.NOW)
    return show_subscription(await service.pause(ctx, id, at=at, resume_at=resume_at))


@router.post("/subscriptions/{id}/resume")
async def resume_subscription(
    ctx: RequestCtx, id: str, body: ResumeBody | None = None
) -> SubscriptionShown:
    """Let a paused subscription go on, now or later."""
    at = moment_of(body or ResumeBody(), otherwise=When.NOW)
    return show_subscription(await service.resume(ctx, id, at=at))


@router.post("/subscriptions/{id}/change-plan")
async def change_plan(ctx: RequestCtx, id: str, body: ChangePlanBody) -> SubscriptionShown:
    """Move a subscription to another plan of its product, now or later."""
    changed = await service.change_plan(
        ctx,
        id,
        body.plan,
        version=body.version,
        when=moment_of(body, otherwise=When.AUTO),
        quantity=body.quantity,
    )
    return show_subscription(changed)


@router.post("/subscriptions/{id}/change-quantity")
async def change_quantity(ctx: RequestCtx, id: str, body: ChangeQuantityBody) -> SubscriptionShown:
    """Give a subscription another number of seats, now or later."""
    when = moment_of(body, otherwise=When.AUTO)
    return show_subscription(await service.change_quantity(ctx, id, body.quantity, when=when))


@router.post("/subscriptions/{id}/change-time-zone")
async def change_time_zone(ctx: RequestCtx, id: str, body: ChangeTimeZoneBody) -> SubscriptionShown:
    """Count the boundaries after the present period in another zone."""
    return show_subscription(await service.change_time_zone(ctx, id, body.time_zone))


@router.post("/subscriptions/{id}/note-card")
async def note_card(ctx: RequestCtx, id: str, body: CardBody) -> SubscriptionShown:
    """Say that the customer has a card on file, or none: a trial may need one to go on."""
    held = await service.get(ctx, id)
    await service.note_card(ctx, held.customer_id, on_file=body.on_file)
    return show_subscription(await service.get(ctx, id))


@router.get("/subscriptions/{id}/planned-changes")
async def list_planned_changes(ctx: RequestCtx, id: str) -> list[PlannedChangeShown]:
    """List what is to become of a subscription, the soonest first."""
    ctx.require(SCOPE_READ)
    return [show_planned(one) for one in await service.list_planned(ctx, id)]


@router.delete("/subscriptions/{id}/planned-changes/{change}")
async def withdraw_planned_change(ctx: RequestCtx, id: str, change: str) -> SubscriptionShown:
    """Take back a change that has not yet come true."""
    return show_subscription(await service.withdraw(ctx, id, change))
