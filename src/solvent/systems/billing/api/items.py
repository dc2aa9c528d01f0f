"""How is something charged once over HTTP?"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from solvent.kernel.ledger import service as ledger
from solvent.kernel.tenants import service as tenants
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.kit.money import Money
from solvent.systems.billing.json_form import ItemShown, show_item

router = Router(tags=["items"])

CustomerQuery = Annotated[str, Query(max_length=200, description="Its id, or your own name.")]


class ItemBody(BaseModel):
    """Something to charge once, on the next invoice. `source` is your own name of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=400)]
    unit_minor: int
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    source: Annotated[str, Field(max_length=400)]
    quantity: Decimal = Decimal(1)
    subscription_id: Annotated[str, Field(max_length=64)] | None = None


@router.post("/items", status_code=201)
async def add_item(ctx: RequestCtx, body: ItemBody) -> ItemShown:
    """Charge a customer once, on the next invoice that is drawn."""
    item = await ledger.add_item(
        ctx,
        customer=body.customer,
        unit=Money(body.unit_minor, body.currency),
        description=body.description,
        source=body.source,
        quantity=body.quantity,
        subscription_id=body.subscription_id,
    )
    return show_item(item)


@router.get("/items")
async def list_items(ctx: RequestCtx, customer: CustomerQuery, page: PageQuery) -> Page[ItemShown]:
    """List what waits for a customer's next invoice."""
    buyer = await tenants.get_customer(ctx, customer)
    waiting = [one for one in await ledger.list_items(ctx, buyer.id) if one.id > (page.after or "")]
    return page_of(waiting, page, key=lambda one: one.id, render=show_item)


@router.delete("/items/{item}", status_code=204)
async def remove_item(ctx: RequestCtx, item: Annotated[str, Path(max_length=64)]) -> None:
    """Take back something that no invoice has yet."""
    await ledger.remove_item(ctx, item)
