"""Which credit does each period of a plan bring, and how much of its rest goes on?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanCredit, PlanVersion
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Payment
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status, Subscription
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.kit.money import Money

USABLE_AFTER = timedelta(days=1)
"""How long a period's credit outlives it, so that the period's own invoice can use it."""

GIVEN = "plan"
ROLLED = "rolled"
SEPARATOR = "|"


async def grant(ctx: Ctx, held: Subscription, version: PlanVersion) -> list[Payment]:
    """Give the credit that the running period of a subscription brings by its plan, once."""
    if held.status is not Status.ACTIVE:
        return []
    return [
        await _give(ctx, held, one, Money(one.amount_minor, version.currency), kind=GIVEN)
        for one in version.terms.credits
    ]


async def roll_over(ctx: Ctx, grant_id: str, amount_minor: int) -> Payment | None:
    """Let what was left of a plan's credit go on into the running period, up to the plan's cap.

    None where it was no plan's credit, was taken back before its time, or nothing may go on.
    """
    rest = await ledger.get_grant(ctx, grant_id)
    kind, _, tail = rest.provider_payment_id.partition(SEPARATOR)
    over = rest.expires_at is not None and rest.expires_at <= ctx.now()
    if kind not in {GIVEN, ROLLED} or not over:
        return None
    subscription_id, key = tail.split(SEPARATOR)[:2]
    held = await subscriptions.get(ctx, subscription_id)
    terms = await _terms(ctx, held, key)
    if terms is None:
        return None
    left_minor = terms.rollover_minor - await _rolled(ctx, held, key)
    going_minor = min(amount_minor, left_minor)
    if going_minor <= 0:
        return None
    going = Money(going_minor, rest.currency)
    return await _give(ctx, held, terms, going, kind=ROLLED, of=grant_id)


async def _terms(ctx: Ctx, held: Subscription, key: str) -> PlanCredit | None:
    if held.status is not Status.ACTIVE:
        return None
    version = await catalogue.plan_version(ctx, held.plan_key, held.plan_version)
    return next((one for one in version.terms.credits if one.key == key), None)


async def _rolled(ctx: Ctx, held: Subscription, key: str) -> int:
    """Return how much has gone on into the running period already."""
    begun = _source(held, key, kind=ROLLED)
    grants = await ledger.list_grants(ctx, held.customer_id, limit=PAGE_SIZE_MAX)
    return sum(one.amount_minor for one in grants if one.provider_payment_id.startswith(begun))


async def _give(
    ctx: Ctx, held: Subscription, terms: PlanCredit, amount: Money, *, kind: str, of: str = ""
) -> Payment:
    return await ledger.grant_credit(
        ctx,
        customer_id=held.customer_id,
        amount=amount,
        name=terms.name,
        source=_source(held, terms.key, kind=kind) + of,
        priority=terms.priority,
        expires_at=held.period.end + USABLE_AFTER,
        subscription_id=held.id,
        covers_from=held.period.start,
    )


def _source(held: Subscription, key: str, *, kind: str) -> str:
    """Return what a period's credit is known by: it counts once."""
    begun = format_time(held.period.start)
    return SEPARATOR.join((kind, held.id, key, begun, ""))
