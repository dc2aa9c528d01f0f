-- Up to which record of the log a tenant was told of its jobs, each kind of news by itself.
create table queue_told (
    tenant_id text not null,
    kind text not null,
    seq bigint not null,
    primary key (tenant_id, kind)
);
call kit_isolate('queue_told', 'select, insert, update');
