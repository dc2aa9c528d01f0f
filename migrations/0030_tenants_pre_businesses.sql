-- tenants: businesses and their people, keys, sessions and customers. A business is two tenants, live
-- and test, that share nothing but a name. Names that must be found before the tenant is known (slug,
-- key, link, session) are looked up by functions that run as the owner and answer for one row only.

create table tenants_tenant (
    tenant_id text not null primary key,
    business_id text not null,
    slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text not null,
    mode text not null check (mode in ('live', 'test')),
    created_at timestamptz not null,
    unique (business_id, mode)
);
call kit_isolate('tenants_tenant', 'select, update');

create table tenants_member (
    tenant_id text not null references tenants_tenant (tenant_id),
    id text not null,
    email text not null,
    name text not null,
    role text not null check (role in ('owner', 'admin', 'developer', 'viewer')),
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create unique index tenants_member_email on tenants_member (tenant_id, lower(email));
call kit_isolate('tenants_member');

-- A key is 160 random bits, so its SHA-256 cannot be searched for: a slow hash would buy nothing and
-- cost every request (the reasoning is in the README).
create table tenants_api_key (
    tenant_id text not null references tenants_tenant (tenant_id),
    id text not null,
    kind text not null check (kind in ('secret', 'publishable')),
    name text not null,
    key_hash bytea not null unique check (length(key_hash) = 32),
    prefix text not null,
    last4 text not null,
    scopes text[] not null,
    created_at timestamptz not null,
    created_by text not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    primary key (tenant_id, id)
);
call kit_isolate('tenants_api_key', 'select, insert, update');

create table tenants_sign_in_link (
    tenant_id text not null,
    token_hash bytea not null unique,
    member_id text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    primary key (tenant_id, token_hash),
    foreign key (tenant_id, member_id) references tenants_member (tenant_id, id) on delete cascade
);
call kit_isolate('tenants_sign_in_link', 'select, insert, update, delete');

create table tenants_session (
    tenant_id text not null,
    id text not null,
    token_hash bytea not null unique,
    member_id text not null,
    mode text not null check (mode in ('live', 'test')),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, member_id) references tenants_member (tenant_id, id) on delete cascade
);
create index tenants_session_member on tenants_session (tenant_id, member_id);
call kit_isolate('tenants_session', 'select, insert, update, delete');

create table tenants_customer (
    tenant_id text not null references tenants_tenant (tenant_id),
    id text not null,
    external_ref text not null,
    email text,
    name text,
    country text check (country ~ '^[A-Z]{2}$'),
    time_zone text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, external_ref)
);
create index tenants_customer_email on tenants_customer (tenant_id, lower(email));
call kit_isolate('tenants_customer');

-- Makes both tenants of a business or none. The app role cannot insert tenants: only this can.
create function tenants_create_pair(
    p_business_id text, p_name text, p_created_at timestamptz,
    p_live_id text, p_live_slug text, p_test_id text, p_test_slug text
) returns void language sql security definer set search_path = pg_catalog, public as $$
    insert into tenants_tenant (tenant_id, business_id, slug, name, mode, created_at) values
        (p_live_id, p_business_id, p_live_slug, p_name, 'live', p_created_at),
        (p_test_id, p_business_id, p_test_slug, p_name, 'test', p_created_at);
$$;

create function tenants_find_slug(p_slug text)
returns setof tenants_tenant language sql stable security definer
set search_path = pg_catalog, public as $$
    select * from tenants_tenant where slug = p_slug;
$$;

-- The other tenant of the same business as the one that is set.
create function tenants_find_twin(p_tenant_id text)
returns setof tenants_tenant language sql stable security definer
set search_path = pg_catalog, public as $$
    select twin.* from tenants_tenant own
    join tenants_tenant twin using (business_id)
    where own.tenant_id = p_tenant_id and own.tenant_id = kit_tenant_id() and twin.mode <> own.mode;
$$;

-- Finds a key, sets its tenant for this transaction and notes the use, in one round trip. The time of
-- use is kept to the hour, so that a busy key costs one write an hour; a row that somebody else is
-- noting at this moment is not waited for. A refused key sets nothing and says why.
create function tenants_authenticate(p_key_hash bytea, p_now timestamptz)
returns table (tenant_id text, key_id text, scopes text[], frozen_at timestamptz, refused text)
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    v_key tenants_api_key;
    v_frozen timestamptz;
