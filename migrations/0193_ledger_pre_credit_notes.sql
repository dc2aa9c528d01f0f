-- What corrects a final invoice: it never changes, a credit note takes from it.

alter table ledger_invoice add column credited_minor bigint not null default 0 check (credited_minor >= 0);
alter table ledger_invoice add constraint ledger_invoice_settled_check
    check (paid_minor + credited_minor <= greatest(total_minor, 0));

create table ledger_credit_note (
    tenant_id text not null,
    id text not null,
    invoice_id text not null,
    source text not null,
    number bigint not null check (number > 0),
    document text not null,
    digest text not null check (digest ~ '^[0-9a-f]{64}$'),
    total_minor bigint not null check (total_minor > 0),
    off_due_minor bigint not null check (off_due_minor between 0 and total_minor),
    issued_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, number),
    unique (tenant_id, source),
    foreign key (tenant_id, invoice_id) references ledger_invoice (tenant_id, id)
);
create index ledger_credit_note_by_invoice on ledger_credit_note (tenant_id, invoice_id, id);
call kit_isolate('ledger_credit_note', 'select, insert');
create trigger ledger_credit_note_append_only before update or delete on ledger_credit_note
    for each row execute function ledger_append_only();
