"""How does a subscription get a better plan once it is paid for, and stay as it is otherwise?"""

from __future__ import annotations

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Status, Subscription, When
from solvent.kit.ctx import Ctx
from solvent.kit.errors import SolventError
from solvent.kit.log import get_logger
from solvent.kit.money import Money
from solvent.systems.payments.collection.errors import CollectionUnderWay, UpgradeRefused
from solvent.systems.payments.collection.model import (
    Collection,
    Purpose,
    Upgrade,
    UpgradeState,
)
from solvent.systems.payments.collection.rules.upgrade import quote
from solvent.systems.payments.collection.service import begin
from solvent.systems.payments.collection.store import upgrades as store
from solvent.systems.payments.service.accounts import SCOPE_WRITE

log = get_logger(__name__)


async def quote_upgrade(ctx: Ctx, subscription_id: str, plan_key: str) -> Money:
    """Return what an upgrade would be charged now; saves nothing.

    Raises:
        SubscriptionNotFound, PlanNotFound: there is no such thing.
        UpgradeRefused: it cannot be paid for at once, and why.
    """
    ctx.require(SCOPE_WRITE)
    _, _, amount = await _quoted(ctx, subscription_id, plan_key)
    return amount


async def _quoted(
    ctx: Ctx, subscription_id: str, plan_key: str
) -> tuple[Subscription, PlanVersion, Money]:
    held = await subscriptions.get(ctx, subscription_id)
    if held.provider_managed or held.status is not Status.ACTIVE:
        raise UpgradeRefused(field="subscription", status=held.status.value)
    old = await catalogue.plan_version(ctx, held.plan_key, held.plan_version)
    new = await catalogue.plan_version(ctx, plan_key)
    amount_minor = quote(old, new, period=held.period, now=ctx.now())
    return held, new, Money(amount_minor, new.currency)


async def upgrade(
    ctx: Ctx, subscription_id: str, plan_key: str, *, quoted_minor: int | None = None
) -> tuple[Upgrade, Collection]:
    """Charge what a better plan costs for the rest of the period; it begins when that is paid.

    Needs `payments:write`. With `quoted_minor` nothing else than that is charged.

    Raises:
        SubscriptionNotFound, PlanNotFound, UpgradeRefused: as `quote_upgrade`.
        UpgradeRefused: the amount is not what was quoted.
        CollectionUnderWay: another upgrade of it waits for its payment.
        PayerUnknown: no connected provider with an API key knows the customer.
    """
    ctx.require(SCOPE_WRITE)
    held, new, amount = await _quoted(ctx, subscription_id, plan_key)
    if quoted_minor is not None and amount.amount_minor != quoted_minor:
        message = "the amount is another than was quoted: ask for a new quote"
        raise UpgradeRefused(message, field="quoted_minor", now_minor=amount.amount_minor)
    if await store.find_open(ctx.tx, ctx.tenant_id, held.id):
        raise CollectionUnderWay(field="subscription")
    one = Upgrade(
        id=ctx.ids.new("upg"),
        subscription_id=held.id,
        plan_key=new.plan_key,
        plan_version=new.version,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        state=UpgradeState.WAITING,
        created_at=ctx.now(),
    )
    await store.insert(ctx.tx, ctx.tenant_id, one)
    begun = await begin.begin_amount(
        ctx,
        Purpose.UPGRADE,
        one.id,
        customer_id=held.customer_id,
        subscription_id=held.id,
        amount=amount,
    )
    data = {"plan": one.plan_key, "amount_minor": one.amount_minor}
    audit.record(ctx, action="payments.upgrade_asked", subject=held.id, data=data)
    return one, begun


async def on_paid(ctx: Ctx, held: Collection) -> None:
    """Change the plan that was paid for; where it cannot be any more the money stays as credit."""
    one = await store.find(ctx.tx, ctx.tenant_id, held.subject_id)
    if one is None or one.state is not UpgradeState.WAITING:
        return
    state, reason = UpgradeState.APPLIED, None
    try:
        async with ctx.tx.savepoint():
            await subscriptions.change_plan(
                ctx, one.subscription_id, one.plan_key, version=one.plan_version, when=When.NOW
            )
    except SolventError as refused:
        log.warning("upgrade_not_applied", upgrade_id=one.id, reason=str(refused))
        state, reason = UpgradeState.FAILED, refused.code
    await store.settle(ctx.tx, ctx.tenant_id, one.id, state=state, reason=reason)
    data = {"plan": one.plan_key, "state": state.value, "reason": reason}
    audit.record(ctx, action="payments.upgrade_settled", subject=one.subscription_id, data=data)


async def on_failed(ctx: Ctx, held: Collection) -> None:
    """Leave the subscription as it is."""
    one = await store.find(ctx.tx, ctx.tenant_id, held.subject_id)
    if one is None or one.state is not UpgradeState.WAITING:
        return
    await store.settle(ctx.tx, ctx.tenant_id, one.id, state=UpgradeState.FAILED, reason=held.reason)
    data = {"plan": one.plan_key, "state": UpgradeState.FAILED.value, "reason": held.reason}
    audit.record(ctx, action="payments.upgrade_settled", subject=one.subscription_id, data=data)
