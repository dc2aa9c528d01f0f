"""How do payments, settlements and refunds reach the database, and come back?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from solvent.kernel.ledger.model import (
    Available,
    InvoiceId,
    Payment,
    PaymentId,
    Purpose,
    Settlement,
)
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId


async def insert(tx: Tx, tenant_id: TenantId, payments: Sequence[Payment]) -> set[str]:
    """Write payments; return the ids of those whose provider's id was not known."""
    rows = await tx.fetchmany(
        """insert into ledger_payment
               (tenant_id, id, provider, provider_payment_id, purpose, customer_id, currency,
                amount_minor, unapplied_minor, refunded_minor, received_at, subscription_id,
                covers_from, description, priority, expires_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
           on conflict (tenant_id, provider, provider_payment_id) do nothing returning id""",
        [
            (
                tenant_id,
                one.id,
                one.provider,
                one.provider_payment_id,
                one.purpose.value,
                one.customer_id,
                one.currency,
                one.amount_minor,
                one.unapplied_minor,
                one.refunded_minor,
                one.received_at,
                one.subscription_id,
                one.covers_from,
                one.description,
                one.priority,
                one.expires_at,
            )
            for one in payments
        ],
    )
    return {row["id"] for row in rows}


async def find_by_provider(
    tx: Tx, tenant_id: TenantId, *, provider: str, provider_payment_id: str
) -> Payment | None:
    """Return the payment that a provider knows by this id."""
    row = await tx.fetchrow(
        """select * from ledger_payment
           where tenant_id = $1 and provider = $2 and provider_payment_id = $3""",
        tenant_id,
        provider,
        provider_payment_id,
    )
    return _payment(row) if row else None


async def find(tx: Tx, tenant_id: TenantId, payment_id: str) -> Payment | None:
    """Return a payment by its id."""
    row = await tx.fetchrow(
        "select * from ledger_payment where tenant_id = $1 and id = $2", tenant_id, payment_id
    )
    return _payment(row) if row else None


async def find_all(
    tx: Tx, tenant_id: TenantId, payment_ids: Sequence[PaymentId]
) -> dict[PaymentId, Payment]:
    """Return payments by their ids."""
    rows = await tx.fetch(
        "select * from ledger_payment where tenant_id = $1 and id = any($2)",
        tenant_id,
        list(payment_ids),
    )
    return {one.id: one for one in map(_payment, rows)}


async def list_with_money(tx: Tx, tenant_id: TenantId, customer_ids: Collection[str]) -> set[str]:
    """Return those of these customers who have a payment with money left."""
    rows = await tx.fetch(
        """select distinct customer_id from ledger_payment
           where tenant_id = $1 and customer_id = any($2::text[]) and unapplied_minor > 0""",
        tenant_id,
        list(customer_ids),
    )
    return {str(row["customer_id"]) for row in rows}


async def list_available(
    tx: Tx, tenant_id: TenantId, *, customer_id: str, currency: str, at: datetime
) -> list[Available]:
    """Return a customer's payments with money left, and whether each waits for its own invoice.

    Grants that have expired at the moment are left out.
    """
    rows = await tx.fetch(
        """select payment.*, covers_from is not null and not exists (
               select from ledger_invoice invoice
               where invoice.tenant_id = $1 and invoice.subscription_id = payment.subscription_id
                 and invoice.period_start <= covers_from and invoice.period_end > covers_from
                 and invoice.status <> 'draft'
           ) as waiting
           from ledger_payment payment
           where tenant_id = $1 and customer_id = $2 and currency = $3 and unapplied_minor > 0
             and (expires_at is null or expires_at > $4)
           order by id""",
        tenant_id,
        customer_id,
        currency,
        at,
    )
    return [Available(_payment(row), waiting=row["waiting"]) for row in rows]


