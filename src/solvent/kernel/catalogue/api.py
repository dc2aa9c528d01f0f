"""How is a catalogue shown and applied over HTTP?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from pydantic import BaseModel

from solvent.kernel.catalogue import service
from solvent.kernel.catalogue.errors import ContentTypeUnknown
from solvent.kernel.catalogue.json_form import (
    DiffShown,
    PlanShown,
    ProductShown,
    show_diff,
    show_plan,
    show_product,
)
from solvent.kernel.catalogue.model import CatalogueSpec
from solvent.kernel.catalogue.parse import parse
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of

router = Router(tags=["catalogue"])

SCOPE_READ = "catalogue:read"
SCOPE_WRITE = "catalogue:write"
VERSION_MAX = 2**31 - 1
JSON_TYPES = frozenset({"application/json"})
TOML_TYPES = frozenset({"application/toml", "text/toml", "text/x-toml", "text/plain"})


class CatalogueShown(BaseModel):
    """All that is sold."""

    products: list[ProductShown]
    plans: list[PlanShown]


@router.get("/products")
async def list_products(ctx: RequestCtx, page: PageQuery) -> Page[ProductShown]:
    """List the products by key, the archived ones included."""
    ctx.require(SCOPE_READ)
    rows = [one for one in await service.list_products(ctx) if one.key > (page.after or "")]
    return page_of(rows, page, key=lambda one: one.key, render=show_product)


@router.get("/plans")
async def list_plans(
    ctx: RequestCtx,
    page: PageQuery,
    product: Annotated[str | None, Query(max_length=64, description="Of one product.")] = None,
) -> Page[PlanShown]:
    """List the latest version of each plan by key, the archived ones included."""
    ctx.require(SCOPE_READ)
    rows = [
        one
        for one in await service.list_plans(ctx)
        if one.plan_key > (page.after or "") and product in {None, one.product_key}
    ]
    return page_of(rows, page, key=lambda one: one.plan_key, render=show_plan)


@router.get("/plans/{key}")
async def get_plan(
    ctx: RequestCtx,
    key: str,
    version: Annotated[int | None, Query(ge=1, le=VERSION_MAX)] = None,
) -> PlanShown:
    """Show a version of a plan; the latest, if none is named."""
    ctx.require(SCOPE_READ)
    return show_plan(await service.plan_version(ctx, key, version))


_CATALOGUE = {
    "requestBody": {
        "required": True,
        "content": {
            "application/toml": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}


@router.put("/catalogue", openapi_extra=_CATALOGUE)
async def apply_catalogue(
    request: Request,
    ctx: RequestCtx,
    *,
    dry_run: Annotated[bool, Query(description="Only say what would change.")] = False,
) -> DiffShown:
    """Make the catalogue equal to the TOML (or JSON) text sent: all of it, or nothing.

    What the text leaves out is archived; whoever subscribed to it keeps it.
    """
    ctx.require(SCOPE_WRITE)  # before the text is read: reading costs more than asking
    spec = _spec(request.headers.get("content-type", ""), await request.body())
    return show_diff(await service.apply(ctx, spec, dry_run=dry_run))


def _spec(content_type: str, body: bytes) -> CatalogueSpec:
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in JSON_TYPES | TOML_TYPES:
        raise ContentTypeUnknown(field="content-type", given=kind[:64])
    return parse(body, file="body", json_text=kind in JSON_TYPES)


@router.get("/catalogue")
async def show_catalogue(ctx: RequestCtx) -> CatalogueShown:
    """Show everything that is sold now, the latest version of each plan."""
    ctx.require(SCOPE_READ)
    return CatalogueShown(
        products=[
            show_product(one) for one in await service.list_products(ctx) if not one.archived
        ],
        plans=[show_plan(one) for one in await service.list_plans(ctx) if not one.archived],
    )
