"""How do invoices reach the database, get their numbers, and come back?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from solvent.kernel.ledger import document
from solvent.kernel.ledger.model import Invoice, InvoiceId, InvoiceKind, InvoiceStatus
from solvent.kernel.metering.model import Period
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId


async def find_overlapping(
    tx: Tx, tenant_id: TenantId, *, subscription_id: str, kind: InvoiceKind, period: Period
) -> list[Invoice]:
    """Return the invoices of this kind that charge for any second of the period."""
    rows = await tx.fetch(
        """select * from ledger_invoice
           where tenant_id = $1 and subscription_id = $2 and kind = $3
             and period_start < $5 and period_end > $4
           order by period_start""",
        tenant_id,
        subscription_id,
        kind.value,
        period.start,
        period.end,
    )
    return [_invoice(row) for row in rows]


async def find_of_periods(
    tx: Tx, tenant_id: TenantId, asked: Sequence[tuple[str, Period]]
) -> list[list[Invoice]]:
    """Return for each (subscription id, period) the invoices that charge for any second of it."""
    rows = await tx.fetch(
        """select asked.place, invoice.*
           from unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) with ordinality
                as asked (id, first_at, end_at, place)
           join ledger_invoice invoice on invoice.tenant_id = $1
                and invoice.subscription_id = asked.id and period_start < asked.end_at
                and period_end > asked.first_at
           order by asked.place, period_start""",
        tenant_id,
        [id_ for id_, _ in asked],
        [period.start for _, period in asked],
        [period.end for _, period in asked],
    )
    found: list[list[Invoice]] = [[] for _ in asked]
    for row in rows:
        found[int(row["place"]) - 1].append(_invoice(row))
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """How far usage was seen by the latest invoice of a subscription before a period."""

    period_end: datetime
    usage_up_to: int
    late_from: int | None


async def standings(
    tx: Tx, tenant_id: TenantId, asked: Sequence[tuple[str, Period]]
) -> list[Standing | None]:
    """Return for each (subscription id, period) the latest invoice of a period before, if any.

    Void ones are passed over: what they corrected is to be corrected again.
    """
    rows = await tx.fetch(
        """select asked.place, latest.period_end,
                  (latest.document::jsonb ->> 'usage_up_to')::bigint as usage_up_to,
                  (latest.document::jsonb ->> 'late_from')::bigint as late_from
           from unnest($2::text[], $3::timestamptz[]) with ordinality as asked (id, first_at, place)
           cross join lateral (
               select period_end, document from ledger_invoice
               where tenant_id = $1 and subscription_id = asked.id and kind = 'period'
                 and period_start < asked.first_at and status <> 'void'
               order by period_start desc limit 1
           ) as latest""",
        tenant_id,
        [id_ for id_, _ in asked],
        [period.start for _, period in asked],
    )
    found: list[Standing | None] = [None for _ in asked]
    for row in rows:
        place = int(row["place"]) - 1
        found[place] = Standing(row["period_end"], row["usage_up_to"], row["late_from"])
    return found


async def list_of_periods(
    tx: Tx, tenant_id: TenantId, subscription_id: str, *, limit: int
) -> list[Invoice]:
    """Return the invoices of a subscription's periods that are not void, the latest first."""
    rows = await tx.fetch(
        """select * from ledger_invoice
           where tenant_id = $1 and subscription_id = $2 and kind = 'period' and status <> 'void'
           order by period_start desc limit $3""",
        tenant_id,
        subscription_id,
        limit,
    )
    return [_invoice(row) for row in rows]


async def list_correcting(
    tx: Tx, tenant_id: TenantId, subscription_ids: Collection[str]
) -> list[Invoice]:
    """Return those invoices of subscriptions that correct earlier ones and are not void."""
    rows = await tx.fetch(
        """select * from ledger_invoice
           where tenant_id = $1 and subscription_id = any($2::text[]) and status <> 'void'
             and document like '%"corrects":{%'""",
        tenant_id,
        list(subscription_ids),
    )
    return [_invoice(row) for row in rows]


async def list_charged(
    tx: Tx,
    tenant_id: TenantId,
    *,
    customer_id: str | None,
    since: datetime,
    after: str,
    limit: int,
) -> list[Invoice]:
    """Return the final invoices of periods that ended after a moment, by id after `after`."""
    rows = await tx.fetch(
        """select * from ledger_invoice
           where tenant_id = $1 and kind = 'period' and status in ('final', 'paid')
             and ($2::text is null or customer_id = $2) and period_end > $3 and id > $4
           order by id limit $5""",
        tenant_id,
        customer_id,
        since,
        after,
        limit,
    )
    return [_invoice(row) for row in rows]


