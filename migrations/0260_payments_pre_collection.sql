-- payments: what is to be collected from customers, each attempt at it, what went back, and where the
-- poller stands. Moments named asked_at, look_at and leased_until are real ones: providers live in
-- real time, also where a tenant's test clock stands elsewhere.

-- How a tenant's invoices are collected; without a row nothing is.
create table payments_collection_policy (
    tenant_id text primary key,
    document jsonb not null,
    updated_at timestamptz not null
);
call kit_isolate('payments_collection_policy', 'select, insert, update');

-- One for each invoice, top-up or upgrade that is to be paid.
create table payments_collection (
    tenant_id text not null,
    id text collate "C" not null,
    purpose text not null check (purpose in ('invoice', 'top_up', 'upgrade')),
    subject_id text collate "C" not null,
    customer_id text not null,
    subscription_id text,
    provider text not null check (provider in ('stripe', 'paddle')),
    currency text not null,
    amount_minor bigint check (amount_minor > 0),
    state text not null check (state in ('collecting', 'waiting', 'paid', 'stopped', 'given_up')),
    attempts integer not null default 0,
    failures integer not null default 0,
    first_failed_at timestamptz,
    next_at timestamptz,
    next_step text check (next_step in ('retry', 'give_up')),
    decline text,
    reason text,
    final_step text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, purpose, subject_id),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
);
create index payments_collection_of_subscription
    on payments_collection (tenant_id, subscription_id) where state in ('collecting', 'waiting');
create index payments_collection_of_customer on payments_collection (tenant_id, customer_id);
call kit_isolate('payments_collection', 'select, insert, update');

-- Written down before the provider is asked. (collection, number) is its idempotency key there, which
-- stays the same until the outcome is known; key_number counts failures saved under the key.
create table payments_attempt (
    tenant_id text not null,
    id text collate "C" not null,
    collection_id text collate "C" not null,
    number integer not null check (number > 0),
    kind text not null check (kind in ('charge', 'link')),
    provider text not null,
    provider_customer_id text,
    subscription_ref text,
    method_id text,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    state text not null
        check (state in ('asked', 'pending', 'succeeded', 'declined', 'withdrawn')),
    key_number integer not null default 0,
    written_at timestamptz not null,
    asked_at timestamptz,
    tried_at timestamptz,
    tries integer not null default 0,
    look_at timestamptz,
    leased_until timestamptz,
    payment_ref text collate "C",
    url text,
    return_url text,
    decline text,
    code text,
    message text,
    received_minor bigint,
    withdrawn_at timestamptz,
    settled_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, collection_id, number),
    foreign key (tenant_id, collection_id) references payments_collection (tenant_id, id)
);
-- Of one collection one attempt is under way at a time, whoever begins one.
create unique index payments_attempt_under_way
    on payments_attempt (tenant_id, collection_id) where state in ('asked', 'pending');
create index payments_attempt_due
    on payments_attempt (tenant_id, look_at) where state in ('asked', 'pending');
call kit_isolate('payments_attempt', 'select, insert, update');

-- Leases attempts of all tenants that are to be asked for or looked at now; skips those being worked on.
create function payments_claim_attempts(p_limit integer, p_lease interval)
returns table (tenant_id text, id text)
language sql volatile security definer set search_path = pg_catalog, public as $$
    with due as (
        select a.tenant_id, a.id from payments_attempt a
        where a.state in ('asked', 'pending') and a.look_at <= clock_timestamp()
          and (a.leased_until is null or a.leased_until <= clock_timestamp())
        order by a.look_at limit p_limit for update skip locked
    )
    update payments_attempt a set leased_until = clock_timestamp() + p_lease
    from due where a.tenant_id = due.tenant_id and a.id = due.id
    returning a.tenant_id, a.id;
$$;
revoke all on function payments_claim_attempts(integer, interval) from public;
grant execute on function payments_claim_attempts(integer, interval) to solvent_app;

-- Money to be given back, written down before the provider is asked; `id` is its key there.
create table payments_refund (
    tenant_id text not null,
    id text collate "C" not null,
    source text collate "C" not null,
    payment_id text not null,
    provider text not null,
    payment_ref text collate "C" not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    reason text not null,
    invoice_id text,
    credit_note_id text,
    state text not null check (state in ('asked', 'pending', 'made', 'refused')),
    key_number integer not null default 0,
    written_at timestamptz not null,
    asked_at timestamptz,
    tried_at timestamptz,
    tries integer not null default 0,
    look_at timestamptz,
    leased_until timestamptz,
    refund_ref text,
    message text,
    settled_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, source)
);
create index payments_refund_due
    on payments_refund (tenant_id, look_at) where state in ('asked', 'pending');
