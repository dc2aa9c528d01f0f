"""What would a change of a subscription cost, asked over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from solvent.kernel.subscriptions.model import When
from solvent.kit.http import RequestCtx, Router
from solvent.systems.billing import changing
from solvent.systems.billing.changing import Quote

router = Router(tags=["subscriptions"])

VERSION_MAX = 2**31 - 1
SEATS_MAX = 1_000_000


class PreviewChangeBody(BaseModel):
    """Another plan (null: the present one), other seats, or both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: Annotated[StrictStr, Field(min_length=1, max_length=64)] | None = None
    version: Annotated[int, Field(strict=True, ge=1, le=VERSION_MAX)] | None = None
    quantity: Annotated[int, Field(strict=True, ge=1, le=SEATS_MAX)] | None = None
    when: When = When.AUTO


class ChangeQuoteShown(BaseModel):
    """What a change would come to before tax; the fees are those of a whole period.

    `now_minor` is what the running period's invoice changes by, below zero for less.
    """

    plan: str
    plan_version: int
    quantity: int
    when: When
    takes_effect_at: datetime
    now_minor: int
    fee_before_minor: int
    fee_after_minor: int
    currency: str


@router.post("/subscriptions/{id}/preview-change")
async def preview_change(ctx: RequestCtx, id: str, body: PreviewChangeBody) -> ChangeQuoteShown:
    """Tell what another plan or other seats would cost; changes nothing."""
    quote = await changing.quote_change(
        ctx,
        id,
        plan_key=body.plan,
        version=body.version,
        quantity=body.quantity,
        when=body.when,
    )
    return show_quote(quote)


def show_quote(one: Quote) -> ChangeQuoteShown:
    """Return a quote's JSON form."""
    made = one.foreseen
    return ChangeQuoteShown(
        plan=made.plan.plan_key,
        plan_version=made.plan.version,
        quantity=made.quantity,
        when=made.when,
        takes_effect_at=made.takes_effect_at,
        now_minor=one.now_minor,
        fee_before_minor=made.fee_before_minor,
        fee_after_minor=made.fee_after_minor,
        currency=one.currency,
    )
