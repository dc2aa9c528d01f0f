-- How far readers of the log of jobs have come, each by its name.
create table kit_log_position (
    name text primary key,
    seq bigint not null
);
grant select, insert, update on kit_log_position to solvent_system;
