-- Credit that is given: kept beside payments, because invoices use both, but on accounts of its own.

alter table ledger_entry drop constraint ledger_entry_check;
alter table ledger_entry add constraint ledger_entry_check
    check ((account_kind in ('receivable', 'credit', 'grant')) = (customer_id is not null));

alter table ledger_payment drop constraint ledger_payment_purpose_check;
alter table ledger_payment drop constraint ledger_payment_check;
alter table ledger_payment drop constraint ledger_payment_check1;
alter table ledger_payment drop constraint ledger_payment_check2;
alter table ledger_payment
    add constraint ledger_payment_purpose_check check (purpose in ('account', 'purchase', 'grant')),
    add constraint ledger_payment_unapplied_check
        check (unapplied_minor between 0 and amount_minor and (purpose <> 'purchase' or unapplied_minor = 0)),
    add constraint ledger_payment_refunded_check check (refunded_minor between 0 and amount_minor),
    add column description text not null default '',
    add column priority int not null default 0 check (priority between 0 and 9),
    add column expires_at timestamptz,
    add constraint ledger_payment_expiry_check check (purpose = 'grant' or expires_at is null);
