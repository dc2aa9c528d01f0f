-- Accounts that are charged nothing until somebody has looked: something about them is not as it should be.

create table billing_parked (
    tenant_id text not null,
    id text not null,
    customer_id text not null,
    subscription_id text not null,
    invoice_id text,
    reason text not null,
    detail text not null,
    parked_at timestamptz not null,
    released_at timestamptz,
    released_by text,
    primary key (tenant_id, id),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
);
create unique index billing_parked_now on billing_parked (tenant_id, customer_id) where released_at is null;
call kit_isolate('billing_parked', 'select, insert, update');
