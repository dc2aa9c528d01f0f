"""Who has paid and has no license, because its policy was made later?"""

from __future__ import annotations

from dataclasses import dataclass

from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import GRANTING, Subscription
from solvent.kit.ctx import Ctx
from solvent.systems.licensing.model import License, Policy, Purchase
from solvent.systems.licensing.service.follow import begin, fulfil
from solvent.systems.licensing.service.policies import SCOPE_READ, SCOPE_WRITE
from solvent.systems.licensing.store import licenses as store
from solvent.systems.licensing.store import policies as policy_store
from solvent.systems.licensing.store import purchases as purchase_store

MISSING_LOOKED_AT = 200
"""How many purchases or subscriptions are looked at in one transaction."""

_PURCHASES, _SUBSCRIPTIONS = "purchases/", "subscriptions/"


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is paid for, and the policy by which it is to have a license."""

    policy: Policy
    paid: Subscription | Purchase

    @property
    def name(self) -> str:
        """Return the subscription's id, or what the provider calls the purchase."""
        return self.paid.key if isinstance(self.paid, Purchase) else self.paid.id

    @property
    def customer_id(self) -> str:
        """Return who paid."""
        return self.paid.customer_id


@dataclass(frozen=True, slots=True)
class MissingPage:
    """What was found among the first so many; `after` is where to go on, None at the end."""

    looked_at: int
    found: tuple[Missing, ...]
    after: str | None


async def list_waiting(ctx: Ctx, *, after: str = "", limit: int = 50) -> list[Purchase]:
    """Return what was bought once and no policy has fulfilled; needs `licensing:read`."""
    ctx.require(SCOPE_READ)
    return await purchase_store.page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def find_missing(ctx: Ctx, *, after: str = "", limit: int = MISSING_LOOKED_AT) -> MissingPage:
    """Return who is to have a license and has none, a part at a time; needs `licensing:read`.

    Purchases come first, then subscriptions that let their customer in.
    """
    ctx.require(SCOPE_READ)
    sale = await policy_store.that_sell(ctx.tx, ctx.tenant_id)
    if sale is None:
        return MissingPage(0, (), None)
    if after.startswith(_SUBSCRIPTIONS):
        return await _subscriptions(ctx, sale, after.removeprefix(_SUBSCRIPTIONS) or None, limit)
    return await _purchases(ctx, sale, after.removeprefix(_PURCHASES), limit)


async def issue_missing(
    ctx: Ctx, *, after: str = "", limit: int = MISSING_LOOKED_AT
) -> tuple[MissingPage, list[License]]:
    """Give those whom `find_missing` finds their licenses; needs `licensing:write`.

    Whoever has one is passed over: it may be asked for again, and while sales go on. Emits
    licensing.license_issued.v1 for each.
    """
    ctx.require(SCOPE_WRITE)
    page = await find_missing(ctx, after=after, limit=limit)
    given: list[License] = []
    for one in page.found:
        if isinstance(one.paid, Purchase):
            await purchase_store.take(ctx.tx, ctx.tenant_id, one.paid.key)
            made = await fulfil(ctx, one.policy, one.paid)
        else:
            made = await begin(ctx, one.policy, one.paid)
        given += [made] if made else []
    return page, given


async def _purchases(ctx: Ctx, sale: policy_store.Sale, after: str, limit: int) -> MissingPage:
    waiting = await purchase_store.page(ctx.tx, ctx.tenant_id, after=after, limit=limit)
    found = tuple(
        Missing(policy, one) for one in waiting if (policy := sale.of_purchase(one.plan_key))
    )
    is_full = len(waiting) == limit
    rest = _PURCHASES + waiting[-1].key if is_full else _SUBSCRIPTIONS
    return MissingPage(len(waiting), found, rest)


async def _subscriptions(
    ctx: Ctx, sale: policy_store.Sale, after: str | None, limit: int
) -> MissingPage:
    page = await subscriptions.list_all(ctx, after=after, limit=limit)
    covered = [one for one in page if one.plan_key in sale.of_plans and one.status in GRANTING]
    having = await store.that_follow(ctx.tx, ctx.tenant_id, [one.id for one in covered])
    found = tuple(
        Missing(sale.of_plans[one.plan_key], one) for one in covered if one.id not in having
    )
    is_full = len(page) == limit
    return MissingPage(len(page), found, _SUBSCRIPTIONS + page[-1].id if is_full else None)
