-- What the runtime before the log needed: its leases, and the turns of periodic functions.

drop index kit_job_due;
alter table kit_job drop column not_before;
drop table kit_periodic;
