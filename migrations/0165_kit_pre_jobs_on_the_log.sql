-- A due job goes from its row to the log of jobs, where it is assigned, retried and ended; the row
-- stays until the job has run, in one transaction with its effects.
-- Null: the row has still to go to the log.

alter table kit_job add column submitted_at timestamptz;

create index kit_job_unsubmitted on kit_job (run_at) where submitted_at is null and not dead;
create index kit_job_submitted on kit_job (submitted_at) where submitted_at is not null and not dead;
