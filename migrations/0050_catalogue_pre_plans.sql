-- catalogue: what a tenant sells. Terms of a plan are kept whole and never changed: other terms are another
-- version, and whoever subscribed to the older one keeps it. Privileges refuse an update of a version.

-- One row a tenant; its lock makes two applications of a catalogue take turns.
create table catalogue_state (
    tenant_id text not null primary key,
    digest text not null,
    applied_at timestamptz
);
call kit_isolate('catalogue_state', 'select, insert, update');

create table catalogue_product (
    tenant_id text not null,
    key text collate "C" not null,
    name text not null,
    description text not null,
    archived_at timestamptz,
    primary key (tenant_id, key)
);
call kit_isolate('catalogue_product', 'select, insert, update');

create table catalogue_plan (
    tenant_id text not null,
    key text collate "C" not null,
    product_key text collate "C" not null,
    latest_version integer not null check (latest_version > 0),
    archived_at timestamptz,
    primary key (tenant_id, key),
    foreign key (tenant_id, product_key) references catalogue_product (tenant_id, key)
);
call kit_isolate('catalogue_plan', 'select, insert, update');

-- `terms` holds amounts as integers of the minor unit and rates and quantities as decimal texts.
create table catalogue_plan_version (
    tenant_id text not null,
    plan_key text collate "C" not null,
    version integer not null check (version > 0),
    terms jsonb not null,
    digest text not null check (length(digest) = 64),
    created_at timestamptz not null,
    primary key (tenant_id, plan_key, version),
    foreign key (tenant_id, plan_key) references catalogue_plan (tenant_id, key)
);
call kit_isolate('catalogue_plan_version', 'select, insert');

-- Which versions a provider's price id stands for. Rows stay when the file drops the id: subscriptions that
-- were bought under it still arrive.
create table catalogue_provider_price (
    tenant_id text not null,
    provider text not null,
    price_id text collate "C" not null,
    plan_key text collate "C" not null,
    plan_version integer not null,
    listed boolean not null,
    primary key (tenant_id, provider, price_id, plan_version),
    foreign key (tenant_id, plan_key, plan_version)
        references catalogue_plan_version (tenant_id, plan_key, version)
);
create index catalogue_provider_price_plan
    on catalogue_provider_price (tenant_id, plan_key, plan_version);
call kit_isolate('catalogue_provider_price', 'select, insert, update');
