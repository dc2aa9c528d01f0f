"""Which rows of a tenant's ledger contradict each other?"""

from __future__ import annotations

from dataclasses import dataclass

from solvent.kernel.ledger.model import Problem
from solvent.kit.db import Tx
from solvent.kit.ids import TenantId

PROBLEMS_MAX = 1_000
"""A report names at most this many of each kind; the first is enough to stop and look."""


@dataclass(frozen=True, slots=True)
class Check:
    """A query that returns a row (subject, detail) for each contradiction."""

    code: str
    sql: str


_UNBALANCED = """
select transaction_id as subject, 'off by ' || sum(amount_minor) || ' ' || currency as detail
from ledger_entry where tenant_id = $1
group by transaction_id, currency having sum(amount_minor) <> 0
"""

_EMPTY = """
select id as subject, 'has no entries' as detail from ledger_transaction head
where tenant_id = $1 and not exists (
    select from ledger_entry where tenant_id = $1 and transaction_id = head.id)
"""

_NUMBERS = """
select 'invoice numbers' as subject,
       format('%s invoices, numbers %s to %s, counter at %s', count(*), min(number), max(number),
              coalesce(max(last_number), 0)) as detail
from (select number from ledger_invoice where tenant_id = $1 and number is not null) numbered
full join (select last_number from ledger_counter where tenant_id = $1 and name = 'invoice') kept
    on true
having count(number) <> coalesce(max(last_number), 0) or coalesce(max(number), 0) <> count(number)
"""

_DIGESTS = """
select id as subject, 'the document is not what its digest says' as detail
from ledger_invoice
where tenant_id = $1 and digest <> encode(sha256(convert_to(document, 'UTF8')), 'hex')
"""

_POSTED = """
select invoice.id as subject,
       format('total %s, but %s was posted as owed', invoice.total_minor,
              coalesce(posted.owed, 0)) as detail
from ledger_invoice invoice
left join lateral (
    select sum(entry.amount_minor) as owed
    from ledger_transaction head
    join ledger_entry entry
        on entry.tenant_id = head.tenant_id and entry.transaction_id = head.id
    where head.tenant_id = $1 and entry.account_kind = 'receivable'
      and (head.source_kind, head.source_id) in
          (('invoice', invoice.id), ('reversal', 'invoice/' || invoice.id))
) posted on true
where tenant_id = $1
  and coalesce(posted.owed, 0) <> case when invoice.status in ('final', 'paid')
                                       then invoice.total_minor else 0 end
"""

_SETTLED = """
select invoice.id as subject,
       format('%s of %s paid and %s, but settlements come to %s', paid_minor, total_minor, status,
              coalesce(used.total, 0)) as detail
from ledger_invoice invoice
left join lateral (
    select sum(amount_minor) as total from ledger_settlement
    where tenant_id = $1 and invoice_id = invoice.id
) used on true
where tenant_id = $1
  and (paid_minor <> coalesce(used.total, 0)
       or (status = 'paid')
           <> (paid_minor + credited_minor = total_minor and status in ('final', 'paid')))
"""

_CREDITED = """
select invoice.id as subject,
       format('%s taken off, but credit notes say %s of %s', credited_minor,
              coalesce(notes.off_due, 0), coalesce(notes.total, 0)) as detail
from ledger_invoice invoice
left join lateral (
    select sum(off_due_minor) as off_due, sum(total_minor) as total from ledger_credit_note
    where tenant_id = $1 and invoice_id = invoice.id
) notes on true
where tenant_id = $1
  and (credited_minor <> coalesce(notes.off_due, 0) or coalesce(notes.total, 0) > total_minor)
"""

