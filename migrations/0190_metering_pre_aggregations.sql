-- Meters that average, take the least, weigh by time, or never begin anew; quantities of events with given properties.

alter table metering_meter drop constraint metering_meter_aggregation_check;
alter table metering_meter add constraint metering_meter_aggregation_check
    check (aggregation in ('sum', 'count', 'min', 'max', 'average', 'unique', 'latest', 'weighted_sum'));
alter table metering_meter add column carries boolean not null default false;

alter table metering_hour add column minimum numeric;

-- Whether properties meet every condition of a JSON array [{"property": "region", "values": ["eu"]}, …]: a property
-- that is missing or null meets none. Numbers and booleans are compared as JSON writes them.
create function metering_meets(p_properties jsonb, p_conditions jsonb) returns boolean
language sql immutable as $$
    select not exists (
        select from jsonb_array_elements(p_conditions) as wanted
        where not coalesce(wanted -> 'values' ? (p_properties ->> (wanted ->> 'property')), false))
$$;
