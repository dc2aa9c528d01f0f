-- Events that a handler failed on, or that wait behind such: they have left the log's place of the
-- handler, so that the other tenants' events are not held up, and are tried again from here.
create table kit_parked (
    tenant_id text not null,
    handler text not null,
    event_id text not null,
    position bigint generated always as identity,
    envelope bytea not null,
    tries integer not null check (tries >= 0),
    not_before timestamptz not null,
    reason text,
    primary key (tenant_id, handler, event_id)
);
create index kit_parked_in_order on kit_parked (tenant_id, handler, position);
create index kit_parked_due on kit_parked (handler, not_before);
call kit_isolate('kit_parked');
call kit_oversee('kit_parked', 'select');

-- For which tenants a handler has parked events, in how many seconds the first of each is due, and
-- whether some have not been tried yet. Only their ids: each is worked on in its own transaction.
create function kit_parked_tenants(p_handler text)
returns table (tenant_id text, wait_s float8, untried boolean)
language sql stable security definer set search_path = pg_catalog, public as $$
    select p.tenant_id, extract(epoch from min(p.not_before) - clock_timestamp())::float8,
        bool_or(p.tries = 0)
    from kit_parked p where p.handler = p_handler group by p.tenant_id;
$$;
revoke all on function kit_parked_tenants(text) from public;
grant execute on function kit_parked_tenants(text) to solvent_app;
