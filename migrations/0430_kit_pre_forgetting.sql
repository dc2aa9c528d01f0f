-- Which tables forget old rows: by which moment a row is old, and which rows are never forgotten.
create table kit_forgetting (
    relation text primary key,
    moment text not null,
    spared text not null default 'false'
);
insert into kit_forgetting (relation, moment, spared) values
    ('kit_idempotency', 'created_at', 'false'),
    -- Who has handled an event must skip it while it can be replayed to who has not.
    ('kit_handled', 'handled_at', 'exists (select from kit_dead_letter d'
        ' where d.tenant_id = o.tenant_id and d.event_id = o.event_id)');

-- Forgets rows of all tenants that are older; of the tables above alone.
create function kit_forget(p_relation text, p_before timestamptz, p_limit integer) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, public as $$
declare
    rule kit_forgetting;
    gone bigint;
begin
    select * into strict rule from kit_forgetting f where f.relation = p_relation;
    execute format(
        'delete from %1$I r where r.ctid = any (array('
        ' select o.ctid from %1$I o where o.%2$I < $1 and not (%3$s) limit $2))',
        rule.relation, rule.moment, rule.spared) using p_before, p_limit;
    get diagnostics gone = row_count;
    return gone;
end $$;
revoke all on function kit_forget(text, timestamptz, integer) from public;
grant execute on function kit_forget(text, timestamptz, integer) to solvent_app;
