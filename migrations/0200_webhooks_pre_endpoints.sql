-- webhooks: where a business sends its events, and what became of each. All times but
-- `occurred_at` are real ones, as the receivers live in them.

-- `order_wait_s` null: in any order. `failing_since` is the first failure since the last success.
create table webhooks_endpoint (
    tenant_id text not null,
    id text collate "C" not null,
    url text not null,
    description text not null,
    event_types text[] not null,
    order_wait_s integer check (order_wait_s between 0 and 604800),
    enabled boolean not null,
    disabled_reason text,
    disabled_at timestamptz,
    failing_since timestamptz,
    failures integer not null default 0,
    resume_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id)
);
call kit_isolate('webhooks_endpoint');

-- Several at once while one is being rotated; `not_after` null is the one in use.
create table webhooks_secret (
    tenant_id text not null,
    endpoint_id text collate "C" not null,
    id text collate "C" not null,
    scheme text not null check (scheme in ('v1', 'v1a')),
    sealed bytea not null,
    public_key text,
    created_at timestamptz not null,
    not_after timestamptz,
    primary key (tenant_id, endpoint_id, id),
    foreign key (tenant_id, endpoint_id) references webhooks_endpoint (tenant_id, id)
        on delete cascade
);
call kit_isolate('webhooks_secret');

-- The body is the bytes that every attempt signs; `position` is the order of events. A test event belongs to one endpoint alone.
create table webhooks_message (
    tenant_id text not null,
    id text collate "C" not null,
    position bigint generated always as identity,
    event_id text collate "C" not null,
    type text collate "C" not null,
    occurred_at timestamptz not null,
    created_at timestamptz not null,
    body bytea not null,
    endpoint_id text collate "C",
    primary key (tenant_id, id),
    unique (tenant_id, event_id)
);
create index webhooks_message_by_time on webhooks_message (tenant_id, created_at);
call kit_isolate('webhooks_message');

-- `position` is the order of an endpoint; one that is replayed takes a new place at its end.
-- From `aside_at` on a message holds up no other.
create table webhooks_delivery (
    tenant_id text not null,
    endpoint_id text collate "C" not null,
    message_id text collate "C" not null,
    position bigint generated always as identity,
    state text not null check (state in ('pending', 'delivered', 'failed')),
    attempts integer not null default 0,
    created_at timestamptz not null,
    first_at timestamptz,
    next_at timestamptz not null,
    leased_until timestamptz,
    aside_at timestamptz,
    settled_at timestamptz,
    primary key (tenant_id, endpoint_id, message_id),
    foreign key (tenant_id, endpoint_id) references webhooks_endpoint (tenant_id, id)
        on delete cascade,
    foreign key (tenant_id, message_id) references webhooks_message (tenant_id, id)
        on delete cascade
);
create index webhooks_delivery_due
    on webhooks_delivery (tenant_id, endpoint_id, next_at) where state = 'pending';
create index webhooks_delivery_in_order
    on webhooks_delivery (tenant_id, endpoint_id, position) where state = 'pending';
create index webhooks_delivery_of_message on webhooks_delivery (tenant_id, message_id);
call kit_isolate('webhooks_delivery');

create table webhooks_attempt (
    tenant_id text not null,
    id text collate "C" not null,
    endpoint_id text collate "C" not null,
    message_id text collate "C" not null,
    number integer not null,
    at timestamptz not null,
    duration_ms integer not null,
    outcome text not null,
    status integer,
    told text not null,
    next_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, endpoint_id, message_id)
        references webhooks_delivery (tenant_id, endpoint_id, message_id) on delete cascade
);
create index webhooks_attempt_of_delivery
    on webhooks_attempt (tenant_id, endpoint_id, message_id, id);
create index webhooks_attempt_of_message on webhooks_attempt (tenant_id, message_id, id);
call kit_isolate('webhooks_attempt');

-- Leases what is due in any tenant, so many of each endpoint: of an ordered endpoint the first that
-- holds the others up, and one of those that stepped aside. Only ids: each is then worked on in a
-- transaction of its tenant. A lease that ends was a process that died: it is sent again.
create function webhooks_claim(
    p_now timestamptz, p_lease interval, p_failing boolean, p_each integer, p_limit integer,
    p_busy text[]
) returns table (tenant_id text, endpoint_id text, message_id text)
language sql volatile security definer set search_path = pg_catalog, public as $$
    with due as materialized (
        select found.tenant_id, found.endpoint_id, found.message_id
        from webhooks_endpoint e cross join lateral (
            (select d.tenant_id, d.endpoint_id, d.message_id, d.next_at
             from webhooks_delivery d
             where e.order_wait_s is null and d.tenant_id = e.tenant_id and d.endpoint_id = e.id
               and d.state = 'pending' and d.next_at <= p_now
               and (d.leased_until is null or d.leased_until <= p_now)
             order by d.next_at limit p_each)
            union all
            (select h.tenant_id, h.endpoint_id, h.message_id, h.next_at
             from (
                select d.tenant_id, d.endpoint_id, d.message_id, d.next_at, d.leased_until
                from webhooks_delivery d
                where e.order_wait_s is not null and d.tenant_id = e.tenant_id
                  and d.endpoint_id = e.id and d.state = 'pending'
                  and (d.aside_at is null or d.aside_at > p_now)
                order by d.position limit 1) h
             where h.next_at <= p_now and (h.leased_until is null or h.leased_until <= p_now))
            union all
            (select d.tenant_id, d.endpoint_id, d.message_id, d.next_at
             from webhooks_delivery d
             where e.order_wait_s is not null and d.tenant_id = e.tenant_id
               and d.endpoint_id = e.id and d.state = 'pending' and d.aside_at <= p_now
               and d.next_at <= p_now and (d.leased_until is null or d.leased_until <= p_now)
             order by d.next_at limit 1)
        ) found
        where e.enabled and (e.failing_since is not null) = p_failing
          and (e.resume_at is null or e.resume_at <= p_now) and not e.id = any (p_busy)
        order by found.next_at limit p_limit
    ), held as (
        select d.tenant_id, d.endpoint_id, d.message_id
        from webhooks_delivery d join due using (tenant_id, endpoint_id, message_id)
        where d.state = 'pending' and (d.leased_until is null or d.leased_until <= p_now)
        for update of d skip locked
    )
    update webhooks_delivery d set leased_until = p_now + p_lease
    from held
    where d.tenant_id = held.tenant_id and d.endpoint_id = held.endpoint_id
      and d.message_id = held.message_id
    returning d.tenant_id, d.endpoint_id, d.message_id;
$$;
revoke all on function webhooks_claim(timestamptz, interval, boolean, integer, integer, text[])
    from public;
grant execute on function webhooks_claim(timestamptz, interval, boolean, integer, integer, text[])
    to solvent_app;

-- Forgets messages that are older, of all tenants, with their deliveries and attempts.
create function webhooks_forget(p_before timestamptz, p_limit integer) returns bigint
language sql volatile security definer set search_path = pg_catalog, public as $$
    with gone as (
        delete from webhooks_message m where m.ctid = any (array(
            select o.ctid from webhooks_message o where o.created_at < p_before limit p_limit))
        returning 1)
    select count(*) from gone;
$$;
revoke all on function webhooks_forget(timestamptz, integer) from public;
grant execute on function webhooks_forget(timestamptz, integer) to solvent_app;
