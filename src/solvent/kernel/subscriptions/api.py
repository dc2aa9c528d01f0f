"""How are subscriptions made, shown and changed over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.errors import CancelTimeInvalid
from solvent.kernel.subscriptions.json_form import SubscriptionShown, show_subscription
from solvent.kernel.subscriptions.model import Status, When
from solvent.kernel.tenants import service as tenants
from solvent.kit.clock import parse_time
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of

router = Router(tags=["subscriptions"])

SCOPE_READ = "subscriptions:read"
VERSION_MAX = 2**31 - 1
TIME_LENGTH_MAX = 64

TimeText = Annotated[StrictStr, Field(max_length=TIME_LENGTH_MAX, description="RFC 3339.")]
Reference = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Key = Annotated[StrictStr, Field(min_length=1, max_length=64)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CreateBody(_Body):
    """A new subscription; `customer` is an id or the tenant's own reference."""

    customer: Reference
    plan: Key
    version: Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)] | None = None
    start_at: TimeText | None = None
    time_zone: Annotated[StrictStr, Field(max_length=64)] | None = None
    trial_days: Annotated[int, Field(strict=True, ge=0, le=730)] | None = None
    auto_renew: StrictBool = True
    pending: StrictBool = False


class CancelBody(_Body):
    """When it ends: `when` (now or period_end), or the moment `at`."""

    when: When | None = None
    at: TimeText | None = None


class PauseBody(_Body):
    """Until when it rests; null: until it is resumed."""

    resume_at: TimeText | None = None


class ChangePlanBody(_Body):
    """The plan to move to; `when` null: an upgrade now, a downgrade at the period's end."""

    plan: Key
    version: Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)] | None = None
    when: When | None = None


def _time(text: str | None, *, field: str) -> datetime | None:
    return None if text is None else parse_time(text, field=field)


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
        start_at=_time(body.start_at, field="start_at"),
        time_zone=body.time_zone,
        trial_days=body.trial_days,
        auto_renew=body.auto_renew,
        pending=body.pending,
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
    told = body or CancelBody()
    if told.at is not None and told.when is not None:
        message = "say either when or at, not both"
        raise CancelTimeInvalid(message, field="at")
    at = _time(told.at, field="at") or told.when or When.NOW
    return show_subscription(await service.cancel(ctx, id, at=at))


@router.post("/subscriptions/{id}/keep")
async def keep_subscription(ctx: RequestCtx, id: str) -> SubscriptionShown:
    """Take back a cancellation that has not yet come true."""
    return show_subscription(await service.keep(ctx, id))


@router.post("/subscriptions/{id}/pause")
async def pause_subscription(
    ctx: RequestCtx, id: str, body: PauseBody | None = None
) -> SubscriptionShown:
    """Stop access and charges now, until resumed or until a moment."""
    resume_at = _time(body.resume_at, field="resume_at") if body else None
    return show_subscription(await service.pause(ctx, id, resume_at=resume_at))


@router.post("/subscriptions/{id}/resume")
async def resume_subscription(ctx: RequestCtx, id: str) -> SubscriptionShown:
    """Let a paused subscription go on now."""
    return show_subscription(await service.resume(ctx, id))


@router.post("/subscriptions/{id}/change-plan")
async def change_plan(ctx: RequestCtx, id: str, body: ChangePlanBody) -> SubscriptionShown:
    """Move a subscription to another plan of its product."""
    changed = await service.change_plan(ctx, id, body.plan, version=body.version, when=body.when)
    return show_subscription(changed)
