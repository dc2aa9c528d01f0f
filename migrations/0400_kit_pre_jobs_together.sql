-- Due jobs of one tenant and name may be run together: one of them stands on the log and leads, the
-- others wait for its run. Where that fails they come apart, and each goes to the log alone.

alter table kit_job add column led_by text;
alter table kit_job add column alone boolean not null default false;

create index kit_job_led on kit_job (tenant_id, led_by) where led_by is not null;
