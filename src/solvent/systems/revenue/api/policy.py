"""How are rates and the policy told over HTTP?"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StrictStr

from solvent.kit.http import CursorMalformed, Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.revenue import service
from solvent.systems.revenue.model import Policy
from solvent.systems.revenue.shapes import (
    RevenuePolicyShown,
    RevenueRateShown,
    show_policy,
    show_rate,
)

router = Router(tags=["revenue"])

Code = Annotated[StrictStr, Field(min_length=3, max_length=3)]
CodePath = Annotated[str, Path(min_length=3, max_length=3, description="ISO 4217, as USD.")]
DayPath = Annotated[str, Path(max_length=10, description="As 2026-11-23.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RevenuePolicyBody(_Body):
    """In whose days the business counts, and in which currency it reports (null: each)."""

    time_zone: Annotated[StrictStr, Field(min_length=1, max_length=64)] = "UTC"
    currency: Code | None = None


class RevenueRateBody(_Body):
    """What one unit of the first currency is in the second, as a decimal text: "0.93"."""

    rate: Annotated[StrictStr, Field(min_length=1, max_length=32)]


@router.get("/revenue/policy")
async def get_revenue_policy(ctx: RequestCtx) -> RevenuePolicyShown:
    """Show in whose days and in which currency the business counts."""
    return show_policy(await service.get_policy(ctx))


@router.put("/revenue/policy")
async def set_revenue_policy(ctx: RequestCtx, body: RevenuePolicyBody) -> RevenuePolicyShown:
    """Say in whose days and in which currency the business counts; what is kept stays."""
    return show_policy(await service.set_policy(ctx, Policy(body.time_zone, body.currency)))


@router.get("/revenue/rates")
async def list_revenue_rates(ctx: RequestCtx, page: PageQuery) -> Page[RevenueRateShown]:
    """List the rates by currencies and day."""
    after = _rate_place(page.after) if page.after else None
    found = await service.list_rates(ctx, after=after, limit=page.limit + 1)
    return page_of(
        found, page, key=lambda one: f"{one.base}/{one.quote}/{one.day}", render=show_rate
    )


def _rate_place(text: str) -> tuple[str, str, date]:
    try:
        base, quote, day = text.split("/")
        return base, quote, date.fromisoformat(day)
    except ValueError:
        raise CursorMalformed(field="cursor") from None


@router.put("/revenue/rates/{base}/{quote}/{day}")
async def set_revenue_rate(
    ctx: RequestCtx, *, base: CodePath, quote: CodePath, day: DayPath, body: RevenueRateBody
) -> RevenueRateShown:
    """Say what a currency is worth in another from a day on, for at most 31 days."""
    rate = service.parse_rate(base, quote, day, body.rate)
    return show_rate(await service.set_rate(ctx, rate))


@router.delete("/revenue/rates/{base}/{quote}/{day}", status_code=204)
async def remove_revenue_rate(
    ctx: RequestCtx, base: CodePath, quote: CodePath, day: DayPath
) -> None:
    """Forget what a currency was worth from a day on."""
    rate = service.parse_rate(base, quote, day, "1")
    await service.remove_rate(ctx, base, quote, rate.day)
