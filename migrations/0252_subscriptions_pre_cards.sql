-- subscriptions: whose card, or other means to pay, is known to be on file: a trial may need one to go on.

create table subscriptions_card (
    tenant_id text not null,
    customer_id text not null,
    on_file boolean not null,
    noted_at timestamptz not null,
    primary key (tenant_id, customer_id),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
);
call kit_isolate('subscriptions_card', 'select, insert, update');