_PAYMENTS = """
select payment.id as subject,
       format('%s paid, %s used, %s refunded, but %s left', amount_minor,
              coalesce(used.total, 0), coalesce(back.total, 0), unapplied_minor) as detail
from ledger_payment payment
left join lateral (
    select sum(amount_minor) as total from ledger_settlement
    where tenant_id = $1 and payment_id = payment.id
) used on true
left join lateral (
    select sum(amount_minor) as total, sum(from_credit_minor) as from_credit from ledger_refund
    where tenant_id = $1 and payment_id = payment.id
) back on true
where tenant_id = $1
  and (unapplied_minor <> case purpose when 'purchase' then 0 else amount_minor end
                          - coalesce(used.total, 0) - coalesce(back.from_credit, 0)
       or refunded_minor <> coalesce(back.total, 0))
"""

_BALANCES = """
with booked as (
    select entry.account_kind, entry.customer_id, entry.currency, sum(entry.amount_minor) as total
    from ledger_entry entry
    join ledger_transaction head
        on head.tenant_id = entry.tenant_id and head.id = entry.transaction_id
    left join ledger_transaction undone
        on undone.tenant_id = head.tenant_id and undone.id = head.reverses_id
    where entry.tenant_id = $1 and entry.customer_id is not null
      and coalesce(undone.source_kind, head.source_kind) <> 'adjustment'
    group by 1, 2, 3
), expected as (
    select 'receivable' as account_kind, customer_id, currency,
           sum(total_minor - paid_minor - credited_minor) as total
    from ledger_invoice where tenant_id = $1 and status in ('final', 'paid') group by 2, 3
    union all
    select case purpose when 'grant' then 'grant' else 'credit' end, customer_id, currency,
           -sum(unapplied_minor)
    from ledger_payment where tenant_id = $1 group by 1, 2, 3
)
select account_kind || ':' || customer_id as subject,
       format('balance %s %s, but invoices and payments say %s', coalesce(booked.total, 0),
              currency, coalesce(expected.total, 0)) as detail
from booked full join expected using (account_kind, customer_id, currency)
where coalesce(booked.total, 0) <> coalesce(expected.total, 0)
"""

_OVERLAPS = """
select id as subject,
       format('charges from %s on, and an earlier invoice until %s', period_start, charged_until)
           as detail
from (
    select id, period_start, max(period_end) over (
               partition by subscription_id order by period_start, id
               rows between unbounded preceding and 1 preceding) as charged_until
    from ledger_invoice where tenant_id = $1 and kind = 'period' and status <> 'void'
) as one
where charged_until > period_start
"""

CHECKS = (
    Check("ledger.transaction_unbalanced", _UNBALANCED),
    Check("ledger.transaction_empty", _EMPTY),
    Check("ledger.number_gap", _NUMBERS),
    Check("ledger.document_changed", _DIGESTS),
    Check("ledger.periods_overlap", _OVERLAPS),
    Check("ledger.invoice_not_posted", _POSTED),
    Check("ledger.settlement_mismatch", _SETTLED),
    Check("ledger.credit_mismatch", _CREDITED),
    Check("ledger.payment_mismatch", _PAYMENTS),
    Check("ledger.balance_mismatch", _BALANCES),
)


async def run(tx: Tx, tenant_id: TenantId, check: Check) -> list[Problem]:
    """Return what one check finds, in the order of the subjects."""
    rows = await tx.fetch(f"{check.sql} order by 1 limit {PROBLEMS_MAX}", tenant_id)
    return [Problem(check.code, row["subject"], row["detail"]) for row in rows]


async def count(tx: Tx, tenant_id: TenantId) -> tuple[int, int, int]:
    """Return how many transactions, invoices and payments there are."""
    row = await tx.fetchrow(
        """select (select count(*) from ledger_transaction where tenant_id = $1) as transactions,
                  (select count(*) from ledger_invoice where tenant_id = $1) as invoices,
                  (select count(*) from ledger_payment where tenant_id = $1) as payments""",
        tenant_id,
    )
    return (row["transactions"], row["invoices"], row["payments"]) if row else (0, 0, 0)