async def insert_drafts(tx: Tx, tenant_id: TenantId, drafts: Sequence[tuple[Invoice, str]]) -> None:
    """Store new drafts, each with the text of its document."""
    rows = [_draft_row(invoice, text) for invoice, text in drafts]
    if rows:
        await tx.execute(
            """insert into ledger_invoice
                   (tenant_id, id, customer_id, subscription_id, kind, period_start, period_end,
                    status, currency, total_minor, document, digest, drawn_at)
               select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::text[],
                   $6::timestamptz[], $7::timestamptz[], $8::text[], $9::text[], $10::bigint[],
                   $11::text[], $12::text[], $13::timestamptz[])""",
            tenant_id,
            *(list(column) for column in zip(*rows, strict=True)),
        )


def _draft_row(invoice: Invoice, text: str) -> tuple[object, ...]:
    said = invoice.draft
    return (
        invoice.id,
        said.customer_id,
        said.subscription_id,
        said.kind.value,
        said.period_start,
        said.period_end,
        invoice.status.value,
        said.currency,
        said.total_minor,
        text,
        invoice.digest,
        invoice.drawn_at,
    )


async def redraw(tx: Tx, tenant_id: TenantId, invoice: Invoice, *, text: str) -> None:
    """Replace what a draft says; the database refuses it for a final invoice."""
    await tx.execute(
        """update ledger_invoice
           set document = $3, digest = $4, total_minor = $5, currency = $6, drawn_at = $7
           where tenant_id = $1 and id = $2""",
        tenant_id,
        invoice.id,
        text,
        invoice.digest,
        invoice.draft.total_minor,
        invoice.draft.currency,
        invoice.drawn_at,
    )


async def save_state(tx: Tx, tenant_id: TenantId, invoice: Invoice) -> None:
    """Store where an invoice stands: its status, number, parties, times and what was paid."""
    await save_states(tx, tenant_id, [invoice])


async def save_states(tx: Tx, tenant_id: TenantId, invoices: Sequence[Invoice]) -> None:
    """Store where each of these invoices stands, as `save_state`."""
    rows = [
        (
            invoice.id,
            invoice.status.value,
            invoice.number,
            document.canonical_parties(invoice.parties) if invoice.parties else None,
            invoice.paid_minor,
            invoice.finalized_at,
            invoice.due_at,
            invoice.paid_at,
            invoice.voided_at,
            invoice.credited_minor,
        )
        for invoice in invoices
    ]
    if rows:
        await tx.execute(
            """update ledger_invoice
               set status = told.status, number = told.number, parties = told.parties,
                   paid_minor = told.paid_minor, finalized_at = told.finalized_at,
                   due_at = told.due_at, paid_at = told.paid_at, voided_at = told.voided_at,
                   credited_minor = told.credited_minor
               from unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[],
                           $7::timestamptz[], $8::timestamptz[], $9::timestamptz[],
                           $10::timestamptz[], $11::bigint[])
                    as told (id, status, number, parties, paid_minor, finalized_at, due_at, paid_at,
                             voided_at, credited_minor)
               where ledger_invoice.tenant_id = $1 and ledger_invoice.id = told.id""",
            tenant_id,
            *(list(column) for column in zip(*rows, strict=True)),
        )


async def find(tx: Tx, tenant_id: TenantId, invoice_id: str) -> Invoice | None:
    """Return an invoice by its id."""
    row = await tx.fetchrow(
        "select * from ledger_invoice where tenant_id = $1 and id = $2", tenant_id, invoice_id
    )
    return _invoice(row) if row else None


async def customers_of(tx: Tx, tenant_id: TenantId, ids: Collection[str]) -> dict[str, str]:
    """Return whose each of these invoices is, for those that there are."""
    rows = await tx.fetch(
        "select id, customer_id from ledger_invoice where tenant_id = $1 and id = any($2::text[])",
        tenant_id,
        list(ids),
    )
    return {str(row["id"]): str(row["customer_id"]) for row in rows}


async def find_many(tx: Tx, tenant_id: TenantId, ids: Collection[str]) -> dict[str, Invoice]:
    """Return those of these invoices that there are, by id."""
    rows = await tx.fetch(
        "select * from ledger_invoice where tenant_id = $1 and id = any($2::text[])",
        tenant_id,
        list(ids),
    )
    return {str(row["id"]): _invoice(row) for row in rows}


async def find_by_number(tx: Tx, tenant_id: TenantId, number: int) -> Invoice | None:
    """Return an invoice by its number."""
    row = await tx.fetchrow(
        "select * from ledger_invoice where tenant_id = $1 and number = $2", tenant_id, number
    )
    return _invoice(row) if row else None


