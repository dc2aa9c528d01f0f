-- Who sells to whom to the law, which tax rates hold where and when, and the pictures on the paper.

create table billing_seller (
    tenant_id text not null,
    name text not null,
    lines text[] not null,
    postal_code text not null,
    city text not null,
    country text not null,
    tax_id text not null,
    tax_number text not null,
    registration text not null,
    email text not null,
    regime text not null,
    exempt_reason text not null,
    tax_included boolean not null,
    one_stop_shop boolean not null,
    footer text not null,
    accent text not null,
    logo text not null,
    updated_at timestamptz not null,
    primary key (tenant_id)
);
call kit_isolate('billing_seller', 'select, insert, update');

-- By the SHA-256 of its content: an invoice keeps the picture that it was made with.
create table billing_logo (
    tenant_id text not null,
    digest text not null,
    svg text not null,
    primary key (tenant_id, digest)
);
call kit_isolate('billing_logo', 'select, insert');

create table billing_tax_rate (
    tenant_id text not null,
    country text not null,
    valid_from date not null,
    rate numeric,
    name text not null,
    primary key (tenant_id, country, valid_from)
);
call kit_isolate('billing_tax_rate', 'select, insert, update, delete');

create table billing_buyer (
    tenant_id text not null,
    customer_id text not null,
    name text not null,
    lines text[] not null,
    postal_code text not null,
    city text not null,
    country text not null,
    tax_id text not null,
    registration text not null,
    email text not null,
    exempt_reason text not null,
    updated_at timestamptz not null,
    primary key (tenant_id, customer_id),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id) on delete cascade
);
call kit_isolate('billing_buyer', 'select, insert, update, delete');
