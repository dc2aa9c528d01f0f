-- Meters, usage events and what is kept beside them so that a sum over a month reads hours, not events.

create table metering_meter (
    tenant_id text not null,
    key text collate "C" not null,
    name text not null,
    aggregation text not null check (aggregation in ('sum', 'count', 'max', 'unique', 'latest')),
    unit text not null,
    value_property text,
    counts_from timestamptz not null,
    created_at timestamptz not null,
    primary key (tenant_id, key)
);
call kit_isolate('metering_meter', 'select, insert, update');

-- The primary key is the promise that an id counts once, for ever: never partition this by time.
-- There is no foreign key to the meter: it would cost one lookup an event, and a meter is never deleted.
create table metering_event (
    tenant_id text not null,
    id text collate "C" not null,
    meter_key text collate "C" not null,
    customer_ref text collate "C" not null,
    at timestamptz not null,
    seq bigint generated always as identity,
    value numeric,
    unique_value text collate "C",
    properties jsonb,
    fingerprint bytea not null,
    received_at timestamptz not null,
    primary key (tenant_id, id)
);
create index metering_event_by_customer on metering_event (tenant_id, meter_key, customer_ref, at);
create index metering_event_by_arrival on metering_event (tenant_id, seq);
call kit_isolate('metering_event', 'select, insert');

-- One row for each hour in which a customer used a meter, kept in the transaction that stores the events.
create table metering_hour (
    tenant_id text not null,
    meter_key text collate "C" not null,
    customer_ref text collate "C" not null,
    hour timestamptz not null,
    event_count bigint not null,
    total numeric not null,
    maximum numeric,
    latest_at timestamptz not null,
    latest_seq bigint not null,
    latest_value numeric,
    primary key (tenant_id, meter_key, customer_ref, hour)
) with (fillfactor = 70);
call kit_isolate('metering_hour', 'select, insert, update');

-- For meters that count distinct values: each value once an hour.
create table metering_distinct (
    tenant_id text not null,
    meter_key text collate "C" not null,
    customer_ref text collate "C" not null,
    hour timestamptz not null,
    unique_value text collate "C" not null,
    primary key (tenant_id, meter_key, customer_ref, hour, unique_value)
);
call kit_isolate('metering_distinct', 'select, insert');

-- Holds every meter of the tenant as it is until commit, then returns those asked for: one round trip, in
-- which the second statement sees whatever the wait for the lock was for.
create function metering_hold(p_tenant_id text, p_keys text[]) returns setof metering_meter
language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended(p_tenant_id, 40));
    return query select * from metering_meter where tenant_id = p_tenant_id and key = any(p_keys);
end $$;

-- How far the tenant's events have come in their order of arrival. Waits for those on their way, then lets go
-- at once: whoever stores after that gets a higher place. The lock is the session's, since a transaction's
-- would keep everybody waiting until commit; it is let go whatever happens.
create function metering_last_arrival(p_tenant_id text) returns bigint
language plpgsql volatile as $$
declare
    lock_key bigint := hashtextextended(p_tenant_id, 40);
    place bigint;
begin
    perform pg_advisory_lock(lock_key);
    select max(seq) into place from metering_event where tenant_id = p_tenant_id;
    perform pg_advisory_unlock(lock_key);
    return coalesce(place, 0);
exception when query_canceled or others then
    perform pg_advisory_unlock(lock_key);
    raise;
end $$;
