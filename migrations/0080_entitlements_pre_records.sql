-- What each customer may use now, and what is used up or held of each quota.

-- One row a customer, locked by whoever changes what the customer may use.
create table entitlements_record (
    tenant_id text not null,
    customer_id text collate "C" not null,
    customer_ref text not null,
    revision bigint not null,
    access jsonb not null,
    features jsonb not null,
    meter_keys text[] not null,
    stale_at timestamptz,
    updated_at timestamptz not null,
    primary key (tenant_id, customer_id),
    unique (tenant_id, customer_ref),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
) with (fillfactor = 80);
call kit_isolate('entitlements_record', 'select, insert, update');

-- What is used up of a quota without a meter; a quota with a meter asks metering.
create table entitlements_counter (
    tenant_id text not null,
    customer_id text not null,
    feature_key text not null,
    product_key text not null,
    period_start timestamptz not null,
    consumed numeric not null check (consumed >= 0),
    primary key (tenant_id, customer_id, feature_key, product_key, period_start),
    foreign key (tenant_id, customer_id) references entitlements_record (tenant_id, customer_id)
);
call kit_isolate('entitlements_counter', 'select, insert, update');

-- The caller's key of each consumption that was granted: the same key consumes once.
create table entitlements_consumption (
    tenant_id text not null,
    key text not null,
    customer_id text not null,
    feature_key text not null,
    quantity numeric not null check (quantity > 0),
    consumed_at timestamptz not null,
    primary key (tenant_id, key)
);
call kit_isolate('entitlements_consumption', 'select, insert');

create table entitlements_reservation (
    tenant_id text not null,
    id text not null,
    key text,
    customer_id text not null,
    feature_key text not null,
    quantity numeric not null check (quantity > 0),
    committed numeric not null default 0 check (committed between 0 and quantity),
    state text not null check (state in ('held', 'committed', 'released', 'expired')),
    expires_at timestamptz not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references entitlements_record (tenant_id, customer_id)
);
create unique index entitlements_reservation_by_key on entitlements_reservation (tenant_id, key)
    where key is not null;
create index entitlements_reservation_held on entitlements_reservation (tenant_id, customer_id)
    where state = 'held';
call kit_isolate('entitlements_reservation', 'select, insert, update');
