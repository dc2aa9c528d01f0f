-- subscriptions: extras that a subscription has beside its plan, each for a time. What has begun is never deleted, so
-- that the invoice of a period that is over can be derived again.

create table subscriptions_addon (
    tenant_id text not null,
    id text collate "C" not null,
    subscription_id text collate "C" not null,
    plan_key text collate "C" not null,
    plan_version integer not null,
    quantity integer not null check (quantity >= 1),
    starts_at timestamptz not null,
    ends_at timestamptz,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions_subscription (tenant_id, id),
    foreign key (tenant_id, plan_key, plan_version)
        references catalogue_plan_version (tenant_id, plan_key, version),
    check (ends_at > starts_at)
);
create index subscriptions_addon_subscription on subscriptions_addon (tenant_id, subscription_id, starts_at);
call kit_isolate('subscriptions_addon', 'select, insert, update, delete');