async def add_settlement(
    tx: Tx, tenant_id: TenantId, settlement: Settlement, *, settlement_id: str, at: datetime
) -> None:
    """Write that part of a payment is used for an invoice, and take it off what the payment has."""
    await tx.execute(
        """insert into ledger_settlement
               (tenant_id, id, payment_id, invoice_id, amount_minor, at)
           values ($1, $2, $3, $4, $5, $6)""",
        tenant_id,
        settlement_id,
        settlement.payment_id,
        settlement.invoice_id,
        settlement.amount_minor,
        at,
    )
    await tx.execute(
        """update ledger_payment set unapplied_minor = unapplied_minor - $3
           where tenant_id = $1 and id = $2""",
        tenant_id,
        settlement.payment_id,
        settlement.amount_minor,
    )


async def list_settled(tx: Tx, tenant_id: TenantId, *, invoice_id: str) -> list[Settlement]:
    """Return what each payment has put into an invoice and not got back."""
    rows = await tx.fetch(
        """select payment_id, sum(amount_minor)::bigint as amount_minor from ledger_settlement
           where tenant_id = $1 and invoice_id = $2
           group by payment_id having sum(amount_minor) <> 0 order by payment_id""",
        tenant_id,
        invoice_id,
    )
    return [
        Settlement(PaymentId(row["payment_id"]), InvoiceId(invoice_id), row["amount_minor"])
        for row in rows
    ]


async def add_refund(
    tx: Tx,
    tenant_id: TenantId,
    *,
    refund_id: str,
    payment_id: str,
    provider: str,
    provider_refund_id: str,
    amount_minor: int,
    from_credit_minor: int,
    at: datetime,
) -> None:
    """Write a refund and take it off the payment."""
    await tx.execute(
        """insert into ledger_refund
               (tenant_id, id, payment_id, provider, provider_refund_id, amount_minor,
                from_credit_minor, at)
           values ($1, $2, $3, $4, $5, $6, $7, $8)""",
        tenant_id,
        refund_id,
        payment_id,
        provider,
        provider_refund_id,
        amount_minor,
        from_credit_minor,
        at,
    )
    await tx.execute(
        """update ledger_payment
           set refunded_minor = refunded_minor + $3, unapplied_minor = unapplied_minor - $4
           where tenant_id = $1 and id = $2""",
        tenant_id,
        payment_id,
        amount_minor,
        from_credit_minor,
    )


async def find_refund(
    tx: Tx, tenant_id: TenantId, *, provider: str, provider_refund_id: str
) -> tuple[str, int] | None:
    """Return the payment and amount of the refund that a provider knows by this id."""
    row = await tx.fetchrow(
        """select payment_id, amount_minor from ledger_refund
           where tenant_id = $1 and provider = $2 and provider_refund_id = $3""",
        tenant_id,
        provider,
        provider_refund_id,
    )
    return (row["payment_id"], row["amount_minor"]) if row else None


async def list_grants(
    tx: Tx, tenant_id: TenantId, *, customer_id: str, after: str | None, limit: int
) -> list[Payment]:
    """Return a customer's grants, the newest first, those after the id `after`."""
    rows = await tx.fetch(
        """select * from ledger_payment
           where tenant_id = $1 and customer_id = $2 and purpose = 'grant'
             and ($3::text is null or id < $3)
           order by id desc limit $4""",
        tenant_id,
        customer_id,
        after,
        limit,
    )
    return [_payment(row) for row in rows]


def _payment(row: Row) -> Payment:
    return Payment(
        id=PaymentId(row["id"]),
        provider=row["provider"],
        provider_payment_id=row["provider_payment_id"],
        purpose=Purpose(row["purpose"]),
        customer_id=row["customer_id"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        unapplied_minor=row["unapplied_minor"],
        refunded_minor=row["refunded_minor"],
        received_at=row["received_at"],
        subscription_id=row["subscription_id"],
        covers_from=row["covers_from"],
        description=row["description"],
        priority=row["priority"],
        expires_at=row["expires_at"],
    )
