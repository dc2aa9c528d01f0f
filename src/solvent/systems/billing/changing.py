"""What would a change of a subscription cost, before it is made?"""

from __future__ import annotations

from dataclasses import dataclass

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.ledger import service as ledger
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Foreseen, When
from solvent.kit.ctx import Ctx


@dataclass(frozen=True, slots=True)
class Quote:
    """What a change would come to before tax.

    `now_minor` is what the running period's invoice changes by, below zero for less.
    """

    foreseen: Foreseen
    now_minor: int
    currency: str


async def quote_change(
    ctx: Ctx,
    subscription_id: str,
    *,
    plan_key: str | None = None,
    version: int | None = None,
    quantity: int | None = None,
    when: When = When.AUTO,
) -> Quote:
    """Return what another plan, other seats or both would come to; changes nothing.

    Without a plan the present one is kept.

    Raises:
        As `subscriptions.change_plan`.
    """
    held = await subscriptions.get(ctx, subscription_id)
    kept = plan_key is None
    foreseen = await subscriptions.foresee_plan(
        ctx,
        held,
        plan_key or held.plan_key,
        version=held.plan_version if kept else version,
        when=when,
        quantity=quantity,
    )
    now_minor = 0
    if foreseen.when is When.NOW:
        (preview,) = await ledger.preview_foreseen(ctx, [foreseen])
        now_minor = preview.after.net_minor - preview.before.net_minor
    plan = await catalogue.plan_version(ctx, held.plan_key, held.plan_version)
    return Quote(foreseen, now_minor, plan.currency)
