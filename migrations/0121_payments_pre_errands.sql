-- What a provider is asked to make, committed before it is asked. Its id is the provider's
-- idempotency key, so that an outcome that nobody saw is asked for again and not made again.
create table payments_errand (
    tenant_id text not null,
    key text collate "C" not null,
    id text collate "C" not null,
    kind text not null check (kind in ('checkout', 'portal')),
    provider text not null check (provider in ('stripe', 'paddle')),
    customer_id text not null,
    request jsonb not null,
    asked_at timestamptz not null default clock_timestamp(),
    tries integer not null default 1,
    state text not null default 'asked' check (state in ('asked', 'made', 'refused')),
    made_id text,
    reason text,
    settled_at timestamptz,
    primary key (tenant_id, key),
    unique (tenant_id, id),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
        on delete cascade
);
call kit_isolate('payments_errand', 'select, insert, update');
