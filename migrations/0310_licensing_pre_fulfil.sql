-- licensing: what was bought before there was a policy for it, and who uses how much.

alter table licensing_policy add column unnamed_purchases boolean not null default false;
create unique index licensing_policy_of_purchases on licensing_policy (tenant_id)
    where unnamed_purchases;

-- Bought once, and no policy has fulfilled it yet. `purchase` and `payment` are a provider's names.
create table licensing_purchase (
    tenant_id text not null,
    purchase text collate "C" not null,
    payment text collate "C" not null,
    customer_id text not null,
    plan_key text collate "C",
    bought_at timestamptz not null,
    primary key (tenant_id, purchase),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
);
create index licensing_purchase_by_payment on licensing_purchase (tenant_id, payment);
create index licensing_purchase_by_customer on licensing_purchase (tenant_id, customer_id);
call kit_isolate('licensing_purchase', 'select, insert, delete');

-- How much of a meter a machine has told in a period: only what goes beyond it is recorded.
create table licensing_usage (
    tenant_id text not null,
    activation_id text collate "C" not null,
    meter_key text collate "C" not null,
    period text collate "C" not null,
    used bigint not null,
    told_at timestamptz not null,
    primary key (tenant_id, activation_id, meter_key, period),
    foreign key (tenant_id, activation_id) references licensing_activation (tenant_id, id)
);
call kit_isolate('licensing_usage', 'select, insert, update');
