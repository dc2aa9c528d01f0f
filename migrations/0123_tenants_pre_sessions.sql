-- The open sessions of a business's people, whichever half of it is asked: they are kept with the
-- live tenant. No token's hash is told.
create function tenants_list_sessions(p_tenant_id text, p_member_id text, p_now timestamptz)
returns table (
    tenant_id text, id text, member_id text, mode text, created_at timestamptz,
    expires_at timestamptz
) language sql stable security definer set search_path = pg_catalog, public as $$
    select s.tenant_id, s.id, s.member_id, s.mode, s.created_at, s.expires_at
    from tenants_tenant seen
    join tenants_tenant home on home.business_id = seen.business_id
    join tenants_session s on s.tenant_id = home.tenant_id
    where seen.tenant_id = p_tenant_id and seen.tenant_id = kit_tenant_id()
      and (p_member_id is null or s.member_id = p_member_id)
      and s.ended_at is null and s.expires_at > p_now
    order by s.id desc;
$$;
revoke all on function tenants_list_sessions(text, text, timestamptz) from public;
grant execute on function tenants_list_sessions(text, text, timestamptz) to solvent_app;
