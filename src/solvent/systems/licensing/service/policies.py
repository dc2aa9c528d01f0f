"""On which terms are licenses given, and which releases are there to cover?"""

from __future__ import annotations

from datetime import datetime

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.errors import PlanNotFound
from solvent.kit.ctx import Ctx
from solvent.systems.licensing.errors import PolicyInvalid, PolicyNotFound, ReleaseInvalid
from solvent.systems.licensing.model import Policy
from solvent.systems.licensing.rules import terms
from solvent.systems.licensing.rules.requests import PRODUCT
from solvent.systems.licensing.store import policies as store

SCOPE_READ = "licensing:read"
SCOPE_WRITE = "licensing:write"
VERSION_LENGTH_MAX = 64


async def save_policy(ctx: Ctx, policy: Policy) -> Policy:
    """Make a policy, or change it for every license that has it; needs `licensing:write`.

    Files that are out keep the terms under which they were made until they expire.

    Raises:
        PolicyInvalid: the terms do not add up, the catalogue has no such plan, or another policy
            fulfils it.
    """
    ctx.require(SCOPE_WRITE)
    terms.check(policy)
    if policy.plan_key:
        await _check_plan(ctx, policy.plan_key)
    await store.save(ctx.tx, ctx.tenant_id, policy, at=ctx.now())
    audit.record(ctx, action="licensing.policy_saved", subject=policy.key)
    return policy


async def get_policy(ctx: Ctx, key: str) -> Policy:
    """Return a policy; needs `licensing:read`. Raises PolicyNotFound."""
    ctx.require(SCOPE_READ)
    found = await store.find(ctx.tx, ctx.tenant_id, key) if terms.KEY.match(key) else None
    if found is None:
        raise PolicyNotFound(field="policy")
    return found


async def list_policies(ctx: Ctx, *, after: str = "", limit: int = 50) -> list[Policy]:
    """Return policies by key; needs `licensing:read`."""
    ctx.require(SCOPE_READ)
    return await store.page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def add_release(ctx: Ctx, *, product: str, version: str, released_at: datetime) -> None:
    """Say when a version came out, so that maintenance can cover it; needs `licensing:write`.

    Raises:
        ReleaseInvalid: the product or the version is none.
    """
    ctx.require(SCOPE_WRITE)
    named = version.isascii() and version.isprintable() and " " not in version
    if not PRODUCT.match(product) or not named or not 0 < len(version) <= VERSION_LENGTH_MAX:
        raise ReleaseInvalid(field="version")
    await store.save_release(
        ctx.tx, ctx.tenant_id, product=product, version=version, released_at=released_at
    )
    audit.record(
        ctx,
        action="licensing.release_added",
        subject=f"{product} {version}",
        data={"released_at": released_at},
    )


async def _check_plan(ctx: Ctx, plan_key: str) -> None:
    try:
        await catalogue.plan_version(ctx, plan_key)
    except PlanNotFound:
        raise PolicyInvalid("expected a plan of the catalogue", field="plan_key") from None
