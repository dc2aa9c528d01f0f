-- subscriptions: who has which plan, until when. The state is one row; what is over (periods, stretches of
-- charging) is kept beside it and never changed.

create table subscriptions_subscription (
    tenant_id text not null,
    id text collate "C" not null,
    customer_id text not null,
    product_key text collate "C" not null,
    plan_key text collate "C" not null,
    plan_version integer not null,
    status text not null check (status in
        ('pending', 'trialing', 'active', 'past_due', 'paused', 'canceled', 'expired')),
    current boolean not null,
    period_start timestamptz not null,
    period_end timestamptz not null,
    anchor_at timestamptz not null,
    time_zone text not null,
    plan_expires_at timestamptz not null,
    auto_renew boolean not null,
    created_at timestamptz not null,
    trial_end_at timestamptz,
    paid_through timestamptz,
    cancel_at timestamptz,
    paused_at timestamptz,
    resume_at timestamptz,
    ended_at timestamptz,
    next_plan_key text collate "C",
    next_plan_version integer,
    provider text,
    provider_subscription_id text collate "C",
    provider_order bigint not null default 0,
    charged_from timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id),
    foreign key (tenant_id, product_key) references catalogue_product (tenant_id, key),
    foreign key (tenant_id, plan_key, plan_version)
        references catalogue_plan_version (tenant_id, plan_key, version),
    foreign key (tenant_id, next_plan_key, next_plan_version)
        references catalogue_plan_version (tenant_id, plan_key, version),
    check (period_end > period_start),
    check ((status in ('canceled', 'expired')) = (ended_at is not null)),
    check (not (current and ended_at is not null)),
    check ((provider is null) = (provider_subscription_id is null)),
    check (plan_expires_at = date_trunc('second', plan_expires_at))
);
-- At most one that counts, whatever two requests do at once.
create unique index subscriptions_subscription_current
    on subscriptions_subscription (tenant_id, customer_id, product_key) where current;
create unique index subscriptions_subscription_provider
    on subscriptions_subscription (tenant_id, provider, provider_subscription_id)
    where provider is not null;
create index subscriptions_subscription_customer
    on subscriptions_subscription (tenant_id, customer_id, product_key);
call kit_isolate('subscriptions_subscription', 'select, insert, update');

-- Each period that is over, once: the key is the promise. `planned_end_at` is where the calendar would have
-- ended it, had nothing cut it short: what a fee for the whole of it is measured against.
create table subscriptions_period (
    tenant_id text not null,
    subscription_id text collate "C" not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    planned_end_at timestamptz not null,
    noted_at timestamptz not null,
    primary key (tenant_id, subscription_id, starts_at),
    foreign key (tenant_id, subscription_id) references subscriptions_subscription (tenant_id, id),
    check (ends_at > starts_at and planned_end_at >= ends_at)
);
call kit_isolate('subscriptions_period', 'select, insert');

-- Each stretch that is over in which one plan version was charged; the present one is `charged_from`.
create table subscriptions_segment (
    tenant_id text not null,
    subscription_id text collate "C" not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    plan_key text collate "C" not null,
    plan_version integer not null,
    primary key (tenant_id, subscription_id, starts_at),
    foreign key (tenant_id, subscription_id) references subscriptions_subscription (tenant_id, id),
    check (ends_at > starts_at)
);
call kit_isolate('subscriptions_segment', 'select, insert');