async def list_open(
    tx: Tx, tenant_id: TenantId, *, customer_id: str, currency: str
) -> list[Invoice]:
    """Return a customer's final invoices on which something is due, the oldest number first."""
    rows = await tx.fetch(
        """select * from ledger_invoice
           where tenant_id = $1 and customer_id = $2 and currency = $3 and status = 'final'
           order by number""",
        tenant_id,
        customer_id,
        currency,
    )
    return [_invoice(row) for row in rows]


async def list_owing(
    tx: Tx, tenant_id: TenantId, pairs: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return those (customer id, currency) in which something is due on a final invoice."""
    rows = await tx.fetch(
        """select distinct customer_id, currency
           from unnest($2::text[], $3::text[]) as asked (customer_id, currency)
           join ledger_invoice invoice using (customer_id, currency)
           where invoice.tenant_id = $1 and status = 'final'""",
        tenant_id,
        [customer_id for customer_id, _ in pairs],
        [currency for _, currency in pairs],
    )
    return {(row["customer_id"], row["currency"]) for row in rows}


async def list_page(
    tx: Tx,
    tenant_id: TenantId,
    *,
    customer_id: str | None,
    subscription_id: str | None,
    status: InvoiceStatus | None,
    after: str | None,
    limit: int,
) -> list[Invoice]:
    """Return invoices, newest first, beginning after the id `after`."""
    rows = await tx.fetch(
        """select * from ledger_invoice
           where tenant_id = $1 and ($2::text is null or customer_id = $2)
             and ($3::text is null or subscription_id = $3)
             and ($4::text is null or status = $4) and ($5::text is null or id < $5)
           order by id desc limit $6""",
        tenant_id,
        customer_id,
        subscription_id,
        status.value if status else None,
        after,
        limit,
    )
    return [_invoice(row) for row in rows]


async def last_end(tx: Tx, tenant_id: TenantId, *, subscription_id: str) -> datetime | None:
    """Return the end of the latest period of a subscription that has an invoice."""
    found: datetime | None = await tx.fetchval(
        """select max(period_end) from ledger_invoice
           where tenant_id = $1 and subscription_id = $2 and kind = 'period'""",
        tenant_id,
        subscription_id,
    )
    return found


async def last_ends(
    tx: Tx, tenant_id: TenantId, subscription_ids: Collection[str]
) -> dict[str, datetime]:
    """Return what `last_end` would of each of these subscriptions that has an invoice."""
    rows = await tx.fetch(
        """select subscription_id, max(period_end) as last_end from ledger_invoice
           where tenant_id = $1 and subscription_id = any($2::text[]) and kind = 'period'
           group by subscription_id""",
        tenant_id,
        list(subscription_ids),
    )
    return {str(row["subscription_id"]): row["last_end"] for row in rows}


async def recent_totals(
    tx: Tx,
    tenant_id: TenantId,
    wanted: Collection[tuple[str, InvoiceKind]],
    *,
    limit: int,
) -> dict[tuple[str, InvoiceKind], list[int]]:
    """Return the totals of the latest final invoices of each (subscription, kind), newest first."""
    asked = sorted(wanted)
    rows = await tx.fetch(
        """select asked.place, recent.total_minor
           from unnest($2::text[], $3::text[]) with ordinality as asked (id, kind, place)
           cross join lateral (
               select total_minor, period_start from ledger_invoice
               where tenant_id = $1 and subscription_id = asked.id
                 and ledger_invoice.kind = asked.kind and status in ('final', 'paid')
               order by period_start desc limit $4
           ) as recent
           order by asked.place, recent.period_start desc""",
        tenant_id,
        [id_ for id_, _ in asked],
        [kind.value for _, kind in asked],
        limit,
    )
    found: dict[tuple[str, InvoiceKind], list[int]] = {one: [] for one in asked}
    for row in rows:
        found[asked[int(row["place"]) - 1]].append(int(row["total_minor"]))
    return found


def _invoice(row: Row) -> Invoice:
    return Invoice(
        id=InvoiceId(row["id"]),
        status=InvoiceStatus(row["status"]),
        draft=document.parse(row["document"]),
        digest=row["digest"],
        drawn_at=row["drawn_at"],
        number=row["number"],
        parties=document.parse_parties(row["parties"]) if row["parties"] else None,
        paid_minor=row["paid_minor"],
        credited_minor=row["credited_minor"],
        finalized_at=row["finalized_at"],
        due_at=row["due_at"],
        paid_at=row["paid_at"],
        voided_at=row["voided_at"],
    )
