"""How are customers managed over HTTP, by the tenant's own name for them or by ours?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict

from solvent.kernel.tenants import service
from solvent.kernel.tenants.model import Customer, CustomerDetails
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of

router = Router(tags=["customers"])

REF_LENGTH_MAX = 200
Reference = Annotated[
    str,
    Path(
        max_length=REF_LENGTH_MAX,
        min_length=1,
        description="external_ref or id; a slash in it stands as itself or as %2F",
    ),
]


class CustomerBody(BaseModel):
    """Who buys from the tenant."""

    model_config = ConfigDict(frozen=True)

    id: str
    external_ref: str
    email: str | None
    name: str | None
    country: str | None
    time_zone: str
    created_at: datetime
    updated_at: datetime


class CustomerTold(BaseModel):
    """What is told about a customer; null or left out leaves a field as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    email: str | None = None
    name: str | None = None
    country: str | None = None
    time_zone: str | None = None

    def details(self) -> CustomerDetails:
        """Return what was told, for the service."""
        return CustomerDetails(
            email=self.email, name=self.name, country=self.country, time_zone=self.time_zone
        )


class NewCustomer(CustomerTold):
    """A customer under the tenant's own name for them."""

    external_ref: str


@router.get("/customers")
async def list_customers(
    ctx: RequestCtx,
    page: PageQuery,
    email: Annotated[str | None, Query(max_length=254)] = None,
) -> Page[CustomerBody]:
    """List customers in the order in which they came; `email` narrows the list."""
    customers = await service.list_customers(
        ctx, after=page.after, email=email, limit=page.limit + 1
    )
    return page_of(customers, page, key=lambda customer: customer.id, render=_render)


@router.post("/customers", status_code=201)
async def create_customer(ctx: RequestCtx, body: NewCustomer) -> CustomerBody:
    """Add a customer; 409 if the external_ref is taken."""
    return _render(await service.create_customer(ctx, body.external_ref, body.details()))


@router.get("/customers/{reference:path}")
async def read_customer(ctx: RequestCtx, reference: Reference) -> CustomerBody:
    """Return a customer by external_ref or id."""
    ctx.require("customers:read")
    return _render(await service.get_customer(ctx, reference))


@router.put("/customers/{reference:path}")
async def upsert_customer(
    ctx: RequestCtx, reference: Reference, body: CustomerTold
) -> CustomerBody:
    """Add the customer of this external_ref or bring them up to date; safe to repeat."""
    return _render(await service.upsert_customer(ctx, reference, body.details()))


@router.patch("/customers/{reference:path}")
async def update_customer(
    ctx: RequestCtx, reference: Reference, body: CustomerTold
) -> CustomerBody:
    """Change what is told about a customer."""
    return _render(await service.update_customer(ctx, reference, body.details()))


@router.delete("/customers/{reference:path}", status_code=204)
async def delete_customer(ctx: RequestCtx, reference: Reference) -> None:
    """Remove a customer who has no history."""
    await service.delete_customer(ctx, reference)


def _render(customer: Customer) -> CustomerBody:
    return CustomerBody(
        id=customer.id,
        external_ref=customer.external_ref,
        email=customer.email,
        name=customer.name,
        country=customer.country,
        time_zone=customer.time_zone,
        created_at=customer.created_at,
        updated_at=customer.updated_at,
    )
