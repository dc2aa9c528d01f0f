-- The kit's own tables and the two things that every other migration uses: the tenant of a
-- connection, and the procedure that puts a table behind row-level security.
-- Roles are made before: solvent_app (bound by row-level security, owns nothing) and
-- solvent_system (relay and job runtime: sees the kit's queues of all tenants, nothing else).

create function kit_tenant_id() returns text
language plpgsql stable parallel safe as $$
declare
    -- After a connection's first transaction a custom setting is an empty string, not null.
    found text := nullif(current_setting('solvent.tenant_id', true), '');
begin
    if found is null then
        raise exception 'no tenant is set in this transaction'
            using errcode = 'insufficient_privilege', hint = 'begin with select kit_open(tenant)';
    end if;
    return found;
end $$;

create procedure kit_isolate(
    target regclass, privileges text default 'select, insert, update, delete'
) language plpgsql as $$
begin
    execute format('alter table %s enable row level security', target);
    execute format(
        'create policy tenant_only on %s to solvent_app'
        ' using (tenant_id = (select kit_tenant_id()))'
        ' with check (tenant_id = (select kit_tenant_id()))', target);
    execute format('grant %s on %s to solvent_app', privileges, target);
end $$;

create procedure kit_oversee(target regclass, privileges text) language plpgsql as $$
begin
    execute format('create policy all_tenants on %s to solvent_system using (true) with check (true)', target);
    execute format('grant %s on %s to solvent_system', privileges, target);
end $$;

create table kit_test_clock (
    tenant_id text primary key,
    now_at timestamptz not null
);
call kit_isolate('kit_test_clock');
call kit_oversee('kit_test_clock', 'select');

-- Sets the tenant for this transaction and returns where its test clock stands (null: real time).
create function kit_open(tenant text) returns timestamptz language sql volatile as $$
    select set_config('solvent.tenant_id', tenant, true);
    select now_at from kit_test_clock where tenant_id = tenant;
$$;

create table kit_outbox (
    tenant_id text not null,
    position bigint generated always as identity primary key,
    id text not null,
    subject text not null,
    envelope bytea not null
);
call kit_isolate('kit_outbox', 'insert');
call kit_oversee('kit_outbox', 'select, delete');

create table kit_handled (
    tenant_id text not null,
    handler text not null,
    event_id text not null,
    handled_at timestamptz not null default now(),
    primary key (tenant_id, handler, event_id)
);
call kit_isolate('kit_handled', 'select, insert');
call kit_oversee('kit_handled', 'select, delete');
create index kit_handled_age on kit_handled (handled_at);

create table kit_dead_letter (
    tenant_id text not null,
    handler text not null,
    event_id text not null,
    subject text not null,
    envelope bytea not null,
    reason text not null,
    failed_at timestamptz not null default now(),
    primary key (tenant_id, handler, event_id)
);
call kit_isolate('kit_dead_letter');
call kit_oversee('kit_dead_letter', 'select');

create table kit_job (
    tenant_id text not null,
    id text not null,
    name text not null,
    payload jsonb not null,
    run_at timestamptz not null,
    not_before timestamptz not null default '-infinity',
    unique_key text,
    attempts integer not null default 0,
    max_attempts integer not null check (max_attempts > 0),
    dead boolean not null default false,
    last_error text,
    primary key (tenant_id, id)
);
create unique index kit_job_unique on kit_job (tenant_id, name, unique_key) where unique_key is not null;
create index kit_job_due on kit_job (run_at) where not dead;
call kit_isolate('kit_job');
call kit_oversee('kit_job', 'select, update, delete');

create table kit_periodic (
    name text primary key,
    next_at timestamptz not null
);
grant select, insert, update on kit_periodic to solvent_system;

create table kit_idempotency (
    tenant_id text not null,
    key text not null,
    fingerprint bytea not null,
    status integer,
    body bytea,
    media_type text,
    created_at timestamptz not null default now(),
    primary key (tenant_id, key)
);
create index kit_idempotency_age on kit_idempotency (created_at);
call kit_isolate('kit_idempotency');
call kit_oversee('kit_idempotency', 'select, delete');
