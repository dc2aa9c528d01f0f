"""How does a bench get a shop with thousands of subscribers and a month of their usage?"""

import asyncio
import os
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from solvent.app.testing import EPOCH, fresh_tenant
from solvent.kernel.ledger import service as ledger
from solvent.kernel.tenants import service as tenants
from solvent.systems.billing.testing import Shop

CATALOGUE = b"""
[meters.gb]
aggregation = "sum"
late = "correct"
[meters.calls]
aggregation = "count"
[products.logs]
[plans.pro]
product = "logs"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = "29.00" }
[plans.pro.prices.gb]
model = "graduated"
meter = "gb"
tiers = [{ up_to = 100, unit_price = "0.20" }, { unit_price = "0.10" }]
[plans.pro.prices.calls]
model = "per_unit"
meter = "calls"
unit_price = "0.01"
"""
WHALE, PATIENCE_S, TICKS = "whale", 600, os.sysconf("SC_CLK_TCK")
_postgres = []


def watch(engines):
    """Note which process PostgreSQL is."""
    _postgres[:] = [engines.postgres.pid]


def server_s():
    """Return the processor seconds of PostgreSQL so far, with those of its ended processes."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        stats[int(path.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])))
    family = set(_postgres)
    for _ in range(3):
        family |= {pid for pid, (parent, _) in stats.items() if parent in family}
    return sum(ticks for pid, (_, ticks) in stats.items() if pid in family) / TICKS


def boundary(month):
    """Return where the periods of all subscriptions meet."""
    return EPOCH.replace(month=EPOCH.month + month)


async def make_shop(house):
    """Make a tenant that sells a plan of a fee and two metered prices."""
    shop = Shop(house.edge, await fresh_tenant(house))
    await shop.stock(CATALOGUE)
    return shop


_NTH = "left({}, -6) || to_char(n, 'FM000000')"
_CLONE = """
insert into {table}
select (jsonb_populate_record(null::{table}, to_jsonb(one) || {changes})).*
from {table} one, generate_series(1, $2) as n where one.tenant_id = $1 and {which}
"""


async def fill(shop, owner, *, count, events):
    """Make so many subscribers of one that the product made, and usage of all of them."""
    await shop.customer("customer-0")
    held = await shop.subscribe("customer-0")
    for table, more, which in (
        ("tenants_customer", "'external_ref', 'customer-' || n", "id = $3 and $4 <> ''"),
        ("subscriptions_subscription", f"'customer_id', {_NTH.format('$3')}", "id = $4"),
        (
            "kit_job",
            f"""'unique_key', replace(unique_key, $4, {_NTH.format("$4")}),
                'payload', replace(payload::text, $4, {_NTH.format("$4")})::jsonb""",
            "payload::text like '%' || $4 || '%' and $3 <> ''",
        ),
    ):
        changes = f"jsonb_build_object('id', {_NTH.format('id')}, {more})"
        sql = _CLONE.format(table=table, changes=changes, which=which)
        await owner.execute(sql, shop.tenant_id, count - 1, held.customer_id, held.id)
    await add_usage(shop, owner, refs=[f"customer-{n}" for n in range(count)], events=events)
    rows = await owner.fetch(
        "select id from subscriptions_subscription where tenant_id = $1 order by id", shop.tenant_id
    )
    assert len(rows) == count
    return [row["id"] for row in rows]


async def add_usage(shop, owner, *, refs, events, prefix="e"):
    """Load usage of the first month, even over customers and days, nine tenths of it gigabytes."""
    seconds = (boundary(1) - boundary(0)).total_seconds()

    def row(n):
        metered = n // len(refs) % 10 < 9 or len(refs) == 1
        return (
            shop.tenant_id,
            f"{prefix}{n:09}",
            "gb" if metered else "calls",
            refs[n % len(refs)],
            (at := EPOCH + timedelta(seconds=int(seconds * n / events))),
            Decimal(n % 700) / 100 if metered else None,
            b"\0" * 16,
            at,
        )

    columns = [
        "tenant_id",
        "id",
        "meter_key",
        "customer_ref",
        "at",
        "value",
        "fingerprint",
        "received_at",
    ]
    for first in range(0, events, 100_000):
        rows = [row(n) for n in range(first, min(first + 100_000, events))]
        await owner.copy_records_to_table("metering_event", records=rows, columns=columns)
    await owner.execute("analyze")


async def add_whale(shop, owner, events):
    """Load usage of one customer alone."""
    await shop.customer(WHALE)
    await add_usage(shop, owner, refs=[WHALE], events=events, prefix="w")


async def move_clock(shop, to):
    """Move the shop's clock without telling its subscriptions' jobs one by one."""
    await shop.do(lambda ctx: tenants.move_test_clock(ctx, to))


async def count_final(owner, shop):
    """Return how many invoices have a number."""
    return await owner.fetchval(
        "select coalesce(max(last_number), 0) from ledger_counter"
        " where tenant_id = $1 and name = 'invoice'",
        shop.tenant_id,
    )


async def gapless(owner, shop):
    """Return how many invoices there are, whose numbers must be one to that."""
    row = await owner.fetchrow(
        "select count(distinct number) as count, max(number) as last from ledger_invoice"
        " where tenant_id = $1",
        shop.tenant_id,
    )
    assert row["count"] == row["last"]
    return row["count"]


async def drained(owner):
    """Wait until the relay has told of everything."""
    end = time.monotonic() + PATIENCE_S
    while await owner.fetchval("select count(*) from kit_outbox"):
        if time.monotonic() > end:
            sys.exit("bench: the outbox does not drain")
        await asyncio.sleep(0.1)


async def first_invoices(shop):
    """Return the invoices of the first month."""
    found, after = [], None
    while True:
        async with shop.open() as ctx:
            page = await ledger.list_invoices(ctx, after=after, limit=500)
        found += page
        if len(page) < 500:
            return found
        after = page[-1].id