create index payments_refund_of_payment on payments_refund (tenant_id, payment_id);
call kit_isolate('payments_refund', 'select, insert, update');

create function payments_claim_refunds(p_limit integer, p_lease interval)
returns table (tenant_id text, id text)
language sql volatile security definer set search_path = pg_catalog, public as $$
    with due as (
        select r.tenant_id, r.id from payments_refund r
        where r.state in ('asked', 'pending') and r.look_at <= clock_timestamp()
          and (r.leased_until is null or r.leased_until <= clock_timestamp())
        order by r.look_at limit p_limit for update skip locked
    )
    update payments_refund r set leased_until = clock_timestamp() + p_lease
    from due where r.tenant_id = due.tenant_id and r.id = due.id
    returning r.tenant_id, r.id;
$$;
revoke all on function payments_claim_refunds(integer, interval) from public;
grant execute on function payments_claim_refunds(integer, interval) to solvent_app;

-- How much of a payment its refunds come to, as far as they are booked: Stripe tells sums, which come
-- in any order. The row is locked while one of them is booked.
create table payments_returned (
    tenant_id text not null,
    provider text not null,
    payment_id text collate "C" not null,
    refunded_minor bigint not null,
    primary key (tenant_id, provider, payment_id)
);
call kit_isolate('payments_returned', 'select, insert, update');
insert into payments_returned (tenant_id, provider, payment_id, refunded_minor)
select p.tenant_id, p.provider, p.provider_payment_id, sum(r.amount_minor)
from ledger_refund r join ledger_payment p on p.tenant_id = r.tenant_id and p.id = r.payment_id
where p.provider = 'stripe'
group by p.tenant_id, p.provider, p.provider_payment_id;

-- A bank's taking back of a payment, as it was last told of.
create table payments_dispute (
    tenant_id text not null,
    provider text not null,
    provider_dispute_id text collate "C" not null,
    payment_ref text collate "C",
    amount_minor bigint not null,
    currency text not null,
    status text not null,
    reason text not null,
    outcome text not null check (outcome in ('open', 'won', 'lost')),
    booked_minor bigint not null default 0,
    seen_at timestamptz not null,
    primary key (tenant_id, provider, provider_dispute_id)
);
call kit_isolate('payments_dispute', 'select, insert, update');

-- A customer's rule that keeps their credit above a threshold.
create table payments_top_up_rule (
    tenant_id text not null,
    customer_id text not null,
    currency text not null,
    threshold_minor bigint not null check (threshold_minor >= 0),
    amount_minor bigint not null check (amount_minor > 0),
    bonus_minor bigint not null check (bonus_minor >= 0),
    monthly_cap_minor bigint check (monthly_cap_minor > 0),
    state text not null check (state in ('active', 'paused')),
    reason text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, customer_id, currency),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
        on delete cascade
);
call kit_isolate('payments_top_up_rule');

-- Up to when the poller has read what a provider told.
create table payments_cursor (
    tenant_id text not null,
    provider text not null,
    read_until timestamptz not null,
    polled_at timestamptz not null,
    differences integer not null default 0,
    primary key (tenant_id, provider)
);
call kit_isolate('payments_cursor', 'select, insert, update');

-- The tenants whose providers can be asked, and those who have a rule at work: only their ids.
create function payments_tenants_with_keys() returns table (tenant_id text, provider text)
language sql stable security definer set search_path = pg_catalog, public as $$
    select a.tenant_id, a.provider from payments_account a where a.api_key_sealed is not null
    order by a.tenant_id, a.provider;
$$;
revoke all on function payments_tenants_with_keys() from public;
grant execute on function payments_tenants_with_keys() to solvent_app;

create function payments_tenants_topping_up() returns table (tenant_id text)
language sql stable security definer set search_path = pg_catalog, public as $$
    select distinct r.tenant_id from payments_top_up_rule r where r.state = 'active';
$$;
revoke all on function payments_tenants_topping_up() from public;
grant execute on function payments_tenants_topping_up() to solvent_app;

-- A better plan that begins when what it costs for the rest of the period is paid.
create table payments_upgrade (
    tenant_id text not null,
    id text collate "C" not null,
    subscription_id text not null,
    plan_key text not null,
    plan_version integer not null,
    amount_minor bigint not null check (amount_minor >= 0),
    currency text not null,
    state text not null check (state in ('waiting', 'applied', 'failed')),
    reason text,
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create unique index payments_upgrade_waiting
    on payments_upgrade (tenant_id, subscription_id) where state = 'waiting';
call kit_isolate('payments_upgrade', 'select, insert, update');
