-- Forgets errands of all tenants whose outcome is older; one without an outcome is never forgotten.
create function payments_forget_errands(p_before timestamptz, p_limit integer) returns bigint
language sql volatile security definer set search_path = pg_catalog, public as $$
    with gone as (
        delete from payments_errand e where e.ctid = any (array(
            select o.ctid from payments_errand o
            where o.state <> 'asked' and o.settled_at < p_before limit p_limit))
        returning 1)
    select count(*) from gone;
$$;
revoke all on function payments_forget_errands(timestamptz, integer) from public;
grant execute on function payments_forget_errands(timestamptz, integer) to solvent_app;
