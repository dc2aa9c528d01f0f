"""How are invoices drawn in the plain way, as a first version of a product does it?

An invoice is a transaction: read the subscription, add up its usage with one query a price, rate
it, count a number up, write the invoice and its lines. No evidence, ledger, events or audit.
"""

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from bench.billing_parts.stage import boundary

TABLES = """
create table if not exists bench_counter (last bigint not null);
create table if not exists bench_invoice (
    id bigint primary key, subscription_id text, total_minor bigint, made_at timestamptz);
create table if not exists bench_line (
    invoice_id bigint references bench_invoice, name text, quantity numeric, amount_minor bigint);
truncate bench_counter, bench_line, bench_invoice;
insert into bench_counter values (0);
"""
SUM = (
    "select coalesce(sum(value), 0) from metering_event where tenant_id = $1 and meter_key = 'gb'"
    " and customer_ref = $2 and at >= $3 and at < $4"
)
COUNT = (
    "select count(*) from metering_event where tenant_id = $1 and meter_key = 'calls'"
    " and customer_ref = $2 and at >= $3 and at < $4"
)


async def invoice_all(owner, tenant_id, *, limit):
    """Draw the first month's invoices of so many subscriptions; return how many."""
    await owner.execute(TABLES)
    ids = await owner.fetch(
        "select id from subscriptions_subscription where tenant_id = $1 order by id limit $2",
        tenant_id,
        limit,
    )
    for row in ids:
        async with owner.transaction():
            await _invoice(owner, tenant_id, row["id"])
    return len(ids)


async def _invoice(owner, tenant_id, subscription_id):
    held = await owner.fetchrow(
        "select * from subscriptions_subscription where tenant_id = $1 and id = $2",
        tenant_id,
        subscription_id,
    )
    customer = await owner.fetchrow(
        "select * from tenants_customer where tenant_id = $1 and id = $2",
        tenant_id,
        held["customer_id"],
    )
    where = (tenant_id, customer["external_ref"], boundary(0), boundary(1))
    gigabytes, calls = await owner.fetchval(SUM, *where), await owner.fetchval(COUNT, *where)
    rated = min(gigabytes, 100) * Decimal(20) + max(gigabytes - 100, 0) * Decimal(10)
    lines = [("base", Decimal(1), 2900), ("gb", gigabytes, _whole(rated)), ("calls", calls, calls)]
    number = await owner.fetchval("update bench_counter set last = last + 1 returning last")
    total = sum(amount for _, _, amount in lines)
    made_at = boundary(1) + timedelta(seconds=1)
    await owner.execute(
        "insert into bench_invoice values ($1, $2, $3, $4)", number, subscription_id, total, made_at
    )
    for name, quantity, amount in lines:
        await owner.execute(
            "insert into bench_line values ($1, $2, $3, $4)", number, name, quantity, amount
        )


def _whole(amount):
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
