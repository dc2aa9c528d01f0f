-- Lets whoever records usage keep what it knows of meters until one of the tenant's has changed.
-- A number is never given twice, not even one that was rolled back.

alter table metering_meter add column revision bigint generated always as identity;
create index metering_meter_by_revision on metering_meter (tenant_id, revision);

-- Keeps every meter of a tenant as it is until commit. Returns those of these keys, and the one that
-- was changed last; nothing where that is the one of the revision that is known.
create function metering_hold(p_tenant_id text, p_keys text[], p_known bigint)
returns setof metering_meter
language plpgsql as $$
declare
    latest bigint;
begin
    perform pg_advisory_xact_lock_shared(hashtextextended(p_tenant_id, 40));
    select max(revision) into latest from metering_meter where tenant_id = p_tenant_id;
    if latest = p_known then
        return;
    end if;
    return query select * from metering_meter
        where tenant_id = p_tenant_id and (key = any(p_keys) or revision = latest);
end $$;
