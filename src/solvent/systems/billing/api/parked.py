"""How does one look at parked accounts, and let them go, over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.billing import parking, service
from solvent.systems.billing.model import Parked

router = Router(tags=["invoices"])


class ParkedShown(BaseModel):
    """An account that is charged nothing until it is released."""

    id: str
    customer_id: str
    subscription_id: str
    invoice_id: str | None
    reason: str
    detail: str
    parked_at: datetime


class ReleaseAccountBody(BaseModel):
    """Whose account; its id, or your own name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer: Annotated[str, Field(min_length=1, max_length=200)]


class ReleasedShown(BaseModel):
    """The invoices that became final, and the drafts that wait still."""

    final: list[str]
    waiting: list[str]


@router.get("/parked-accounts")
async def list_parked(ctx: RequestCtx, page: PageQuery) -> Page[ParkedShown]:
    """List the accounts that are charged nothing until somebody has looked."""
    found = await parking.list_parked(ctx, after=page.after, limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.id, render=_show)


@router.post("/parked-accounts/release")
async def release_account(ctx: RequestCtx, body: ReleaseAccountBody) -> ReleasedShown:
    """Let a parked account be charged again; its drafts become final in their order."""
    done = await service.release_account(ctx, body.customer)
    return ReleasedShown(
        final=[one.reference for one in done if one.number is not None],
        waiting=[one.id for one in done if one.number is None],
    )


def _show(one: Parked) -> ParkedShown:
    return ParkedShown(
        id=one.id,
        customer_id=one.customer_id,
        subscription_id=one.subscription_id,
        invoice_id=one.invoice_id,
        reason=one.reason,
        detail=one.detail,
        parked_at=one.parked_at,
    )
