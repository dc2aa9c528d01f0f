-- The ledger: double entry, invoices with gapless numbers, payments and how they settle invoices.

create table ledger_transaction (
    tenant_id text not null,
    id text not null,
    source_kind text not null,
    source_id text not null,
    description text not null,
    at timestamptz not null,
    reverses_id text,
    primary key (tenant_id, id),
    unique (tenant_id, source_kind, source_id),
    unique (tenant_id, reverses_id),
    foreign key (tenant_id, reverses_id) references ledger_transaction (tenant_id, id)
);
call kit_isolate('ledger_transaction', 'select, insert');

create table ledger_entry (
    tenant_id text not null,
    transaction_id text not null,
    position int not null,
    account_kind text not null,
    customer_id text,
    amount_minor bigint not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    primary key (tenant_id, transaction_id, position),
    check ((account_kind in ('receivable', 'credit')) = (customer_id is not null)),
    foreign key (tenant_id, transaction_id) references ledger_transaction (tenant_id, id),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
);
create index ledger_entry_by_account
    on ledger_entry (tenant_id, account_kind, customer_id, currency) include (amount_minor);
call kit_isolate('ledger_entry', 'select, insert');

-- Checked at commit: by then every entry of the transaction is there.
create function ledger_must_balance() returns trigger language plpgsql as $$
declare
    named text := case tg_table_name when 'ledger_entry' then to_jsonb(new) ->> 'transaction_id'
                                     else to_jsonb(new) ->> 'id' end;
    entries bigint;
    off text;
begin
    select count(*) into entries from ledger_entry
     where tenant_id = new.tenant_id and transaction_id = named;
    select string_agg(total || ' ' || currency, ', ') into off
      from (select currency, sum(amount_minor) as total from ledger_entry
             where tenant_id = new.tenant_id and transaction_id = named
             group by currency) sums
     where total <> 0;
    if entries < 2 or off is not null then
        raise exception 'ledger transaction % does not sum to zero: % entries, off by %',
            named, entries, coalesce(off, 'nothing')
            using errcode = 'check_violation', constraint = 'ledger_transaction_balanced';
    end if;
    return null;
end $$;

create constraint trigger ledger_transaction_balanced after insert on ledger_transaction
    deferrable initially deferred for each row execute function ledger_must_balance();
create constraint trigger ledger_entry_balanced after insert on ledger_entry
    deferrable initially deferred for each row execute function ledger_must_balance();

create function ledger_append_only() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: post a reversal', tg_table_name
        using errcode = 'restrict_violation';
end $$;

create trigger ledger_transaction_append_only before update or delete on ledger_transaction
    for each row execute function ledger_append_only();
create trigger ledger_entry_append_only before update or delete on ledger_entry
    for each row execute function ledger_append_only();

-- Numbers without a gap: the row stays locked from the draw to the commit, and a roll-back undoes it.
create table ledger_counter (
    tenant_id text not null,
    name text not null,
    last_number bigint not null check (last_number >= 0),
    primary key (tenant_id, name)
);
call kit_isolate('ledger_counter', 'select, insert, update');

create table ledger_invoice (
    tenant_id text not null,
    id text not null,
    customer_id text not null,
    subscription_id text not null,
    kind text not null,
    period_start timestamptz not null,
    period_end timestamptz not null check (period_end > period_start),
    status text not null check (status in ('draft', 'final', 'paid', 'void')),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    total_minor bigint not null,
    paid_minor bigint not null default 0,
    number bigint check (number > 0),
    document text not null,
    digest text not null check (digest ~ '^[0-9a-f]{64}$'),
    parties text,
    drawn_at timestamptz not null,
    finalized_at timestamptz,
    due_at timestamptz,
    paid_at timestamptz,
    voided_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, subscription_id, kind, period_start, period_end),
    unique (tenant_id, number),
    check (paid_minor between 0 and greatest(total_minor, 0)),
    check ((number is null) = (finalized_at is null)),
    check ((number is null) = (parties is null)),
    check (status in ('draft', 'void') or number is not null),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions_subscription (tenant_id, id)
);
create index ledger_invoice_by_customer on ledger_invoice (tenant_id, customer_id, id);
call kit_isolate('ledger_invoice', 'select, insert, update');

-- A final invoice never changes what it says, and no invoice is ever deleted.
create function ledger_invoice_frozen() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'invoices are never deleted: void it' using errcode = 'restrict_violation';
    end if;
    if old.number is not null and (new.number, new.document, new.digest, new.parties,
            new.total_minor, new.currency, new.customer_id, new.subscription_id, new.kind,
            new.period_start, new.period_end, new.finalized_at)
        is distinct from (old.number, old.document, old.digest, old.parties,
            old.total_minor, old.currency, old.customer_id, old.subscription_id, old.kind,
            old.period_start, old.period_end, old.finalized_at) then
        raise exception 'invoice % is final', old.id using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger ledger_invoice_frozen before update or delete on ledger_invoice
    for each row execute function ledger_invoice_frozen();

create table ledger_payment (
    tenant_id text not null,
    id text not null,
    provider text not null,
    provider_payment_id text not null,
    purpose text not null check (purpose in ('account', 'purchase')),
    customer_id text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint not null check (amount_minor > 0),
    unapplied_minor bigint not null 
        check (unapplied_minor between 0 and amount_minor)
        check (purpose = 'account' or unapplied_minor = 0),
    refunded_minor bigint not null check (refunded_minor between 0 and amount_minor),
    received_at timestamptz not null,
    subscription_id text,
    covers_from timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, provider, provider_payment_id),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions_subscription (tenant_id, id)
);
create index ledger_payment_unapplied on ledger_payment (tenant_id, customer_id, id)
    where unapplied_minor > 0;
call kit_isolate('ledger_payment', 'select, insert, update');

create table ledger_settlement (
    tenant_id text not null,
    id text not null,
    payment_id text not null,
    invoice_id text not null,
    amount_minor bigint not null check (amount_minor <> 0),
    at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, payment_id) references ledger_payment (tenant_id, id),
    foreign key (tenant_id, invoice_id) references ledger_invoice (tenant_id, id)
);
create index ledger_settlement_by_invoice on ledger_settlement (tenant_id, invoice_id);
create index ledger_settlement_by_payment on ledger_settlement (tenant_id, payment_id);
call kit_isolate('ledger_settlement', 'select, insert');
create trigger ledger_settlement_append_only before update or delete on ledger_settlement
    for each row execute function ledger_append_only();

create table ledger_refund (
    tenant_id text not null,
    id text not null,
    payment_id text not null,
    provider text not null,
    provider_refund_id text not null,
    amount_minor bigint not null check (amount_minor > 0),
    from_credit_minor bigint not null check (from_credit_minor between 0 and amount_minor),
    at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, provider, provider_refund_id),
    foreign key (tenant_id, payment_id) references ledger_payment (tenant_id, id)
);
create index ledger_refund_by_payment on ledger_refund (tenant_id, payment_id);
call kit_isolate('ledger_refund', 'select, insert');
create trigger ledger_refund_append_only before update or delete on ledger_refund
    for each row execute function ledger_append_only();
