"""How long do the movements of 10,000 subscriptions over 24 months take to be derived from history?

One JSON object a line. Ours is `solvent revenue rebuild` from nothing: every movement is written,
with its customers locked and every plan version looked up; then `--verify`, and the reports. The
peer is what one writes by hand: one SQL query with window functions over the same tables, which
keeps nothing and knows no kinds, zones, coupons or rates. Both must come to the same MRR.
"""

import argparse
import asyncio
import json
import random
import time
from datetime import UTC, date, datetime, timedelta

from solvent.app.testing import fresh_engines, fresh_tenant, open_test_house
from solvent.systems.revenue import service
from solvent.systems.revenue.service import Ask
from solvent.systems.revenue.testing import Founder

GOAL_S, BEGAN = 10, datetime(2024, 1, 1, tzinfo=UTC)
PLANS = (("small", 1500), ("large", 4000), ("quarterly", 1000))

PEER = """
with worth (plan_key, minor) as (values ('small', 1500), ('large', 4000), ('quarterly', 1000)),
stretch as (
    select subscription_id, plan_key, starts_at, ends_at from subscriptions_segment
    where tenant_id = $1
    union all
    select id, plan_key, charged_from, null from subscriptions_subscription
    where tenant_id = $1 and charged_from is not null
),
step as (
    select starts_at as at, minor from stretch join worth using (plan_key)
    union all
    select ends_at, -minor from stretch join worth using (plan_key) where ends_at is not null
),
month as (
    select date_trunc('month', at at time zone 'UTC')::date as month, sum(minor) as moved
    from step group by 1
)
select month, sum(moved) over (order by month)::bigint as closing_minor from month order by month
"""


def lives(count, months):
    """Of each subscription: its customer, and the plans of its months; None after it ended."""
    chance = random.Random(7)
    for number in range(count):
        start = chance.randrange(3)
        plan, held = chance.choice(PLANS)[0], []
        for _ in range(start, months):
            if chance.random() < 0.02:
                held.append(None)
                break
            if chance.random() < 0.04:
                plan = chance.choice(PLANS)[0]
            held.append(plan)
        yield number, start, held


def month_at(index):
    """The moment at which a month of the bench begins, a little after midnight."""
    return datetime(BEGAN.year + index // 12, index % 12 + 1, 2, 3, tzinfo=UTC)


async def fill(ctx, count, months):
    """Write customers, subscriptions and a segment for each month that is over."""
    customers, held, segments = [], [], []
    for number, start, plans in lives(count, months):
        customer, sub = f"cus_{number:08}", f"sub_{number:08}"
        running = [plan for plan in plans if plan]
        ended = plans[-1] is None
        over = running if ended else running[:-1]
        for offset, plan in enumerate(over):
            segments.append((sub, month_at(start + offset), month_at(start + offset + 1), plan))
        if not running:
            continue
        customers.append(customer)
        at = month_at(start + len(over))
        held.append((sub, customer, running[-1], month_at(start), None if ended else at, at))
    tenant = ctx.tenant_id
    await ctx.tx.execute(
        "insert into tenants_customer"
        " (tenant_id, id, external_ref, time_zone, created_at, updated_at)"
        " select $1, id, id, 'UTC', $3, $3 from unnest($2::text[]) as id",
        tenant,
        customers,
        BEGAN,
    )
    await ctx.tx.execute(
        """insert into subscriptions_subscription
               (tenant_id, id, customer_id, product_key, plan_key, plan_version, status, current,
                period_start, period_end, anchor_at, time_zone, plan_expires_at, auto_renew,
                created_at, charged_from, ended_at)
           select $1, id, customer, 'desk', plan, 1,
               case when charged is null then 'canceled' else 'active' end, charged is not null,
               last, last + interval '1 month', began, 'UTC', last + interval '1 month', true,
               began, charged, case when charged is null then last end
           from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
               $7::timestamptz[]) as t (id, customer, plan, began, charged, last)""",
        tenant,
        *map(list, zip(*held, strict=True)),
    )
    await ctx.tx.execute(
        """insert into subscriptions_segment
               (tenant_id, subscription_id, starts_at, ends_at, plan_key, plan_version)
           select $1, t.*, 1
           from unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[])
               as t (sub, since, until, plan)""",
        tenant,
        *map(list, zip(*segments, strict=True)),
    )
    return len(held), len(segments)


async def timed(founder, use_case):
    """What a use case returns in a transaction of its own, and the seconds it took."""
    began = time.perf_counter()
    found = await founder.do(use_case)
    return found, round(time.perf_counter() - began, 2)


async def measure(house, count, months):
    """Fill a tenant, rebuild, verify, report, and ask the peer."""
    founder = Founder(house.edge, await fresh_tenant(house))
    await founder.stock()
    subscriptions, segments = await founder.do(lambda ctx: fill(ctx, count, months))
    rebuilt, rebuild_s = await timed(founder, service.rebuild)
    verified, verify_s = await timed(founder, service.verify)
    ask = Ask(date(2024, 1, 1), (month_at(months) - timedelta(days=1)).date().replace(day=1))
    rows, mrr_s = await timed(founder, lambda ctx: service.mrr(ctx, ask))
    _, retention_s = await timed(founder, lambda ctx: service.retention(ctx, ask))
    peers, peer_s = await timed(founder, lambda ctx: ctx.tx.fetch(PEER, ctx.tenant_id))
    assert verified.same
    assert [row.closing_minor for row in rows] == [row["closing_minor"] for row in peers]
    shared = {"subscriptions": subscriptions, "segments": segments, "months": months}
    found = len(rebuilt.differences) + rebuilt.more
    yield shared | {
        "what": "solvent revenue rebuild",
        "seconds": rebuild_s,
        "movements": found,
        "goal_s": GOAL_S,
        "goal_met": rebuild_s <= GOAL_S,
    }
    yield shared | {"what": "solvent revenue rebuild --verify", "seconds": verify_s}
    yield shared | {"what": "solvent revenue mrr", "seconds": mrr_s}
    yield shared | {"what": "solvent revenue retention", "seconds": retention_s}
    yield shared | {"what": "peer: one SQL query, nothing kept, MRR alone", "seconds": peer_s}


async def run(arguments):
    """Boot engines, measure, print."""
    with fresh_engines() as engines:
        async with open_test_house(engines) as house:
            async for line in measure(house, arguments.subscriptions, arguments.months):
                print(json.dumps(line), flush=True)


def main():
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=24, help="at most 24")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
