-- Usage that comes late, that was taken back or put right after it was recorded, and windows for old usage.

-- What becomes of usage that arrives after its invoice, and how old usage may be that is still taken.
alter table metering_meter add column late text not null default 'reopen'
    check (late in ('reopen', 'correct', 'ignore'));
alter table metering_meter add column accept_days int check (accept_days between 1 and 3650);

-- An event is never changed: what it counts as from a place in the order of arrival on stands here, whole. The row
-- that came after it, if any, is named by its place, so that each moment of the past has one row an event.
create table metering_overlay (
    tenant_id text not null,
    id text not null,
    seq bigint not null default nextval('metering_event_seq_seq'),
    superseded_seq bigint check (superseded_seq > seq),
    event_id text collate "C" not null,
    meter_key text collate "C" not null,
    customer_ref text collate "C" not null,
    at timestamptz not null,
    kind text not null check (kind in ('void', 'amend', 'undo')),
    undoes_id text,
    voided boolean not null,
    value numeric,
    unique_value text collate "C",
    properties jsonb,
    reason text not null,
    actor text not null,
    made_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, event_id) references metering_event (tenant_id, id),
    check ((kind = 'undo') = (undoes_id is not null))
);
create unique index metering_overlay_now on metering_overlay (tenant_id, event_id) where superseded_seq is null;
create index metering_overlay_by_event on metering_overlay (tenant_id, event_id, seq);
create index metering_overlay_by_customer on metering_overlay (tenant_id, customer_ref, meter_key, seq);
create index metering_overlay_by_arrival on metering_overlay (tenant_id, seq);
call kit_isolate('metering_overlay', 'select, insert, update');
grant usage on sequence metering_event_seq_seq to solvent_app;

-- What was said is never changed: only which row came after it.
create function metering_overlay_frozen() returns trigger language plpgsql as $$
begin
    if (to_jsonb(new) - 'superseded_seq') is distinct from (to_jsonb(old) - 'superseded_seq')
       or old.superseded_seq is not null then
        raise exception 'overlay % is never changed', old.id using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger metering_overlay_frozen before update on metering_overlay
    for each row execute function metering_overlay_frozen();

-- The hours of an event that was taken back or put right are added up anew.
grant delete on metering_hour to solvent_app;
grant delete on metering_distinct to solvent_app;

-- Finds what came an hour late or later, which on-time usage never enters.
create index metering_event_late on metering_event (tenant_id, customer_ref, seq)
    where received_at - at >= interval '1 hour';

-- While a window is open, usage of its time is taken however old it is, and corrects nothing yet.
create table metering_window (
    tenant_id text not null,
    id text not null,
    meter_key text collate "C" not null,
    customer_ref text collate "C",
    starts_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > starts_at),
    reason text not null,
    opened_at timestamptz not null,
    opened_by text not null,
    finished_at timestamptz,
    opened_seq bigint not null,
    finished_seq bigint,
    primary key (tenant_id, id)
);
create index metering_window_open on metering_window (tenant_id, meter_key) where finished_at is null;
call kit_isolate('metering_window', 'select, insert, update');

-- As before, with overlays in the same order of arrival.
create or replace function metering_last_arrival(p_tenant_id text) returns bigint
language plpgsql volatile as $$
declare
    lock_key bigint := hashtextextended(p_tenant_id, 40);
    place bigint;
begin
    perform pg_advisory_lock(lock_key);
    select greatest(
        (select max(seq) from metering_event where tenant_id = p_tenant_id),
        (select max(seq) from metering_overlay where tenant_id = p_tenant_id)) into place;
    perform pg_advisory_unlock(lock_key);
    return coalesce(place, 0);
exception when query_canceled or others then
    perform pg_advisory_unlock(lock_key);
    raise;
end $$;
