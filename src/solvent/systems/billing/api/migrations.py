"""How are many subscriptions moved to another version of a plan over HTTP?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from solvent.kernel.subscriptions.model import PlanRef, Status, When
from solvent.kit.clock import parse_time
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.billing.migrations import rules, service
from solvent.systems.billing.migrations.json_form import (
    MigrationItemShown,
    MigrationPreviewShown,
    MigrationShown,
    show_foresight,
    show_migration,
    show_migration_item,
)
from solvent.systems.billing.migrations.model import Aim, ItemState

router = Router(tags=["subscriptions"])

VERSION_MAX = 2**31 - 1
PREVIEW_MAX = 500
Key = Annotated[StrictStr, Field(min_length=1, max_length=64)]
Version = Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MigrationWhereBody(_Body):
    """Which of the plan's subscriptions are meant; what is null does not matter."""

    customer: Annotated[StrictStr, Field(min_length=1, max_length=200)] | None = None
    country: Annotated[StrictStr, Field(max_length=2)] | None = None
    status: Status | None = None
    created_before: Annotated[StrictStr, Field(max_length=64)] | None = None


class MigrationBody(_Body):
    """From which version of which plan to which, when, and whom."""

    from_plan: Key
    from_version: Version
    to_plan: Key
    to_version: Version
    when: When = When.PERIOD_END
    where: MigrationWhereBody = MigrationWhereBody()


def aim_of(body: MigrationBody) -> Aim:
    """Return what a body aims at. Raises `MigrationMalformed`, `TimeMalformed`."""
    said = body.where
    moment = said.created_before
    return Aim(
        PlanRef(body.from_plan, body.from_version),
        PlanRef(body.to_plan, body.to_version),
        body.when,
        rules.where(
            customer=said.customer,
            country=said.country,
            status=said.status.value if said.status else None,
            created_before=parse_time(moment, field="created_before") if moment else None,
        ),
    )


@router.post("/migrations/preview")
async def preview_migration(
    ctx: RequestCtx,
    body: MigrationBody,
    after: Annotated[str, Query(max_length=64, description="`next_after` of before.")] = "",
    limit: Annotated[int, Query(ge=1, le=PREVIEW_MAX)] = service.STEP,
) -> MigrationPreviewShown:
    """Tell what each subscription would be charged or credited; changes nothing."""
    return show_foresight(await service.foresee(ctx, aim_of(body), after=after, limit=limit))


@router.post("/migrations", status_code=201)
async def start_migration(ctx: RequestCtx, body: MigrationBody) -> MigrationShown:
    """Move subscriptions, in the background."""
    return show_migration(await service.start(ctx, aim_of(body)))


@router.get("/migrations")
async def list_migrations(ctx: RequestCtx, page: PageQuery) -> Page[MigrationShown]:
    """List migrations, the newest first; each alone tells its tallies."""
    found = await service.list_migrations(ctx, after=page.after, limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.id, render=show_migration)


@router.get("/migrations/{id}")
async def get_migration(ctx: RequestCtx, id: str) -> MigrationShown:
    """Show a migration and how far it is."""
    return show_migration(await service.get_migration(ctx, id))


@router.get("/migrations/{id}/items")
async def list_items(
    ctx: RequestCtx, id: str, page: PageQuery, state: ItemState | None = None
) -> Page[MigrationItemShown]:
    """List what became of the subscriptions of a migration."""
    found = await service.list_items(ctx, id, state=state, after=page.after, limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.subscription_id, render=show_migration_item)


@router.post("/migrations/{id}/undo")
async def undo_migration(ctx: RequestCtx, id: str) -> MigrationShown:
    """Stop a migration and take back what is only planned."""
    return show_migration(await service.undo(ctx, id))
