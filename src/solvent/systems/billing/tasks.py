"""What does billing do when a period begins, and when it is over?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.contracts.payments import MethodChanged
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.ledger.events import CreditExpired
from solvent.kernel.ledger.model import Invoice
from solvent.kernel.ledger.service.late import LateSettled
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.events import PeriodEnded, SubscriptionChanged
from solvent.kernel.subscriptions.model import PlanRef
from solvent.kit.clock import parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import JobPayload
from solvent.kit.log import get_logger
from solvent.systems.billing import parking, plan_credit, service
from solvent.systems.billing.migrations import service as migrations

log = get_logger(__name__)


async def on_period_ended(ctx: Ctx, event: PeriodEnded) -> None:
    """Invoice the period, once; one of nothing but trial or pause has no invoice."""
    await on_periods_ended(ctx, [event])


async def on_periods_ended(ctx: Ctx, events: Sequence[PeriodEnded]) -> None:
    """Invoice many periods in one transaction; if one of them fails, each is tried by itself."""
    asked = [
        (one.subscription_id, Period(one.period_start, one.period_end))
        for one in events
        if one.charged_seconds > 0
    ]
    if len(asked) == 1:
        _tell(asked[0][0], await service.close_period(ctx, *asked[0]))
    elif asked:
        closed = await service.close_periods(ctx, asked)
        for (subscription_id, _), invoice in zip(asked, closed, strict=True):
            _tell(subscription_id, invoice)


async def run_finish_period(ctx: Ctx, payload: JobPayload) -> None:
    """Draw a draft anew, now that it has stayed one for as long as its plan says, and finish it."""
    start, end = (
        parse_time(str(payload[key]), field=key) for key in ("period_start", "period_end")
    )
    subscription_id = str(payload["subscription_id"])
    invoice = await service.close_period(ctx, subscription_id, Period(start, end))
    _tell(subscription_id, invoice)


def _tell(subscription_id: str, invoice: Invoice | None) -> None:
    if invoice is None or invoice.number is None:
        log.info("period_open", subscription_id=subscription_id)
        return
    log.info(
        "period_closed",
        subscription_id=subscription_id,
        invoice_id=invoice.id,
        number=invoice.number,
        total_minor=invoice.draft.total_minor,
    )


async def on_subscriptions_changed(ctx: Ctx, events: Sequence[SubscriptionChanged]) -> None:
    """Give the credit that periods bring, and invoice what they charge in advance, each once.

    A change to what neither brings nor charges anything yet costs no look of its own.
    """
    versions: dict[PlanRef, PlanVersion] = {}
    changed = await subscriptions.get_many(ctx, {one.subscription_id for one in events})
    for held in changed:
        if held.plan not in versions:
            plan_key, number = held.plan.plan_key, held.plan.version
            versions[held.plan] = await catalogue.plan_version(ctx, plan_key, number)
        if versions[held.plan].terms.credits:
            await plan_credit.grant(ctx, held, versions[held.plan])
    if len(changed) == 1:
        opened = await service.open_period(ctx, changed[0].id)
        _tell_opened([opened] if opened else [])
    else:
        _tell_opened(await service.open_periods(ctx, changed))


def _tell_opened(opened: Sequence[Invoice]) -> None:
    for invoice in opened:
        log.info(
            "period_opened",
            subscription_id=invoice.draft.subscription_id,
            invoice_id=invoice.id,
            number=invoice.number,
            total_minor=invoice.draft.total_minor,
        )


async def on_method_changed(ctx: Ctx, event: MethodChanged) -> None:
    """Let a trial go on whose plan needs a card: there is one."""
    await subscriptions.note_card(ctx, event.customer_id, on_file=True)


async def run_migration(ctx: Ctx, payload: JobPayload) -> None:
    """Do the next part of a migration."""
    await migrations.step(ctx, str(payload["migration_id"]))


async def run_settle_late(ctx: Ctx, payloads: Sequence[JobPayload]) -> None:
    """Charge, or give back, what came late for subscriptions that have ended."""
    for payload in payloads:
        subscription_id = str(payload["subscription_id"])
        settled = await service.settle_late(ctx, subscription_id)
        if settled != LateSettled():
            log.info(
                "late_settled",
                subscription_id=subscription_id,
                invoice_id=settled.invoice.id if settled.invoice else None,
                credit_notes=[one.id for one in settled.credit_notes],
            )


async def run_rate_stated(ctx: Ctx, payload: JobPayload) -> None:
    """Let accounts be charged that waited for a tax rate: it may be known now."""
    after = str(payload["after"]) if "after" in payload else None
    await service.release_untaxed(ctx, str(payload["country"]), after=after)


async def run_releases(ctx: Ctx, payloads: Sequence[JobPayload]) -> None:
    """Charge accounts that waited for a tax rate."""
    await service.release_all(ctx, [str(one["customer_id"]) for one in payloads])


async def on_credit_expired(ctx: Ctx, event: CreditExpired) -> None:
    """Let the rest of a plan's credit go on into the next period, as far as the plan allows."""
    await plan_credit.roll_over(ctx, event.grant_id, event.amount_minor)


async def check_parked(ctx: Ctx) -> list[tuple[str, str]]:
    """No account waits for somebody to look at it."""
    found = await parking.list_parked(ctx)
    return [(one.customer_id, f"{one.reason}: {one.detail}") for one in found]
