"""Which SQL keeps the rules by which customers top up their credit?"""

from __future__ import annotations

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.collection.model import RuleState, TopUpRule


async def save(tx: Tx, tenant_id: TenantId, rule: TopUpRule) -> None:
    """Write a customer's rule, in the place of the one before of the same currency."""
    await tx.execute(
        "insert into payments_top_up_rule (tenant_id, customer_id, currency, threshold_minor,"
        " amount_minor, bonus_minor, monthly_cap_minor, state, reason, created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        " on conflict (tenant_id, customer_id, currency) do update set"
        " threshold_minor = excluded.threshold_minor, amount_minor = excluded.amount_minor,"
        " bonus_minor = excluded.bonus_minor, monthly_cap_minor = excluded.monthly_cap_minor,"
        " state = excluded.state, reason = excluded.reason, updated_at = excluded.updated_at",
        tenant_id,
        rule.customer_id,
        rule.currency,
        rule.threshold_minor,
        rule.amount_minor,
        rule.bonus_minor,
        rule.monthly_cap_minor,
        rule.state,
        rule.reason,
        rule.created_at,
        rule.updated_at,
    )


async def lock(tx: Tx, tenant_id: TenantId, customer_id: str, currency: str) -> TopUpRule | None:
    """Return a customer's rule, which nobody else acts by before the transaction ends."""
    row = await tx.fetchrow(
        "select * from payments_top_up_rule"
        " where tenant_id = $1 and customer_id = $2 and currency = $3 for update",
        tenant_id,
        customer_id,
        currency,
    )
    return _rule(row) if row else None


async def list_of(tx: Tx, tenant_id: TenantId, customer_id: str) -> list[TopUpRule]:
    """Return a customer's rules, by currency."""
    rows = await tx.fetch(
        "select * from payments_top_up_rule where tenant_id = $1 and customer_id = $2"
        " order by currency",
        tenant_id,
        customer_id,
    )
    return [_rule(row) for row in rows]


async def list_page(
    tx: Tx, tenant_id: TenantId, *, after: tuple[str, str], limit: int
) -> list[TopUpRule]:
    """Return rules by customer and currency, those after a pair."""
    rows = await tx.fetch(
        "select * from payments_top_up_rule where tenant_id = $1"
        " and (customer_id, currency) > ($2, $3) order by customer_id, currency limit $4",
        tenant_id,
        *after,
        limit,
    )
    return [_rule(row) for row in rows]


async def remove(tx: Tx, tenant_id: TenantId, customer_id: str, currency: str) -> bool:
    """Forget a rule; return whether there was one."""
    gone = await tx.execute(
        "delete from payments_top_up_rule"
        " where tenant_id = $1 and customer_id = $2 and currency = $3",
        tenant_id,
        customer_id,
        currency,
    )
    return gone > 0


async def list_tenants(tx: Tx) -> list[TenantId]:
    """Return the tenants in which a rule acts."""
    rows = await tx.fetch("select tenant_id from payments_tenants_topping_up()")
    return [TenantId(row["tenant_id"]) for row in rows]


def _rule(row: Row) -> TopUpRule:
    return TopUpRule(
        customer_id=row["customer_id"],
        currency=row["currency"],
        threshold_minor=row["threshold_minor"],
        amount_minor=row["amount_minor"],
        bonus_minor=row["bonus_minor"],
        monthly_cap_minor=row["monthly_cap_minor"],
        state=RuleState(row["state"]),
        reason=row["reason"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
