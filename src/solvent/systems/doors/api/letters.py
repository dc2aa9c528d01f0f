"""What may be done about dead letters of usage over HTTP?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.doors import service
from solvent.systems.doors.limits import NAME_CHARS_MAX
from solvent.systems.doors.model import Door, LettersAsked, LetterState
from solvent.systems.doors.shapes import (
    DeadLetterShown,
    LetterCount,
    LettersBody,
    LettersDiscardedShown,
    LettersReplayedShown,
    ReplayLettersBody,
    asked_of,
    show_letter,
    show_replayed,
)

router = Router(tags=["doors"])

NameQuery = Annotated[str | None, Query(max_length=NAME_CHARS_MAX)]


@router.get("/usage-dead-letters")
async def list_usage_dead_letters(
    ctx: RequestCtx,
    page: PageQuery,
    *,
    state: LetterState = LetterState.WAITING,
    door: Door | None = None,
    reason: NameQuery = None,
    event: NameQuery = None,
    customer: NameQuery = None,
) -> Page[DeadLetterShown]:
    """List usage that foreign clients sent and that could not be counted, the earliest first."""
    asked = LettersAsked(door=door, reason=reason, event=event, customer=customer)
    found = await service.list_letters(
        ctx, asked, state=state, after=page.after, limit=page.limit + 1
    )
    return page_of(found, page, key=lambda one: one.id, render=show_letter)


@router.get("/usage-dead-letters/counts")
async def count_usage_dead_letters(ctx: RequestCtx) -> list[LetterCount]:
    """Tell how many wait at each door for each reason."""
    found = await service.count_letters(ctx)
    return [LetterCount(door=door, reason=reason, waiting=many) for door, reason, many in found]


@router.get("/usage-dead-letters/{letter_id}")
async def get_usage_dead_letter(ctx: RequestCtx, letter_id: str) -> DeadLetterShown:
    """Show one with what was sent."""
    return show_letter(await service.get_letter(ctx, letter_id))


@router.post("/usage-dead-letters/replay")
async def replay_usage_dead_letters(
    ctx: RequestCtx, body: ReplayLettersBody
) -> LettersReplayedShown:
    """Try up to 500 again, after the meter or the customer was made or named."""
    told, cursor = await service.replay(
        ctx, asked_of(body), after=body.cursor, dry_run=body.dry_run
    )
    return show_replayed(told, cursor=cursor, dry_run=body.dry_run)


@router.post("/usage-dead-letters/discard")
async def discard_usage_dead_letters(ctx: RequestCtx, body: LettersBody) -> LettersDiscardedShown:
    """Give some up; by their ids they can be replayed all the same until they are forgotten."""
    return LettersDiscardedShown(discarded=await service.discard(ctx, asked_of(body)))
