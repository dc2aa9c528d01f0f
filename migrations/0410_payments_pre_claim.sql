-- Leases what of all tenants a provider is to be asked for or about now, attempts or refunds, whose
-- tables have the same columns for it; skips what is being worked on.
create function payments_claim(p_table text, p_limit integer, p_lease interval)
returns table (tenant_id text, id text)
language plpgsql volatile security definer set search_path = pg_catalog, public as $$
begin
    if p_table not in ('payments_attempt', 'payments_refund') then
        raise exception 'nothing of % is asked for', p_table;
    end if;
    return query execute format('
        with due as (
            select o.tenant_id, o.id from %1$I o
            where o.state in (''asked'', ''pending'') and o.look_at <= clock_timestamp()
              and (o.leased_until is null or o.leased_until <= clock_timestamp())
            order by o.look_at limit $1 for update skip locked
        )
        update %1$I o set leased_until = clock_timestamp() + $2
        from due where o.tenant_id = due.tenant_id and o.id = due.id
        returning o.tenant_id, o.id', p_table) using p_limit, p_lease;
end
$$;
revoke all on function payments_claim(text, integer, interval) from public;
grant execute on function payments_claim(text, integer, interval) to solvent_app;
