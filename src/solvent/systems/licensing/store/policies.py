"""Which policies and releases does a tenant have?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from solvent.kit.db import Row, Tx, UniqueViolation
from solvent.kit.ids import TenantId
from solvent.systems.licensing.errors import PolicyInvalid
from solvent.systems.licensing.model import Policy

TERMS = TypeAdapter(Policy)
_ONE_OF_EACH = {
    "licensing_policy_of_plan": "plan_key",
    "licensing_policy_of_trial": "trial",
    "licensing_policy_of_purchases": "unnamed_purchases",
}


@dataclass(frozen=True, slots=True)
class Sale:
    """Which policies fulfil what is sold."""

    of_plans: Mapping[str, Policy]
    of_purchases: Policy | None
    """What fulfils purchases that name no plan."""

    def of_purchase(self, plan_key: str | None) -> Policy | None:
        """Return what fulfils something that was bought once."""
        return self.of_purchases if plan_key is None else self.of_plans.get(plan_key)


async def save(tx: Tx, tenant_id: TenantId, policy: Policy, *, at: datetime) -> None:
    """Insert a policy, or change it for all licenses that have it.

    Raises:
        PolicyInvalid: another policy is the one for its plan, for trials of its product, or for
            purchases that name no plan.
    """
    try:
        await tx.execute(
            """
            insert into licensing_policy
                (tenant_id, key, product, trial, plan_key, unnamed_purchases, terms, updated_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            on conflict (tenant_id, key) do update set product = $3, trial = $4, plan_key = $5,
                unnamed_purchases = $6, terms = $7, updated_at = $8
            """,
            tenant_id,
            policy.key,
            policy.product,
            policy.trial,
            policy.plan_key,
            policy.unnamed_purchases,
            TERMS.dump_python(policy, mode="json"),
            at,
        )
    except UniqueViolation as taken:
        field = next(field for index, field in _ONE_OF_EACH.items() if index in str(taken))
        raise PolicyInvalid("expected what no other policy has", field=field) from None


async def find(tx: Tx, tenant_id: TenantId, key: str) -> Policy | None:
    """Return the policy of a key."""
    row = await tx.fetchrow(
        "select terms from licensing_policy where tenant_id = $1 and key = $2", tenant_id, key
    )
    return policy_of(row) if row else None


async def that_sell(tx: Tx, tenant_id: TenantId) -> Sale | None:
    """Return which policy fulfils what; None where there is no policy at all."""
    rows = await tx.fetch(
        "select terms from licensing_policy where tenant_id = $1 order by key", tenant_id
    )
    if not rows:
        return None
    policies = [policy_of(row) for row in rows]
    return Sale(
        of_plans={one.plan_key: one for one in policies if one.plan_key},
        of_purchases=next((one for one in policies if one.unnamed_purchases), None),
    )


async def lock_trial(tx: Tx, tenant_id: TenantId, product: str) -> Policy | None:
    """Return the policy for trials of a product; one trial at a time passes here."""
    row = await tx.fetchrow(
        "select terms from licensing_policy"
        " where tenant_id = $1 and product = $2 and trial for update",
        tenant_id,
        product,
    )
    return policy_of(row) if row else None


async def page(tx: Tx, tenant_id: TenantId, *, after: str, limit: int) -> list[Policy]:
    """Return policies by key, those after one."""
    rows = await tx.fetch(
        "select terms from licensing_policy where tenant_id = $1 and key > $2"
        " order by key limit $3",
        tenant_id,
        after,
        limit,
    )
    return [policy_of(row) for row in rows]


async def save_release(
    tx: Tx, tenant_id: TenantId, *, product: str, version: str, released_at: datetime
) -> None:
    """Insert a release, or correct when it came out."""
    await tx.execute(
        """
        insert into licensing_release (tenant_id, product, version, released_at)
        values ($1, $2, $3, $4)
        on conflict (tenant_id, product, version) do update set released_at = $4
        """,
        tenant_id,
        product,
        version,
        released_at,
    )


async def newest_release(
    tx: Tx, tenant_id: TenantId, product: str, *, until: datetime
) -> str | None:
    """Return the version that was the newest at a moment."""
    return await tx.fetchval(
        """
        select version from licensing_release
        where tenant_id = $1 and product = $2 and released_at <= $3
        order by released_at desc, version desc limit 1
        """,
        tenant_id,
        product,
        until,
    )


async def released_at(tx: Tx, tenant_id: TenantId, product: str, version: str) -> datetime | None:
    """Return when a version came out."""
    return await tx.fetchval(
        "select released_at from licensing_release"
        " where tenant_id = $1 and product = $2 and version = $3",
        tenant_id,
        product,
        version,
    )


def policy_of(row: Row) -> Policy:
    """Return the policy in a row's terms."""
    return TERMS.validate_python(row["terms"])