begin
    select * into v_key from tenants_api_key k where k.key_hash = p_key_hash;
    if v_key.id is null then
        return;
    end if;
    select c.now_at into v_frozen from kit_test_clock c where c.tenant_id = v_key.tenant_id;
    if v_key.revoked_at is not null then
        return query select v_key.tenant_id, v_key.id, v_key.scopes, v_frozen, 'revoked';
        return;
    end if;
    if v_key.expires_at <= coalesce(v_frozen, p_now) then
        return query select v_key.tenant_id, v_key.id, v_key.scopes, v_frozen, 'expired';
        return;
    end if;
    perform kit_open(v_key.tenant_id);
    if v_key.last_used_at is null or v_key.last_used_at < p_now - interval '1 hour' then
        update tenants_api_key u set last_used_at = p_now
        where (u.tenant_id, u.id) in (
            select k.tenant_id, k.id from tenants_api_key k
            where k.tenant_id = v_key.tenant_id and k.id = v_key.id for update skip locked
        );
    end if;
    return query select v_key.tenant_id, v_key.id, v_key.scopes, v_frozen, null::text;
end
$$;

-- Uses up a sign-in link: of two who try at once one gets the row, the other waits and gets nothing.
create function tenants_redeem_link(p_token_hash bytea, p_now timestamptz)
returns table (tenant_id text, member_id text)
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    v_tenant_id text;
    v_member_id text;
begin
    update tenants_sign_in_link l set used_at = p_now
    where l.token_hash = p_token_hash and l.used_at is null and l.expires_at > p_now
    returning l.tenant_id, l.member_id into v_tenant_id, v_member_id;
    if v_tenant_id is null then
        return;
    end if;
    perform kit_open(v_tenant_id);
    return query select v_tenant_id, v_member_id;
end
$$;

-- Finds a session and sets the tenant that it looks at: the business's live one, or its test twin.
-- Sessions are kept with the live tenant, as members are.
create function tenants_open_session(p_token_hash bytea, p_now timestamptz)
returns table (
    tenant_id text, session_id text, member_id text, role text, frozen_at timestamptz
)
language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    v_seen record;
begin
    select s.id, s.member_id, m.role, seen.tenant_id as seen_id into v_seen
    from tenants_session s
    join tenants_member m on m.tenant_id = s.tenant_id and m.id = s.member_id
    join tenants_tenant home on home.tenant_id = s.tenant_id
    join tenants_tenant seen on seen.business_id = home.business_id and seen.mode = s.mode
    where s.token_hash = p_token_hash and s.ended_at is null and s.expires_at > p_now;
    if v_seen.id is null then
        return;
    end if;
    return query select
        v_seen.seen_id, v_seen.id, v_seen.member_id, v_seen.role, kit_open(v_seen.seen_id);
end
$$;

-- Turns a session to the other half of its business, or ends it, whichever half it looks at now.
create function tenants_change_session(
    p_tenant_id text, p_session_id text, p_mode text, p_ended_at timestamptz
) returns boolean language sql security definer set search_path = pg_catalog, public as $$
    with changed as (
        update tenants_session s
        set mode = coalesce(p_mode, s.mode), ended_at = coalesce(p_ended_at, s.ended_at)
        from tenants_tenant home, tenants_tenant seen
        where seen.tenant_id = p_tenant_id and seen.tenant_id = kit_tenant_id()
          and home.business_id = seen.business_id and s.tenant_id = home.tenant_id
          and s.id = p_session_id and s.ended_at is null
        returning 1
    )
    select exists (select from changed);
$$;

-- Names of every tenant, and nothing of their data: for the operator's commands.
create function tenants_all() returns setof tenants_tenant language sql stable security definer
set search_path = pg_catalog, public as $$
    select * from tenants_tenant order by slug;
$$;

revoke all on function tenants_create_pair(text, text, timestamptz, text, text, text, text) from public;
revoke all on function tenants_find_slug(text) from public;
revoke all on function tenants_find_twin(text) from public;
revoke all on function tenants_authenticate(bytea, timestamptz) from public;
revoke all on function tenants_redeem_link(bytea, timestamptz) from public;
revoke all on function tenants_open_session(bytea, timestamptz) from public;
revoke all on function tenants_change_session(text, text, text, timestamptz) from public;
revoke all on function tenants_all() from public;
grant execute on function tenants_create_pair(text, text, timestamptz, text, text, text, text) to solvent_app;
grant execute on function tenants_find_slug(text) to solvent_app;
grant execute on function tenants_find_twin(text) to solvent_app;
grant execute on function tenants_authenticate(bytea, timestamptz) to solvent_app;
grant execute on function tenants_redeem_link(bytea, timestamptz) to solvent_app;
grant execute on function tenants_open_session(bytea, timestamptz) to solvent_app;
grant execute on function tenants_change_session(text, text, text, timestamptz) to solvent_app;
grant execute on function tenants_all() to solvent_app;
