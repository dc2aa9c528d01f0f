-- payments_claim does what these did.
drop function payments_claim_attempts(integer, interval);
drop function payments_claim_refunds(integer, interval);
