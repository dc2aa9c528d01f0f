"""What does billing do when a period begins, and when it is over?"""

from __future__ import annotations

from solvent.kernel.ledger.events import CreditExpired
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.events import PeriodEnded, SubscriptionChanged
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


async def on_subscription_changed(ctx: Ctx, event: SubscriptionChanged) -> None:
    """Give the credit that a period brings, and invoice what it charges in advance, each once."""
    await plan_credit.grant(ctx, event.subscription_id)
    invoice = await service.open_period(ctx, event.subscription_id)
    if invoice is not None:
        log.info(
            "period_opened",
            subscription_id=event.subscription_id,
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
