"""How is a better plan begun for a payment at once, over HTTP?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from solvent.kit.http import RequestCtx, Router
from solvent.systems.payments.collection.json_form import (
    UpgradeQuote,
    UpgradeShown,
    show_collection,
)
from solvent.systems.payments.collection.service import upgrades

router = Router(tags=["upgrades"])

SubscriptionPath = Annotated[str, Path(max_length=64)]


class UpgradeBody(BaseModel):
    """The plan that is wanted; with `quoted_minor` nothing else than that is charged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: StrictStr = Field(max_length=64)
    quoted_minor: StrictInt | None = None


@router.get("/subscriptions/{subscription}/upgrade-quote")
async def quote_upgrade(
    ctx: RequestCtx,
    subscription: SubscriptionPath,
    plan: Annotated[str, Query(max_length=64)],
) -> UpgradeQuote:
    """Say what a better plan costs for the rest of the running period."""
    amount = await upgrades.quote_upgrade(ctx, subscription, plan)
    return UpgradeQuote(amount_minor=amount.amount_minor, currency=amount.currency)


@router.post("/subscriptions/{subscription}/upgrades", status_code=202)
async def upgrade_subscription(
    ctx: RequestCtx, subscription: SubscriptionPath, body: UpgradeBody
) -> UpgradeShown:
    """Charge for a better plan, which begins when that is paid; otherwise nothing changes."""
    one, begun = await upgrades.upgrade(
        ctx, subscription, body.plan, quoted_minor=body.quoted_minor
    )
    return UpgradeShown(
        id=one.id,
        plan=one.plan_key,
        plan_version=one.plan_version,
        amount_minor=one.amount_minor,
        currency=one.currency,
        collection=show_collection(begun),
    )
