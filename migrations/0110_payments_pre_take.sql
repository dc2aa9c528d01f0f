-- What arrives from providers becomes durable in one round trip: the statement that calls this is
-- the whole transaction. It says of which events nobody had heard before, and tells the worker.
create function payments_take(
    p_tenant_id text, p_ids text[], p_providers text[], p_event_ids text[], p_types text[],
    p_occurred timestamptz[], p_received timestamptz[], p_subscriptions text[], p_states text[],
    p_reasons text[], p_settled timestamptz[], p_versions text[], p_secrets text[],
    p_digests bytea[], p_bodies bytea[], p_told_ids text[], p_subjects text[], p_envelopes bytea[]
) returns table (new_provider text, new_event_id text) language plpgsql as $$
begin
    perform kit_open(p_tenant_id);
    return query insert into payments_event as e
            (tenant_id, id, provider, provider_event_id, type, occurred_at, received_at,
             subscription_ref, state, reason, settled_at, api_version, secret_id, digest, body)
        select p_tenant_id, * from unnest(
            p_ids, p_providers, p_event_ids, p_types, p_occurred, p_received, p_subscriptions,
            p_states, p_reasons, p_settled, p_versions, p_secrets, p_digests, p_bodies)
        on conflict (tenant_id, provider, provider_event_id) do nothing
        returning e.provider, e.provider_event_id;
    if found then
        insert into kit_outbox (tenant_id, id, subject, envelope)
            select p_tenant_id, * from unnest(p_told_ids, p_subjects, p_envelopes);
    end if;
end $$;
