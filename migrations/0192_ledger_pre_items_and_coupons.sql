-- What is charged once beside a plan, and what is taken off.

create table ledger_item (
    tenant_id text not null,
    id text not null,
    customer_id text not null,
    subscription_id text,
    source text not null,
    description text not null,
    quantity numeric not null check (quantity > 0),
    unit_minor bigint not null check (unit_minor >= 0),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz not null,
    invoice_id text,
    primary key (tenant_id, id),
    unique (tenant_id, source),
    foreign key (tenant_id, customer_id) references tenants_customer (tenant_id, id),
    foreign key (tenant_id, subscription_id) references subscriptions_subscription (tenant_id, id),
    foreign key (tenant_id, invoice_id) references ledger_invoice (tenant_id, id)
);
create index ledger_item_waiting on ledger_item (tenant_id, customer_id, id) where invoice_id is null;
create index ledger_item_by_invoice on ledger_item (tenant_id, invoice_id) where invoice_id is not null;
call kit_isolate('ledger_item', 'select, insert, update, delete');

-- What is sold is never changed or taken away: only an item that no invoice has may go.
create function ledger_item_frozen() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if old.invoice_id is not null then
            raise exception 'item % is on an invoice', old.id using errcode = 'restrict_violation';
        end if;
        return old;
    end if;
    if (to_jsonb(new) - 'invoice_id') is distinct from (to_jsonb(old) - 'invoice_id') then
        raise exception 'item % is never changed', old.id using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger ledger_item_frozen before update or delete on ledger_item
    for each row execute function ledger_item_frozen();

create table ledger_coupon (
    tenant_id text not null,
    code text collate "C" not null,
    name text not null,
    percent numeric check (percent > 0 and percent <= 100),
    amount_minor bigint check (amount_minor > 0),
    currency text check (currency ~ '^[A-Z]{3}$'),
    periods int check (periods between 1 and 120),
    plan_keys text[] not null default '{}',
    redemptions_max int check (redemptions_max > 0),
    redeem_by timestamptz,
    redeemed int not null default 0 check (redeemed >= 0),
    closed boolean not null default false,
    created_at timestamptz not null,
    primary key (tenant_id, code),
    check ((percent is null) <> (amount_minor is null)),
    check ((amount_minor is null) = (currency is null)),
    check (redemptions_max is null or redeemed <= redemptions_max)
);
call kit_isolate('ledger_coupon', 'select, insert, update');

create table ledger_redemption (
    tenant_id text not null,
    id text not null,
    code text collate "C" not null,
    subscription_id text not null,
    redeemed_at timestamptz not null,
    ended_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, subscription_id, code),
    foreign key (tenant_id, code) references ledger_coupon (tenant_id, code),
    foreign key (tenant_id, subscription_id) references subscriptions_subscription (tenant_id, id)
);
call kit_isolate('ledger_redemption', 'select, insert, update');

-- In which of a subscription's periods a redemption has taken something off: each counts once.
create table ledger_redemption_period (
    tenant_id text not null,
    redemption_id text not null,
    period_start timestamptz not null,
    primary key (tenant_id, redemption_id, period_start),
    foreign key (tenant_id, redemption_id) references ledger_redemption (tenant_id, id)
);
call kit_isolate('ledger_redemption_period', 'select, insert');
