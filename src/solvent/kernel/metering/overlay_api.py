"""How is usage taken back, put right, restored and let in late over HTTP?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeAlias

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

from solvent.kernel.metering import amending, rehearsing, windows
from solvent.kernel.metering.model import Amendment, Overlay, OverlayKind, Period
from solvent.kernel.metering.overlay_form import (
    OverlayAnswer,
    OverlayShown,
    UsageHistory,
    WindowShown,
    show_effect,
    show_history,
    show_overlay,
    show_window,
)
from solvent.kernel.metering.ports import UsageJudge
from solvent.kit.http import CursorMalformed, Page, PageQuery, RequestCtx, Router, page_of

FindJudge: TypeAlias = Callable[[], UsageJudge]
SEQ_DIGITS_MAX = 18
Reason = Annotated[StrictStr, Field(min_length=1, max_length=amending.REASON_LENGTH_MAX)]
OverlayId = Annotated[str, Path(max_length=64)]
WindowId = Annotated[str, Path(max_length=64)]


class OverlayRequest(BaseModel):
    """What is to be said of an event: `void` it, or `amend` its value, its properties, or both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_id: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    kind: Literal[OverlayKind.VOID, OverlayKind.AMEND]
    value: StrictStr | StrictInt | None = None
    properties: dict[StrictStr, StrictStr | StrictBool | StrictInt | None] | None = None
    reason: Reason
    dry_run: bool = False


class UndoRequest(BaseModel):
    """Why what was said of an event does not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Reason
    dry_run: bool = False


class WindowRequest(BaseModel):
    """For which time usage of a meter is to be taken; `customer` null is for all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    meter: StrictStr
    customer: StrictStr | None = None
    start: StrictStr
    end: StrictStr
    reason: Reason


def router_of(judge: FindJudge) -> Router:
    """Return the routes, which ask whom `judge` finds what a change does to invoices."""
    router = Router(tags=["metering"])

    @router.post("/usage/overlays")
    async def say(ctx: RequestCtx, body: OverlayRequest) -> OverlayAnswer:
        """Take an event back or put it right; with `dry_run` tell what that would change."""
        event, _ = await amending.history(ctx, body.event_id)

        async def act() -> Overlay:
            if body.kind is OverlayKind.VOID:
                return await amending.void(ctx, body.event_id, reason=body.reason)
            value = None if body.value is None else str(body.value)
            amendment = Amendment(value=value, properties=body.properties)
            return await amending.amend(ctx, body.event_id, amendment, reason=body.reason)

        return await _answer(ctx, judge(), act, event.customer_ref, dry_run=body.dry_run)

    @router.post("/usage/overlays/{overlay}/undo")
    async def undo(ctx: RequestCtx, overlay: OverlayId, body: UndoRequest) -> OverlayAnswer:
        """Let an event count as before the latest that was said of it."""
        known = await amending.get_overlay(ctx, overlay)

        async def act() -> Overlay:
            return await amending.undo(ctx, overlay, reason=body.reason)

        return await _answer(ctx, judge(), act, known.customer_ref, dry_run=body.dry_run)

    router.get("/usage/overlays")(list_overlays)
    router.get("/usage/history")(show_event_history)
    router.post("/usage/windows")(open_window)
    router.get("/usage/windows")(list_windows)
    router.post("/usage/windows/{window}/finish")(finish_window)
    return router


async def _answer(
    ctx: RequestCtx,
    judge: UsageJudge,
    act: Callable[[], Awaitable[Overlay]],
    customer_ref: str,
    *,
    dry_run: bool,
) -> OverlayAnswer:
    if dry_run:
        said, effects = await rehearsing.rehearse(ctx, judge, act, customer_refs=[customer_ref])
    else:
        said, effects = await act(), []
    return OverlayAnswer(
        overlay=show_overlay(said), dry_run=dry_run, effects=[show_effect(one) for one in effects]
    )


async def list_overlays(ctx: RequestCtx, page: PageQuery) -> Page[OverlayShown]:
    """List what was said of events, the latest first."""
    if page.after is not None and not (page.after.isdecimal() and len(page.after) < SEQ_DIGITS_MAX):
        raise CursorMalformed(field="cursor")
    before = None if page.after is None else int(page.after)
    found = await amending.list_overlays(ctx, before=before, limit=page.limit + 1)
    return page_of(found, page, key=lambda one: str(one.seq), render=show_overlay)


async def show_event_history(
    ctx: RequestCtx, event_id: Annotated[str, Query(max_length=200)]
) -> UsageHistory:
    """Show an event as it was recorded, what it counts as now, and all that was said of it."""
    return show_history(*await amending.history(ctx, event_id))


async def open_window(ctx: RequestCtx, body: WindowRequest) -> WindowShown:
    """Take usage of a time however old it is; it corrects nothing before the window is finished."""
    period = Period(*windows.moments(body.start, body.end))
    made = await windows.open_window(
        ctx, body.meter, period, reason=body.reason, customer_ref=body.customer
    )
    return show_window(made)


async def list_windows(ctx: RequestCtx, page: PageQuery) -> Page[WindowShown]:
    """List windows, the newest first."""
    found = await windows.list_windows(ctx, after=page.after, limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.id, render=show_window)


async def finish_window(ctx: RequestCtx, window: WindowId) -> WindowShown:
    """Close a window: what came through it counts from now on like all other late usage."""
    return show_window(await windows.finish_window(ctx, window))
