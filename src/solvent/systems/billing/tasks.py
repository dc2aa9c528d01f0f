"""What does billing do when a period begins, and when it is over?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.ledger.events import CreditExpired
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.events import PeriodEnded, SubscriptionChanged
from solvent.kernel.subscriptions.model import PlanRef
from solvent.kit.ctx import Ctx
from solvent.kit.log import get_logger
from solvent.systems.billing import parking, plan_credit, service

log = get_logger(__name__)


async def on_period_ended(ctx: Ctx, event: PeriodEnded) -> None:
    """Invoice the period, once; one of nothing but trial or pause has no invoice."""
    if event.charged_seconds <= 0:
        return
    period = Period(event.period_start, event.period_end)
    invoice = await service.close_period(ctx, event.subscription_id, period)
    if invoice is None or invoice.number is None:
        log.error("account_parked", subscription_id=event.subscription_id)
        return
    log.info(
        "period_closed",
        subscription_id=event.subscription_id,
        invoice_id=invoice.id,
        number=invoice.number,
        total_minor=invoice.draft.total_minor,
    )


async def on_subscriptions_changed(ctx: Ctx, events: Sequence[SubscriptionChanged]) -> None:
    """Give the credit that periods bring, and invoice what they charge in advance, each once.

    A change to what neither brings nor charges anything yet costs no look of its own.
    """
    versions: dict[PlanRef, PlanVersion] = {}
    for held in await subscriptions.get_many(ctx, {one.subscription_id for one in events}):
        if held.plan not in versions:
            plan_key, number = held.plan.plan_key, held.plan.version
            versions[held.plan] = await catalogue.plan_version(ctx, plan_key, number)
        version = versions[held.plan]
        if version.terms.credits:
            await plan_credit.grant(ctx, held.id)
        if service.charges_in_advance(held, version):
            await _open_period(ctx, held.id)


async def _open_period(ctx: Ctx, subscription_id: str) -> None:
    invoice = await service.open_period(ctx, subscription_id)
    if invoice is not None:
        log.info(
            "period_opened",
            subscription_id=subscription_id,
            invoice_id=invoice.id,
            number=invoice.number,
            total_minor=invoice.draft.total_minor,
        )


async def on_credit_expired(ctx: Ctx, event: CreditExpired) -> None:
    """Let the rest of a plan's credit go on into the next period, as far as the plan allows."""
    await plan_credit.roll_over(ctx, event.grant_id, event.amount_minor)


async def check_parked(ctx: Ctx) -> list[tuple[str, str]]:
    """No account waits for somebody to look at it."""
    found = await parking.list_parked(ctx)
    return [(one.customer_id, f"{one.reason}: {one.detail}") for one in found]
