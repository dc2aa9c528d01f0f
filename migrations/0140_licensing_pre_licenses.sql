-- licensing: who may run a program, where and until when.

-- `terms` is the whole policy; the columns beside it are what it is looked up by.
create table licensing_policy (
    tenant_id text not null,
    key text collate "C" not null,
    product text collate "C" not null,
    trial boolean not null,
    plan_key text collate "C",
    terms jsonb not null,
    updated_at timestamptz not null,
    primary key (tenant_id, key)
);
create unique index licensing_policy_of_plan on licensing_policy (tenant_id, plan_key)
    where plan_key is not null;
create unique index licensing_policy_of_trial on licensing_policy (tenant_id, product) where trial;
call kit_isolate('licensing_policy');

-- A key is here as its digest only. `purchase` and `payment` are a provider's names, stripe:cs_….
create table licensing_license (
    tenant_id text not null,
    id text collate "C" not null,
    policy_key text collate "C" not null,
    customer_id text,
    name text,
    state text not null check (state in ('active', 'suspended', 'revoked')),
    expires_at timestamptz,
    maintenance_until timestamptz,
    slot_limit integer check (slot_limit > 0),
    key_digest text collate "C",
    key_hint text,
    subscription_id text collate "C",
    purchase text collate "C",
    payment text collate "C",
    reason text,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, policy_key) references licensing_policy (tenant_id, key),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id)
);
create unique index licensing_license_by_key on licensing_license (tenant_id, key_digest)
    where key_digest is not null;
create unique index licensing_license_by_subscription
    on licensing_license (tenant_id, subscription_id) where subscription_id is not null;
create unique index licensing_license_by_purchase on licensing_license (tenant_id, purchase)
    where purchase is not null;
create index licensing_license_by_payment on licensing_license (tenant_id, payment)
    where payment is not null;
create index licensing_license_by_policy
    on licensing_license (tenant_id, policy_key, created_at);
create index licensing_license_by_customer on licensing_license (tenant_id, customer_id, id);
call kit_isolate('licensing_license', 'select, insert, update');

-- A machine or a person on a slot; ended ones count for as long as their last file lives.
create table licensing_activation (
    tenant_id text not null,
    id text collate "C" not null,
    license_id text collate "C" not null,
    fingerprint text not null,
    components jsonb not null,
    name text,
    platform text,
    nonce text,
    created_at timestamptz not null,
    lease_until timestamptz,
    file_until timestamptz,
    ended_at timestamptz,
    proven boolean not null default false,
    primary key (tenant_id, id),
    foreign key (tenant_id, license_id) references licensing_license (tenant_id, id)
);
create index licensing_activation_of_license on licensing_activation (tenant_id, license_id, id);
call kit_isolate('licensing_activation', 'select, insert, update');

-- Each nonce makes one activation. `answer` is kept for repeats, and dropped when that has ended.
create table licensing_request (
    tenant_id text not null,
    nonce text collate "C" not null,
    activation_id text collate "C" not null,
    digest bytea not null,
    answer text,
    created_at timestamptz not null,
    primary key (tenant_id, nonce),
    foreign key (tenant_id, activation_id) references licensing_activation (tenant_id, id)
);
create index licensing_request_of_activation on licensing_request (tenant_id, activation_id);
call kit_isolate('licensing_request', 'select, insert, update');

-- What the machines that have had a trial were made of; digests are salted by product.
create table licensing_trial (
    tenant_id text not null,
    digest text collate "C" not null,
    activation_id text collate "C" not null,
    primary key (tenant_id, digest, activation_id)
);
call kit_isolate('licensing_trial', 'select, insert');

-- What is believed no more, for as long as a file of it can be alive.
create table licensing_revocation (
    tenant_id text not null,
    id text collate "C" not null,
    revoked_at timestamptz not null,
    reason text not null,
    listed_until timestamptz not null,
    primary key (tenant_id, id)
);
call kit_isolate('licensing_revocation');

create table licensing_serial (
    tenant_id text not null primary key,
    serial bigint not null
);
call kit_isolate('licensing_serial', 'select, insert, update');

create table licensing_release (
    tenant_id text not null,
    product text collate "C" not null,
    version text collate "C" not null,
    released_at timestamptz not null,
    primary key (tenant_id, product, version)
);
call kit_isolate('licensing_release', 'select, insert, update');
