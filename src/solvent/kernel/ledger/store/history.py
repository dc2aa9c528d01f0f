"""Which SQL tells what lasts, and what went back, over the whole ledger?"""

from __future__ import annotations

from collections.abc import Collection

from solvent.kernel.ledger.model import Discount
from solvent.kernel.ledger.model.history import GivenBack, LastingDiscount
from solvent.kit.db import Tx
from solvent.kit.ids import TenantId


async def list_lasting(
    tx: Tx, tenant_id: TenantId, subscription_ids: Collection[str]
) -> list[LastingDiscount]:
    """Return the coupons without an end that these subscriptions have or had."""
    rows = await tx.fetch(
        """select redemption.subscription_id, redemption.redeemed_at, redemption.ended_at,
                  coupon.code, coupon.name, coupon.percent, coupon.amount_minor, coupon.currency,
                  coupon.plan_keys
           from ledger_redemption redemption join ledger_coupon coupon using (tenant_id, code)
           where redemption.tenant_id = $1 and redemption.subscription_id = any($2::text[])
             and coupon.periods is null
           order by redemption.subscription_id, coupon.code""",
        tenant_id,
        list(subscription_ids),
    )
    return [
        LastingDiscount(
            subscription_id=row["subscription_id"],
            discount=Discount(row["code"], row["name"], row["percent"], row["amount_minor"]),
            currency=row["currency"],
            plan_keys=tuple(row["plan_keys"]),
            since=row["redeemed_at"],
            until=row["ended_at"],
        )
        for row in rows
    ]


async def list_given_back(
    tx: Tx, tenant_id: TenantId, *, payment_ids: Collection[str] | None, after: str, limit: int
) -> list[GivenBack]:
    """Return refunds of invoiced money, of these payments or all, by id, those after `after`."""
    rows = await tx.fetch(
        """select refund.id, refund.payment_id, refund.at, payment.purpose, payment.currency,
                  refund.amount_minor - refund.from_credit_minor as amount_minor,
                  array(select invoice_id from ledger_settlement used
                        where used.tenant_id = $1 and used.payment_id = refund.payment_id
                          and used.at <= refund.at
                        group by invoice_id having sum(amount_minor) > 0
                        order by invoice_id) as invoice_ids,
                  array(select sum(amount_minor)::bigint from ledger_settlement used
                        where used.tenant_id = $1 and used.payment_id = refund.payment_id
                          and used.at <= refund.at
                        group by invoice_id having sum(amount_minor) > 0
                        order by invoice_id) as used_minor
           from ledger_refund refund
           join ledger_payment payment
             on payment.tenant_id = refund.tenant_id and payment.id = refund.payment_id
           where refund.tenant_id = $1 and ($2::text[] is null or refund.payment_id = any($2))
             and refund.id > $3 and refund.amount_minor > refund.from_credit_minor
           order by refund.id limit $4""",
        tenant_id,
        None if payment_ids is None else list(payment_ids),
        after,
        limit,
    )
    return [
        GivenBack(
            refund_id=row["id"],
            payment_id=row["payment_id"],
            purchase=row["purpose"] == "purchase",
            currency=row["currency"],
            amount_minor=row["amount_minor"],
            at=row["at"],
            used=tuple(zip(row["invoice_ids"], row["used_minor"], strict=True)),
        )
        for row in rows
    ]


async def list_invoice_ids(tx: Tx, tenant_id: TenantId, *, after: str, limit: int) -> list[str]:
    """Return the ids of invoices that are, or were, final, in order, those after `after`."""
    rows = await tx.fetch(
        """select id from ledger_invoice
           where tenant_id = $1 and number is not null and id > $2 order by id limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [row["id"] for row in rows]


async def list_purchase_ids(tx: Tx, tenant_id: TenantId, *, after: str, limit: int) -> list[str]:
    """Return the ids of payments for things sold once, in order, those after `after`."""
    rows = await tx.fetch(
        """select id from ledger_payment
           where tenant_id = $1 and purpose = 'purchase' and id > $2 order by id limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [row["id"] for row in rows]
