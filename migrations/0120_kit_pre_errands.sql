-- A request that has to ask somebody outside is answered in two transactions with none open in
-- between (ADR 10). Until when the asking is under way: past that it died, and may be taken up.
alter table kit_idempotency add column errand_until timestamptz;
