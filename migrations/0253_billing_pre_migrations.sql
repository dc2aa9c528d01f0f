-- billing: moves of all subscriptions from one version of a plan to another, worked off page by page; and what became of
-- each subscription.

create table billing_migration (
    tenant_id text not null,
    id text collate "C" not null,
    from_plan_key text collate "C" not null,
    from_version integer not null,
    to_plan_key text collate "C" not null,
    to_version integer not null,
    timing text not null check (timing in ('now', 'period_end')),
    conditions jsonb not null,
    state text not null check (state in ('running', 'done', 'undoing', 'undone')),
    "position" text collate "C" not null default '',
    looked_at integer not null default 0,
    matching integer not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, from_plan_key, from_version)
        references catalogue_plan_version (tenant_id, plan_key, version),
    foreign key (tenant_id, to_plan_key, to_version)
        references catalogue_plan_version (tenant_id, plan_key, version)
);
call kit_isolate('billing_migration', 'select, insert, update');

create table billing_migration_item (
    tenant_id text not null,
    migration_id text collate "C" not null,
    subscription_id text collate "C" not null,
    customer_id text not null,
    state text not null check (state in ('moved', 'planned', 'refused', 'undone')),
    detail text not null,
    now_minor bigint not null,
    fee_before_minor bigint not null,
    fee_after_minor bigint not null,
    takes_effect_at timestamptz,
    primary key (tenant_id, migration_id, subscription_id),
    foreign key (tenant_id, migration_id) references billing_migration (tenant_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions_subscription (tenant_id, id)
);
call kit_isolate('billing_migration_item', 'select, insert, update');
