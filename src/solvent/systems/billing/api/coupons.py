"""How are coupons made and redeemed over HTTP?"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Discount
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.billing.json_form import (
    CouponShown,
    RedemptionShown,
    show_coupon,
    show_redemption,
)

router = Router(tags=["coupons"])

Code = Annotated[str, Path(max_length=64)]
SubscriptionRef = Annotated[str, Path(max_length=64)]


class CouponBody(BaseModel):
    """A coupon: `percent`, or `amount_minor` of a `currency`; `periods` null is for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[str, Field(max_length=64)]
    name: Annotated[str, Field(max_length=200)]
    percent: Decimal | None = None
    amount_minor: int | None = None
    currency: str | None = None
    periods: int | None = None
    plans: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=100)
    redemptions_max: int | None = None
    redeem_by: datetime | None = None


class RedeemBody(BaseModel):
    """The code that a customer has typed; small letters are as good."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: Annotated[str, Field(min_length=1, max_length=64)]


@router.post("/coupons", status_code=201)
async def make_coupon(ctx: RequestCtx, body: CouponBody) -> CouponShown:
    """Make a coupon; its code is not used again."""
    made = await ledger.make_coupon(
        ctx,
        Discount(body.code, body.name, body.percent, body.amount_minor),
        currency=body.currency,
        periods=body.periods,
        plan_keys=tuple(body.plans),
        redemptions_max=body.redemptions_max,
        redeem_by=body.redeem_by,
    )
    return show_coupon(made)


@router.get("/coupons")
async def list_coupons(ctx: RequestCtx, page: PageQuery) -> Page[CouponShown]:
    """List coupons by their codes."""
    found = await ledger.list_coupons(ctx, after=page.after or "", limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.discount.code, render=show_coupon)


@router.get("/coupons/{code}")
async def get_coupon(ctx: RequestCtx, code: Code) -> CouponShown:
    """Show a coupon."""
    return show_coupon(await ledger.get_coupon(ctx, code))


@router.post("/coupons/{code}/close")
async def close_coupon(ctx: RequestCtx, code: Code) -> CouponShown:
    """Let nobody redeem a coupon any more; who has it keeps it."""
    return show_coupon(await ledger.close_coupon(ctx, code))


@router.post("/subscriptions/{subscription}/coupons", status_code=201)
async def redeem_coupon(
    ctx: RequestCtx, subscription: SubscriptionRef, body: RedeemBody
) -> RedemptionShown:
    """Give a subscription a coupon, from the next invoice that is drawn."""
    return show_redemption(await ledger.redeem_coupon(ctx, body.code, subscription))


@router.get("/subscriptions/{subscription}/coupons")
async def list_redemptions(
    ctx: RequestCtx, subscription: SubscriptionRef, page: PageQuery
) -> Page[RedemptionShown]:
    """List the coupons that a subscription has or had."""
    found = await ledger.list_redemptions(ctx, subscription)
    later = [one for one in found if one.coupon.discount.code > (page.after or "")]
    return page_of(later, page, key=lambda one: one.coupon.discount.code, render=show_redemption)


@router.delete("/subscriptions/{subscription}/coupons/{code}", status_code=204)
async def end_redemption(ctx: RequestCtx, subscription: SubscriptionRef, code: Code) -> None:
    """Let a coupon take nothing more off a subscription."""
    await ledger.end_redemption(ctx, code, subscription)
