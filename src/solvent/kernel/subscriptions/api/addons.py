"""How does a subscription come by add-ons over HTTP, and lose them?"""

from __future__ import annotations

from solvent.kernel.subscriptions import service
from solvent.kernel.subscriptions.api.bodies import (
    AddAddonBody,
    ChangeQuantityBody,
    EndAddonBody,
    moment_of,
    time_of,
)
from solvent.kernel.subscriptions.json_form import AddonShown, show_addon
from solvent.kernel.subscriptions.model import When
from solvent.kit.http import RequestCtx, Router

router = Router(tags=["subscriptions"])

SCOPE_READ = "subscriptions:read"


@router.get("/subscriptions/{id}/addons")
async def list_addons(ctx: RequestCtx, id: str) -> list[AddonShown]:
    """List the add-ons that a subscription has, had or is to have."""
    ctx.require(SCOPE_READ)
    return [show_addon(one) for one in await service.list_addons(ctx, id)]


@router.post("/subscriptions/{id}/addons", status_code=201)
async def add_addon(ctx: RequestCtx, id: str, body: AddAddonBody) -> AddonShown:
    """Give a subscription an add-on, from now or later on."""
    made = await service.add_addon(
        ctx,
        id,
        body.plan,
        version=body.version,
        quantity=body.quantity,
        start=moment_of(body, otherwise=When.NOW),
        ends_at=time_of(body.ends_at, field="ends_at"),
    )
    return show_addon(made)


@router.post("/subscriptions/{id}/addons/{addon}/end")
async def end_addon(
    ctx: RequestCtx, id: str, addon: str, body: EndAddonBody | None = None
) -> AddonShown | None:
    """End an add-on now or later; null where it had not begun and is gone."""
    at = moment_of(body or EndAddonBody(), otherwise=When.NOW)
    ended = await service.end_addon(ctx, id, addon, at=at)
    return None if ended is None else show_addon(ended)


@router.post("/subscriptions/{id}/addons/{addon}/keep")
async def keep_addon(ctx: RequestCtx, id: str, addon: str) -> AddonShown:
    """Take back an end that has not yet come."""
    return show_addon(await service.keep_addon(ctx, id, addon))


@router.post("/subscriptions/{id}/addons/{addon}/change-quantity")
async def change_addon(
    ctx: RequestCtx, id: str, addon: str, body: ChangeQuantityBody
) -> AddonShown:
    """Give an add-on another quantity, now or later; it goes on under another id."""
    when = moment_of(body, otherwise=When.AUTO)
    return show_addon(await service.change_addon(ctx, id, addon, body.quantity, when=when))
