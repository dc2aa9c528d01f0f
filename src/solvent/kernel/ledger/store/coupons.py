"""How do coupons and their redemptions reach the database, and come back?"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from solvent.kernel.ledger.model import Coupon, Discount, Redemption
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId


async def insert(tx: Tx, tenant_id: TenantId, coupon: Coupon) -> bool:
    """Write a coupon; False, and nothing written, if there is one of the code."""
    written = await tx.execute(
        """insert into ledger_coupon
               (tenant_id, code, name, percent, amount_minor, currency, periods, plan_keys,
                redemptions_max, redeem_by, created_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           on conflict (tenant_id, code) do nothing""",
        tenant_id,
        coupon.discount.code,
        coupon.discount.name,
        coupon.discount.percent,
        coupon.discount.amount_minor,
        coupon.currency,
        coupon.periods,
        list(coupon.plan_keys),
        coupon.redemptions_max,
        coupon.redeem_by,
        coupon.created_at,
    )
    return bool(written)


async def find(tx: Tx, tenant_id: TenantId, code: str) -> Coupon | None:
    """Return a coupon by its code."""
    row = await tx.fetchrow(
        "select * from ledger_coupon where tenant_id = $1 and code = $2", tenant_id, code
    )
    return _coupon(row) if row else None


async def list_page(tx: Tx, tenant_id: TenantId, *, after: str, limit: int) -> list[Coupon]:
    """Return coupons in the order of their codes, those after `after`."""
    rows = await tx.fetch(
        "select * from ledger_coupon where tenant_id = $1 and code > $2 order by code limit $3",
        tenant_id,
        after,
        limit,
    )
    return [_coupon(row) for row in rows]


async def close(tx: Tx, tenant_id: TenantId, code: str) -> None:
    """Let nobody redeem a coupon any more."""
    await tx.execute(
        "update ledger_coupon set closed = true where tenant_id = $1 and code = $2",
        tenant_id,
        code,
    )


async def take(tx: Tx, tenant_id: TenantId, code: str) -> bool:
    """Count one redemption; False if there is none left."""
    taken = await tx.execute(
        """update ledger_coupon set redeemed = redeemed + 1
           where tenant_id = $1 and code = $2
             and (redemptions_max is null or redeemed < redemptions_max)""",
        tenant_id,
        code,
    )
    return bool(taken)


async def add_redemption(
    tx: Tx, tenant_id: TenantId, *, id_: str, code: str, subscription_id: str, at: datetime
) -> bool:
    """Write that a subscription has a coupon; False if it ever had it."""
    written = await tx.execute(
        """insert into ledger_redemption (tenant_id, id, code, subscription_id, redeemed_at)
           values ($1, $2, $3, $4, $5)
           on conflict (tenant_id, subscription_id, code) do nothing""",
        tenant_id,
        id_,
        code,
        subscription_id,
        at,
    )
    return bool(written)


async def list_redemptions(tx: Tx, tenant_id: TenantId, subscription_id: str) -> list[Redemption]:
    """Return the coupons that a subscription has or had, by their codes."""
    return await list_redemptions_of(tx, tenant_id, [subscription_id])


async def list_redemptions_of(
    tx: Tx, tenant_id: TenantId, subscription_ids: Collection[str]
) -> list[Redemption]:
    """Return the coupons that these subscriptions have or had, by their codes."""
    rows = await tx.fetch(
        """select coupon.*, redemption.id as redemption_id, redemption.redeemed_at,
                  redemption.subscription_id,
                  redemption.ended_at,
                  array(select period_start from ledger_redemption_period used
                        where used.tenant_id = $1 and used.redemption_id = redemption.id
                        order by period_start) as used_in
           from ledger_redemption redemption
           join ledger_coupon coupon using (tenant_id, code)
           where redemption.tenant_id = $1 and redemption.subscription_id = any($2::text[])
           order by code""",
        tenant_id,
        list(subscription_ids),
    )
    return [
        Redemption(
            id=row["redemption_id"],
            coupon=_coupon(row),
            subscription_id=row["subscription_id"],
            redeemed_at=row["redeemed_at"],
            ended_at=row["ended_at"],
            used_in=tuple(row["used_in"]),
        )
        for row in rows
    ]


async def note_use(
    tx: Tx, tenant_id: TenantId, redemption_id: str, *, period_start: datetime
) -> None:
    """Note that a redemption took something off in a period; a period counts once."""
    await tx.execute(
        """insert into ledger_redemption_period (tenant_id, redemption_id, period_start)
           values ($1, $2, $3) on conflict do nothing""",
        tenant_id,
        redemption_id,
        period_start,
    )


async def end_redemption(tx: Tx, tenant_id: TenantId, redemption_id: str, at: datetime) -> None:
    """Let a coupon take nothing more off a subscription."""
    await tx.execute(
        """update ledger_redemption set ended_at = $3
           where tenant_id = $1 and id = $2 and ended_at is null""",
        tenant_id,
        redemption_id,
        at,
    )


def _coupon(row: Row) -> Coupon:
    return Coupon(
        discount=Discount(row["code"], row["name"], row["percent"], row["amount_minor"]),
        currency=row["currency"],
        periods=row["periods"],
        plan_keys=tuple(row["plan_keys"]),
        redemptions_max=row["redemptions_max"],
        redeem_by=row["redeem_by"],
        redeemed=row["redeemed"],
        closed=row["closed"],
        created_at=row["created_at"],
    )
