"""How do lines of revenue, and what was taken back of them, reach the database and come back?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from solvent.kernel.metering.model import Period
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.revenue.model import Alike, Line, LineOf, Reversal, Why

_LINE = (
    "document_id, line, of_kind, customer_id, subscription_id, plan_key, currency, amount_minor,"
    " since, until, billed_at"
)
_REVERSAL = "source_id, why, document_id, line, amount_minor, at"


async def insert(tx: Tx, tenant_id: TenantId, lines: Sequence[Line]) -> int:
    """Keep those lines that are not kept yet; return how many."""
    if not lines:
        return 0
    return await tx.execute(
        f"""insert into revenue_line (tenant_id, {_LINE})
            select $1, * from unnest($2::text[], $3::integer[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::bigint[], $10::timestamptz[], $11::timestamptz[],
                $12::timestamptz[])
            on conflict do nothing""",
        tenant_id,
        *_columns([_line_row(one) for one in lines]),
    )


async def insert_reversals(tx: Tx, tenant_id: TenantId, reversals: Sequence[Reversal]) -> int:
    """Keep those reversals that are not kept yet; return how many."""
    if not reversals:
        return 0
    return await tx.execute(
        f"""insert into revenue_reversal (tenant_id, {_REVERSAL})
            select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::integer[],
                $6::bigint[], $7::timestamptz[])
            on conflict do nothing""",
        tenant_id,
        *_columns([_reversal_row(one) for one in reversals]),
    )


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def of_documents(tx: Tx, tenant_id: TenantId, document_ids: Collection[str]) -> list[Line]:
    """Return the lines of these documents, in order."""
    rows = await tx.fetch(
        f"""select {_LINE} from revenue_line where tenant_id = $1 and document_id = any($2::text[])
            order by document_id, line""",
        tenant_id,
        list(document_ids),
    )
    return [_line(row) for row in rows]


async def reversals_of(
    tx: Tx, tenant_id: TenantId, document_ids: Collection[str]
) -> list[Reversal]:
    """Return what was taken back of these documents, in the order of time."""
    rows = await tx.fetch(
        f"""select {_REVERSAL} from revenue_reversal
            where tenant_id = $1 and document_id = any($2::text[])
            order by document_id, at, source_id, line""",
        tenant_id,
        list(document_ids),
    )
    return [_reversal(row) for row in rows]


async def touching(
    tx: Tx,
    tenant_id: TenantId,
    *,
    within: Period,
    reversed_only: bool,
    customer_id: str | None,
    plan_key: str | None,
    after: tuple[str, int],
    limit: int,
) -> list[Line]:
    """Return lines that a time sees: billed, served or taken back in it, or open across it.

    In the order of document and line, those after a place; all, or those of which something was
    taken back.
    """
    rows = await tx.fetch(
        f"""select {_LINE} from revenue_line
            where tenant_id = $1 and begins_at < $3 and (ends_at >= $2 or (document_id, line) in (
                    select document_id, line from revenue_reversal
                    where tenant_id = $1 and at >= $2))
              and ($4::text is null or customer_id = $4) and ($5::text is null or plan_key = $5)
              and (document_id, line) > ($6, $7)
              and (not $9 or (document_id, line) in (
                    select document_id, line from revenue_reversal where tenant_id = $1))
            order by document_id, line limit $8""",
        tenant_id,
        within.start,
        within.end,
        customer_id,
        plan_key,
        after[0],
        after[1],
        limit,
        reversed_only,
    )
    return [_line(row) for row in rows]


async def alike(
    tx: Tx,
    tenant_id: TenantId,
    *,
    within: Period,
    time_zone: str,
    customer_id: str | None,
    plan_key: str | None,
) -> list[Alike]:
    """Return the lines that a time sees and of which nothing was taken back, those alike counted.

    Days are those of the zone; a service has at least one.
    """
    rows = await tx.fetch(
        """with seen as (
               select of_kind, currency, amount_minor, (since at time zone $4)::date as start,
                      (until at time zone $4)::date as stop,
                      (billed_at at time zone $4)::date as billed_on
               from revenue_line
               where tenant_id = $1 and begins_at < $3 and ends_at >= $2
                 and ($5::text is null or customer_id = $5) and ($6::text is null or plan_key = $6)
                 and (document_id, line) not in (
                     select document_id, line from revenue_reversal where tenant_id = $1)
           )
           select of_kind, currency, amount_minor, start, greatest(stop, start + 1), billed_on,
                  count(*)::integer
           from seen group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6""",
        tenant_id,
        within.start,
        within.end,
        time_zone,
        customer_id,
        plan_key,
    )
    found: list[Alike] = []
    for row in rows:
        of, *rest = row.values()
        found.append(Alike(LineOf(of), *rest))
    return found


async def totals(tx: Tx, tenant_id: TenantId) -> dict[str, tuple[int, int]]:
    """Return what was billed less what credit notes and voids took back, and what went back
    without a credit note, by currency.
    """
    rows = await tx.fetch(
        """select currency, sum(amount_minor)::bigint as billed,
                  coalesce(sum(back.off), 0)::bigint as off,
                  coalesce(sum(back.refunded), 0)::bigint as refunded
           from revenue_line one left join lateral (
               select sum(amount_minor) filter (where why <> 'refund') as off,
                      sum(amount_minor) filter (where why = 'refund')
                        - coalesce(sum(amount_minor) filter (where why = 'matched'), 0) as refunded
               from revenue_reversal back
               where back.tenant_id = $1 and back.document_id = one.document_id
                 and back.line = one.line
           ) back on true
           where tenant_id = $1 group by currency""",
        tenant_id,
    )
    return {row["currency"]: (row["billed"] - row["off"], row["refunded"]) for row in rows}


async def count(tx: Tx, tenant_id: TenantId) -> int:
    """Return how many lines are kept."""
    return int(
        await tx.fetchval("select count(*) from revenue_line where tenant_id = $1", tenant_id)
    )


def _line_row(one: Line) -> tuple[object, ...]:
    return (
        one.document_id,
        one.line,
        one.of.value,
        one.customer_id,
        one.subscription_id,
        one.plan_key,
        one.currency,
        one.amount_minor,
        one.since,
        one.until,
        one.billed_at,
    )


def _reversal_row(one: Reversal) -> tuple[object, ...]:
    return one.source_id, one.why.value, one.document_id, one.line, one.amount_minor, one.at


def _line(row: Row) -> Line:
    document_id, line, of, *rest = row.values()
    return Line(document_id, line, LineOf(of), *rest)


def _reversal(row: Row) -> Reversal:
    source_id, why, *rest = row.values()
    return Reversal(source_id, Why(why), *rest)
