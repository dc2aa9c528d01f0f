"""How are customers' rules for topping up their credit kept over HTTP?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, StrictInt

from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.payments.collection.json_form import TopUpShown, show_rule
from solvent.systems.payments.collection.model import RuleState, TopUpRule
from solvent.systems.payments.collection.service import top_ups

router = Router(tags=["top-ups"])

CustomerPath = Annotated[str, Path(max_length=200, description="Its id, or your own name.")]
CurrencyPath = Annotated[str, Path(min_length=3, max_length=3)]
SEPARATOR = ":"


class TopUpBody(BaseModel):
    """When a customer's credit is topped up, and by how much, in minor units."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold_minor: StrictInt
    amount_minor: StrictInt
    bonus_minor: StrictInt = 0
    monthly_cap_minor: StrictInt | None = None


@router.get("/top-ups")
async def list_top_ups(ctx: RequestCtx, page: PageQuery) -> Page[TopUpShown]:
    """List the rules, by customer and currency."""
    customer_id, _, currency = (page.after or SEPARATOR).partition(SEPARATOR)
    found = await top_ups.list_rules(ctx, after=(customer_id, currency), limit=page.limit + 1)
    return page_of(found, page, key=_name, render=show_rule)


def _name(rule: TopUpRule) -> str:
    return f"{rule.customer_id}{SEPARATOR}{rule.currency}"


@router.put("/top-ups/{customer:path}/{currency}")
async def set_top_up(
    ctx: RequestCtx, customer: CustomerPath, currency: CurrencyPath, body: TopUpBody
) -> TopUpShown:
    """Keep a customer's credit above a threshold from now on."""
    wish = top_ups.Wish(
        customer=customer,
        currency=currency,
        threshold_minor=body.threshold_minor,
        amount_minor=body.amount_minor,
        bonus_minor=body.bonus_minor,
        monthly_cap_minor=body.monthly_cap_minor,
    )
    return show_rule(await top_ups.set_rule(ctx, wish))


@router.post("/top-ups/{customer:path}/{currency}/pause")
async def pause_top_up(
    ctx: RequestCtx, customer: CustomerPath, currency: CurrencyPath
) -> TopUpShown:
    """Charge nothing by a rule until it is resumed."""
    return show_rule(await top_ups.set_state(ctx, customer, currency, RuleState.PAUSED))


@router.post("/top-ups/{customer:path}/{currency}/resume")
async def resume_top_up(
    ctx: RequestCtx, customer: CustomerPath, currency: CurrencyPath
) -> TopUpShown:
    """Let a rule act again, at once if the credit is below its threshold."""
    return show_rule(await top_ups.set_state(ctx, customer, currency, RuleState.ACTIVE))


@router.delete("/top-ups/{customer:path}/{currency}", status_code=204)
async def remove_top_up(ctx: RequestCtx, customer: CustomerPath, currency: CurrencyPath) -> None:
    """Forget a rule; a payment under way is still waited for."""
    await top_ups.remove_rule(ctx, customer, currency)
