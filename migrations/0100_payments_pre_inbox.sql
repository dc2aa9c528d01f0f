-- payments: a tenant's accounts at payment providers, and the inbox in which every genuine webhook is
-- durable before it is answered.

create table payments_account (
    tenant_id text not null,
    provider text not null check (provider in ('stripe', 'paddle')),
    id text not null,
    window_s integer not null check (window_s between 5 and 300),
    api_key_sealed bytea,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, provider),
    unique (tenant_id, id)
);
call kit_isolate('payments_account');

-- Several at once while a secret is being rotated; `not_after` null is the one in use.
create table payments_secret (
    tenant_id text not null,
    provider text not null,
    id text not null,
    sealed bytea not null,
    created_at timestamptz not null,
    not_after timestamptz,
    primary key (tenant_id, provider, id),
    foreign key (tenant_id, provider) references payments_account (tenant_id, provider)
        on delete cascade
);
call kit_isolate('payments_secret');

-- The primary key is the promise that an event is worked on once. `body` is the bytes that were
-- signed; `digest` is of what the event says, without what differs from delivery to delivery.
create table payments_event (
    tenant_id text not null,
    provider text not null,
    provider_event_id text collate "C" not null,
    id text collate "C" not null,
    type text not null,
    occurred_at timestamptz not null,
    received_at timestamptz not null,
    api_version text not null,
    subscription_ref text collate "C",
    secret_id text not null,
    digest bytea not null,
    body bytea not null,
    state text not null check (state in ('received', 'applied', 'ignored', 'failed')),
    reason text,
    settled_at timestamptz,
    primary key (tenant_id, provider, provider_event_id),
    unique (tenant_id, id)
);
create index payments_event_of_subscription
    on payments_event (tenant_id, provider, subscription_ref) where subscription_ref is not null;
create index payments_event_open
    on payments_event (tenant_id, id) where state in ('received', 'failed');
call kit_isolate('payments_event', 'select, insert, update');

-- Which customer of the tenant a customer of the provider is.
create table payments_customer (
    tenant_id text not null,
    provider text not null,
    provider_customer_id text collate "C" not null,
    customer_id text not null,
    primary key (tenant_id, provider, provider_customer_id),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
        on delete cascade
);
create index payments_customer_by_customer on payments_customer (tenant_id, customer_id, provider);
call kit_isolate('payments_customer');

-- Other names of payments: Stripe's refunds name a payment intent, its invoices do not.
create table payments_alias (
    tenant_id text not null,
    provider text not null,
    alias text collate "C" not null,
    payment_id text collate "C" not null,
    primary key (tenant_id, provider, alias)
);
call kit_isolate('payments_alias', 'select, insert');

-- What the events of a provider's subscription amounted to when they were last folded. Its row is
-- locked while they are, so that two workers never fold the same subscription at once.
create table payments_subscription (
    tenant_id text not null,
    provider text not null,
    provider_subscription_id text collate "C" not null,
    status text,
    subscription_id text,
    event_count integer not null default 0,
    last_event_id text,
    awaits_customer_since timestamptz,
    primary key (tenant_id, provider, provider_subscription_id)
);
create index payments_subscription_waiting
    on payments_subscription (tenant_id, awaits_customer_since)
    where awaits_customer_since is not null;
call kit_isolate('payments_subscription', 'select, insert, update');

-- The tenants in which a subscription has waited for longer than this to hear whose it is. Only their
-- ids: each is then worked on in a transaction of its own.
create function payments_waiting(p_longer_than interval) returns table (tenant_id text)
language sql stable security definer set search_path = pg_catalog, public as $$
    select distinct s.tenant_id from payments_subscription s
    where s.awaits_customer_since < clock_timestamp() - p_longer_than;
$$;
revoke all on function payments_waiting(interval) from public;
grant execute on function payments_waiting(interval) to solvent_app;
