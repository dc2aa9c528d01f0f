-- doors: what foreign clients call customers and meters, and what they sent that could not be counted.

create table doors_customer (
    tenant_id text not null,
    door text not null check (door in ('lago', 'openmeter', 'stripe')),
    name text collate "C" not null,
    customer_ref text collate "C" not null,
    created_at timestamptz not null,
    primary key (tenant_id, door, name)
);
call kit_isolate('doors_customer');

-- `value_path` null: the value as it is sent; empty: none; else the path to it in the event's data.
create table doors_meter (
    tenant_id text not null,
    door text not null check (door in ('lago', 'openmeter', 'stripe')),
    event text collate "C" not null,
    meter_key text collate "C" not null,
    value_path text,
    dimensions jsonb,
    created_at timestamptz not null,
    primary key (tenant_id, door, event, meter_key)
);
call kit_isolate('doors_meter');

-- `received_at` is the tenant's time, at which an event happened that tells none; `arrived_at` is the real one, by which letters are forgotten.
create table doors_letter (
    tenant_id text not null,
    id text collate "C" not null,
    door text not null check (door in ('lago', 'openmeter', 'stripe')),
    state text not null check (state in ('waiting', 'replayed', 'discarded')),
    reason text collate "C" not null,
    field text,
    told text not null,
    raw bytea not null,
    cut boolean not null,
    digest bytea not null,
    event_id text,
    event text collate "C",
    customer text collate "C",
    times integer not null,
    received_at timestamptz not null,
    arrived_at timestamptz not null default clock_timestamp(),
    settled_at timestamptz,
    primary key (tenant_id, id)
);
create unique index doors_letter_waiting_once on doors_letter (tenant_id, door, digest) where state = 'waiting';
create index doors_letter_waiting on doors_letter (tenant_id, id) where state = 'waiting';
create index doors_letter_arrived on doors_letter (tenant_id, arrived_at);
call kit_isolate('doors_letter');

-- Forgets letters that arrived before, of all tenants, whatever became of them.
create function doors_forget(p_before timestamptz, p_limit integer) returns bigint
language sql volatile security definer set search_path = pg_catalog, public as $$
    with gone as (
        delete from doors_letter l where l.ctid = any (array(
            select o.ctid from doors_letter o where o.arrived_at < p_before limit p_limit))
        returning 1)
    select count(*) from gone;
$$;
revoke all on function doors_forget(timestamptz, integer) from public;
grant execute on function doors_forget(timestamptz, integer) to solvent_app;
