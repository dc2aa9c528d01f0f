-- payments: usage that Stripe bills. Which meters are told to it, and each meter event that it is or was to be told.

-- Usage before `since`, which begins an hour, is not told.
create table payments_metered (
    tenant_id text not null,
    meter_key text collate "C" not null,
    event_name text not null,
    since timestamptz not null,
    created_at timestamptz not null,
    primary key (tenant_id, meter_key),
    unique (tenant_id, event_name)
);
call kit_isolate('payments_metered');

-- Whose usage has changed since it was last looked at.
create table payments_metered_due (
    tenant_id text not null,
    meter_key text collate "C" not null,
    customer_ref text collate "C" not null,
    noted_at timestamptz not null,
    look_at timestamptz not null,
    primary key (tenant_id, meter_key, customer_ref)
);
create index payments_metered_due_at on payments_metered_due (tenant_id, look_at);
call kit_isolate('payments_metered_due');

-- One meter event, whose id is its identifier at Stripe. The values of an hour add up to what was used in it; `number`
-- is its place among them. first_tried_at, next_at, leased_until and settled_at are real times, as Stripe lives in them.
create table payments_metered_event (
    tenant_id text not null,
    id text collate "C" not null,
    meter_key text collate "C" not null,
    customer_ref text collate "C" not null,
    hour timestamptz not null,
    number int not null,
    event_name text not null,
    value numeric not null check (value <> 0),
    state text not null check (state in ('waiting', 'sent', 'refused', 'unclear')),
    reason text,
    tries int not null default 0,
    first_tried_at timestamptz,
    next_at timestamptz not null,
    leased_until timestamptz,
    settled_at timestamptz,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, meter_key, customer_ref, hour, number)
);
create index payments_metered_event_due on payments_metered_event (tenant_id, next_at) where state = 'waiting';
create index payments_metered_event_open on payments_metered_event (tenant_id, state, hour) where state <> 'sent';
call kit_isolate('payments_metered_event', 'select, insert, update');

-- In which tenants there is something to look at or to send.
create function payments_metered_tenants() returns table (tenant_id text)
language sql stable security definer set search_path = pg_catalog, public as $$
    select distinct d.tenant_id from payments_metered_due d
    union
    select distinct e.tenant_id from payments_metered_event e
    where e.state = 'waiting' and e.next_at <= clock_timestamp();
$$;
revoke all on function payments_metered_tenants() from public;
grant execute on function payments_metered_tenants() to solvent_app;
