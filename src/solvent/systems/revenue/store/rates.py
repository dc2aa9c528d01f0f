"""How do rates and the policy reach the database and come back?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.revenue.model import Policy, Rate


async def save(tx: Tx, tenant_id: TenantId, rates: Sequence[Rate], *, at: datetime) -> None:
    """Keep rates, each in place of the one of its day."""
    await tx.executemany(
        """insert into revenue_rate (tenant_id, base, quote, day, rate, told_at)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (tenant_id, base, quote, day)
           do update set rate = excluded.rate, told_at = excluded.told_at""",
        [(tenant_id, one.base, one.quote, one.day, one.rate, at) for one in rates],
    )


async def remove(tx: Tx, tenant_id: TenantId, *, base: str, quote: str, day: date) -> bool:
    """Forget a rate; False if there is none."""
    return bool(
        await tx.execute(
            """delete from revenue_rate
               where tenant_id = $1 and base = $2 and quote = $3 and day = $4""",
            tenant_id,
            base,
            quote,
            day,
        )
    )


async def into(tx: Tx, tenant_id: TenantId, quote: str) -> list[Rate]:
    """Return all rates into a currency, by base and day."""
    rows = await tx.fetch(
        """select base, quote, day, rate from revenue_rate
           where tenant_id = $1 and quote = $2 order by base, day""",
        tenant_id,
        quote,
    )
    return [_rate(row) for row in rows]


async def page(
    tx: Tx, tenant_id: TenantId, *, after: tuple[str, str, date] | None, limit: int
) -> list[Rate]:
    """Return rates by their currencies and days, those after one."""
    base, quote, day = after or ("", "", date.min)
    rows = await tx.fetch(
        """select base, quote, day, rate from revenue_rate
           where tenant_id = $1 and (base, quote, day) > ($2, $3, $4)
           order by base, quote, day limit $5""",
        tenant_id,
        base,
        quote,
        day,
        limit,
    )
    return [_rate(row) for row in rows]


def _rate(row: Row) -> Rate:
    return Rate(row["base"], row["quote"], row["day"], row["rate"])


async def policy(tx: Tx, tenant_id: TenantId) -> Policy:
    """Return the policy of a business: days in UTC and each currency by itself, if none was set."""
    row = await tx.fetchrow(
        "select time_zone, currency from revenue_policy where tenant_id = $1", tenant_id
    )
    return Policy(row["time_zone"], row["currency"]) if row else Policy()


async def save_policy(tx: Tx, tenant_id: TenantId, one: Policy) -> None:
    """Keep the policy of a business."""
    await tx.execute(
        """insert into revenue_policy (tenant_id, time_zone, currency) values ($1, $2, $3)
           on conflict (tenant_id)
           do update set time_zone = excluded.time_zone, currency = excluded.currency""",
        tenant_id,
        one.time_zone,
        one.currency,
    )
