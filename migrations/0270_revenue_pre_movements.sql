-- revenue: why recurring revenue moved, what documents earn, and at which rates it is told. All of it can
-- be derived again from subscriptions and the ledger; none of its rows is ever changed.

-- From `at` on a plan version of a subscription is worth `delta_minor` a month more. A correction is another
-- row of the same key under the next `seq`: their sum counts.
create table revenue_movement (
    tenant_id text not null,
    customer_id text collate "C" not null,
    subscription_id text collate "C" not null,
    at timestamptz not null,
    plan_key text collate "C" not null,
    plan_version integer not null,
    seq integer not null check (seq >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    delta_minor bigint not null check (delta_minor <> 0),
    noted_at timestamptz not null,
    primary key (tenant_id, subscription_id, at, plan_key, plan_version, seq)
);
create index revenue_movement_by_customer
    on revenue_movement (tenant_id, customer_id, at, subscription_id, plan_key, plan_version, seq);
create index revenue_movement_by_time
    on revenue_movement (tenant_id, at, subscription_id, plan_key, plan_version, seq);
call kit_isolate('revenue_movement', 'select, insert');

-- What a line of an invoice, or a purchase, earns: net of tax and of what was taken off it. It is served
-- from `since` to before `until`; `ends_at` is the later of that and of when it was billed.
create table revenue_line (
    tenant_id text not null,
    document_id text collate "C" not null,
    line integer not null check (line > 0),
    of_kind text not null check (of_kind in ('fee', 'usage', 'item', 'purchase')),
    customer_id text collate "C" not null,
    subscription_id text collate "C",
    plan_key text collate "C",
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint not null check (amount_minor <> 0),
    since timestamptz not null,
    until timestamptz not null check (until >= since),
    billed_at timestamptz not null,
    begins_at timestamptz not null generated always as (least(since, billed_at)) stored,
    ends_at timestamptz not null generated always as (greatest(until, billed_at)) stored,
    primary key (tenant_id, document_id, line)
);
create index revenue_line_by_time on revenue_line (tenant_id, ends_at, begins_at);
create index revenue_line_by_customer on revenue_line (tenant_id, customer_id);
call kit_isolate('revenue_line', 'select, insert');

-- What was taken back of a line, and by what.
create table revenue_reversal (
    tenant_id text not null,
    source_id text collate "C" not null,
    document_id text collate "C" not null,
    line integer not null,
    why text not null check (why in ('credit', 'refund', 'matched', 'void')),
    amount_minor bigint not null check (amount_minor > 0),
    at timestamptz not null,
    primary key (tenant_id, source_id, document_id, line),
    foreign key (tenant_id, document_id, line)
        references revenue_line (tenant_id, document_id, line)
);
create index revenue_reversal_of_document on revenue_reversal (tenant_id, document_id, at);
create index revenue_reversal_by_time on revenue_reversal (tenant_id, at);
call kit_isolate('revenue_reversal', 'select, insert');

-- What one unit of `base` is in `quote` from a day on, as the founder told it.
create table revenue_rate (
    tenant_id text not null,
    base text not null check (base ~ '^[A-Z]{3}$'),
    quote text not null check (quote ~ '^[A-Z]{3}$' and quote <> base),
    day date not null,
    rate numeric not null check (rate > 0),
    told_at timestamptz not null,
    primary key (tenant_id, base, quote, day)
);
call kit_isolate('revenue_rate');

-- In whose days a business counts, and in which currency it reports (null: each by itself).
create table revenue_policy (
    tenant_id text not null,
    time_zone text not null,
    currency text check (currency ~ '^[A-Z]{3}$'),
    primary key (tenant_id)
);
call kit_isolate('revenue_policy', 'select, insert, update');
