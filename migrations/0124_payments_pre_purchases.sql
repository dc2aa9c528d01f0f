-- One-time purchases that were told of. Providers may tell of one checkout by several events; the
-- keys are the promise that whoever fulfils hears of it once.
create table payments_purchase (
    tenant_id text not null,
    provider text not null,
    checkout_id text collate "C" not null,
    payment_id text collate "C" not null,
    noted_at timestamptz not null,
    primary key (tenant_id, provider, checkout_id),
    unique (tenant_id, provider, payment_id)
);
call kit_isolate('payments_purchase', 'select, insert');
-- Purchases told of before this table stood are not told of again by a provider's late event.
insert into payments_purchase (tenant_id, provider, checkout_id, payment_id, noted_at)
select p.tenant_id, p.provider, p.provider_payment_id, p.provider_payment_id, p.received_at
from ledger_payment p where p.purpose = 'purchase'
on conflict do nothing;
