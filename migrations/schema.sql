-- All migrations applied, as PostgreSQL tells it. Written by `make schema`; a test keeps it true.
CREATE SCHEMA public;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE FUNCTION public.audit_append_entries() RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
    v_tenant text := kit_tenant_id();
    v_entry record;
    v_seq bigint;
    v_prev text;
    v_hash text;
begin
    select seq, hash into v_seq, v_hash from audit_head where tenant_id = v_tenant for update;
    if not found then
        insert into audit_head (tenant_id, seq, hash) values (v_tenant, 0, repeat('0', 64))
            on conflict do nothing;
        select seq, hash into v_seq, v_hash from audit_head where tenant_id = v_tenant for update;
    end if;
    for v_entry in
        select * from jsonb_to_recordset(current_setting('solvent.audit_entries')::jsonb) as entry (
            at timestamptz, actor text, action text, subject text, data jsonb, opening text,
            closing text)
    loop
        v_seq := v_seq + 1;
        v_prev := v_hash;
        v_hash := encode(sha256(convert_to(
            v_entry.opening || format(',"prev_hash":"%s","seq":%s', v_prev, v_seq)
                || v_entry.closing, 'UTF8')), 'hex');
        insert into audit_record
            (tenant_id, seq, at, actor, action, subject, data, prev_hash, hash)
        values
            (v_tenant, v_seq, v_entry.at, v_entry.actor, v_entry.action, v_entry.subject,
             v_entry.data, v_prev, v_hash);
    end loop;
    update audit_head set seq = v_seq, hash = v_hash where tenant_id = v_tenant;
end
$$;

CREATE FUNCTION public.audit_head_forward() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if new.tenant_id <> old.tenant_id or new.seq <= old.seq then
        raise exception 'audit: a chain''s head moves forward only'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;

CREATE FUNCTION public.audit_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'audit: % of % is refused: the audit log is append-only', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;

CREATE FUNCTION public.kit_forget(p_relation text, p_before timestamp with time zone, p_limit integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $_$
declare
    rule kit_forgetting;
    gone bigint;
begin
    select * into strict rule from kit_forgetting f where f.relation = p_relation;
    execute format(
        'delete from %1$I r where r.ctid = any (array('
        ' select o.ctid from %1$I o where o.%2$I < $1 and not (%3$s) limit $2))',
        rule.relation, rule.moment, rule.spared) using p_before, p_limit;
    get diagnostics gone = row_count;
    return gone;
end $_$;

CREATE PROCEDURE public.kit_isolate(IN target regclass, IN privileges text DEFAULT 'select, insert, update, delete'::text)
    LANGUAGE plpgsql
    AS $$
begin
    execute format('alter table %s enable row level security', target);
    execute format(
        'create policy tenant_only on %s to solvent_app'
        ' using (tenant_id = (select kit_tenant_id()))'
        ' with check (tenant_id = (select kit_tenant_id()))', target);
    execute format('grant %s on %s to solvent_app', privileges, target);
end $$;

CREATE FUNCTION public.kit_open(tenant text) RETURNS timestamp with time zone
    LANGUAGE sql
    AS $$
    select set_config('solvent.tenant_id', tenant, true);
    select now_at from kit_test_clock where tenant_id = tenant;
$$;

CREATE PROCEDURE public.kit_oversee(IN target regclass, IN privileges text)
    LANGUAGE plpgsql
    AS $$
begin
    execute format('create policy all_tenants on %s to solvent_system using (true) with check (true)', target);
    execute format('grant %s on %s to solvent_system', privileges, target);
end $$;

CREATE FUNCTION public.kit_parked_tenants(p_handler text) RETURNS TABLE(tenant_id text, wait_s double precision, untried boolean)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    select p.tenant_id, extract(epoch from min(p.not_before) - clock_timestamp())::float8,
        bool_or(p.tries = 0)
    from kit_parked p where p.handler = p_handler group by p.tenant_id;
$$;

CREATE FUNCTION public.kit_tenant_id() RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    AS $$
declare
    -- After a connection's first transaction a custom setting is an empty string, not null.
    found text := nullif(current_setting('solvent.tenant_id', true), '');
begin
    if found is null then
        raise exception 'no tenant is set in this transaction'
            using errcode = 'insufficient_privilege', hint = 'begin with select kit_open(tenant)';
    end if;
    return found;
end $$;

CREATE FUNCTION public.ledger_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception '% is append-only: post a reversal', tg_table_name
        using errcode = 'restrict_violation';
end $$;

CREATE FUNCTION public.ledger_invoice_frozen() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if tg_op = 'DELETE' then
        raise exception 'invoices are never deleted: void it' using errcode = 'restrict_violation';
    end if;
    if old.number is not null and (new.number, new.document, new.digest, new.parties,
            new.total_minor, new.currency, new.customer_id, new.subscription_id, new.kind,
            new.period_start, new.period_end, new.finalized_at)
        is distinct from (old.number, old.document, old.digest, old.parties,
            old.total_minor, old.currency, old.customer_id, old.subscription_id, old.kind,
            old.period_start, old.period_end, old.finalized_at) then
        raise exception 'invoice % is final', old.id using errcode = 'restrict_violation';
    end if;
    return new;
end $$;

CREATE FUNCTION public.ledger_item_frozen() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.ledger_must_balance() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    named text := case tg_table_name when 'ledger_entry' then to_jsonb(new) ->> 'transaction_id'
                                     else to_jsonb(new) ->> 'id' end;
    entries bigint;
    off text;
begin
    select count(*) into entries from ledger_entry
     where tenant_id = new.tenant_id and transaction_id = named;
    select string_agg(total || ' ' || currency, ', ') into off
      from (select currency, sum(amount_minor) as total from ledger_entry
             where tenant_id = new.tenant_id and transaction_id = named
             group by currency) sums
     where total <> 0;
    if entries < 2 or off is not null then
        raise exception 'ledger transaction % does not sum to zero: % entries, off by %',
            named, entries, coalesce(off, 'nothing')
            using errcode = 'check_violation', constraint = 'ledger_transaction_balanced';
    end if;
    return null;
end $$;

CREATE TABLE public.metering_meter (
    tenant_id text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    aggregation text NOT NULL,
    unit text NOT NULL,
    value_property text,
    counts_from timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    carries boolean DEFAULT false NOT NULL,
    known_properties text[],
    late text DEFAULT 'reopen'::text NOT NULL,
    accept_days integer,
    revision bigint NOT NULL,
    CONSTRAINT metering_meter_accept_days_check CHECK (((accept_days >= 1) AND (accept_days <= 3650))),
    CONSTRAINT metering_meter_aggregation_check CHECK ((aggregation = ANY (ARRAY['sum'::text, 'count'::text, 'min'::text, 'max'::text, 'average'::text, 'unique'::text, 'latest'::text, 'weighted_sum'::text]))),
    CONSTRAINT metering_meter_late_check CHECK ((late = ANY (ARRAY['reopen'::text, 'correct'::text, 'ignore'::text])))
);

CREATE FUNCTION public.metering_hold(p_tenant_id text, p_keys text[], p_known bigint) RETURNS SETOF public.metering_meter
    LANGUAGE plpgsql
    AS $$
declare
    latest bigint;
begin
    perform pg_advisory_xact_lock_shared(hashtextextended(p_tenant_id, 40));
    select max(revision) into latest from metering_meter where tenant_id = p_tenant_id;
    if latest = p_known then
        return;
    end if;
    return query select * from metering_meter
        where tenant_id = p_tenant_id and (key = any(p_keys) or revision = latest);
end $$;

CREATE FUNCTION public.metering_last_arrival(p_tenant_id text) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
declare
    lock_key bigint := hashtextextended(p_tenant_id, 40);
    place bigint;
begin
    perform pg_advisory_lock(lock_key);
    select greatest(
        (select max(seq) from metering_event where tenant_id = p_tenant_id),
        (select max(seq) from metering_overlay where tenant_id = p_tenant_id)) into place;
    perform pg_advisory_unlock(lock_key);
    return coalesce(place, 0);
exception when query_canceled or others then
    perform pg_advisory_unlock(lock_key);
    raise;
end $$;

CREATE FUNCTION public.metering_meets(p_properties jsonb, p_conditions jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    select not exists (
        select from jsonb_array_elements(p_conditions) as wanted
        where not coalesce(wanted -> 'values' ? (p_properties ->> (wanted ->> 'property')), false))
$$;

CREATE FUNCTION public.metering_overlay_frozen() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if (to_jsonb(new) - 'superseded_seq') is distinct from (to_jsonb(old) - 'superseded_seq')
       or old.superseded_seq is not null then
        raise exception 'overlay % is never changed', old.id using errcode = 'restrict_violation';
    end if;
    return new;
end $$;

CREATE FUNCTION public.payments_claim(p_table text, p_limit integer, p_lease interval) RETURNS TABLE(tenant_id text, id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $_$
begin
    if p_table not in ('payments_attempt', 'payments_refund') then
        raise exception 'nothing of % is asked for', p_table;
    end if;
    return query execute format('
        with due as (
            select o.tenant_id, o.id from %1$I o
            where o.state in (''asked'', ''pending'') and o.look_at <= clock_timestamp()
              and (o.leased_until is null or o.leased_until <= clock_timestamp())
            order by o.look_at limit $1 for update skip locked
        )
        update %1$I o set leased_until = clock_timestamp() + $2
        from due where o.tenant_id = due.tenant_id and o.id = due.id
        returning o.tenant_id, o.id', p_table) using p_limit, p_lease;
end
$_$;

CREATE FUNCTION public.payments_metered_tenants() RETURNS TABLE(tenant_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    select distinct d.tenant_id from payments_metered_due d
    union
    select distinct e.tenant_id from payments_metered_event e
    where e.state = 'waiting' and e.next_at <= clock_timestamp();
$$;

CREATE FUNCTION public.payments_take(p_tenant_id text, p_ids text[], p_providers text[], p_event_ids text[], p_types text[], p_occurred timestamp with time zone[], p_received timestamp with time zone[], p_subscriptions text[], p_states text[], p_reasons text[], p_settled timestamp with time zone[], p_versions text[], p_secrets text[], p_digests bytea[], p_bodies bytea[], p_told_ids text[], p_subjects text[], p_envelopes bytea[]) RETURNS TABLE(new_provider text, new_event_id text)
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.payments_tenants_topping_up() RETURNS TABLE(tenant_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    select distinct r.tenant_id from payments_top_up_rule r where r.state = 'active';
$$;

CREATE FUNCTION public.payments_tenants_with_keys() RETURNS TABLE(tenant_id text, provider text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    select a.tenant_id, a.provider from payments_account a where a.api_key_sealed is not null
    order by a.tenant_id, a.provider;
$$;

CREATE FUNCTION public.payments_waiting(p_longer_than interval) RETURNS TABLE(tenant_id text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    select distinct s.tenant_id from payments_subscription s
    where s.awaits_customer_since < clock_timestamp() - p_longer_than;
$$;

CREATE TABLE public.tenants_tenant (
    tenant_id text NOT NULL,
    business_id text NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    mode text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT tenants_tenant_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'test'::text]))),
    CONSTRAINT tenants_tenant_slug_check CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'::text))
);

CREATE FUNCTION public.tenants_all() RETURNS SETOF public.tenants_tenant
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    select * from tenants_tenant order by slug;
$$;

CREATE FUNCTION public.tenants_authenticate(p_key_hash bytea, p_now timestamp with time zone) RETURNS TABLE(tenant_id text, key_id text, scopes text[], frozen_at timestamp with time zone, refused text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
declare
    v_key tenants_api_key;
    v_frozen timestamptz;
begin
    select * into v_key from tenants_api_key k where k.key_hash = p_key_hash;
    if v_key.id is null then
        return;
    end if;
    select c.now_at into v_frozen from kit_test_clock c where c.tenant_id = v_key.tenant_id;
    if v_key.revoked_at is not null then
        return query select v_key.tenant_id, v_key.id, v_key.scopes, v_frozen, 'revoked';
        return;
    end if;
    if v_key.expires_at <= coalesce(v_frozen, p_now) then
        return query select v_key.tenant_id, v_key.id, v_key.scopes, v_frozen, 'expired';
        return;
    end if;
    perform kit_open(v_key.tenant_id);
    if v_key.last_used_at is null or v_key.last_used_at < p_now - interval '1 hour' then
        update tenants_api_key u set last_used_at = p_now
        where (u.tenant_id, u.id) in (
            select k.tenant_id, k.id from tenants_api_key k
            where k.tenant_id = v_key.tenant_id and k.id = v_key.id for update skip locked
        );
    end if;
    return query select v_key.tenant_id, v_key.id, v_key.scopes, v_frozen, null::text;
end
$$;

CREATE FUNCTION public.tenants_change_session(p_tenant_id text, p_session_id text, p_mode text, p_ended_at timestamp with time zone) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    with changed as (
        update tenants_session s
        set mode = coalesce(p_mode, s.mode), ended_at = coalesce(p_ended_at, s.ended_at)
        from tenants_tenant home, tenants_tenant seen
        where seen.tenant_id = p_tenant_id and seen.tenant_id = kit_tenant_id()
          and home.business_id = seen.business_id and s.tenant_id = home.tenant_id
          and s.id = p_session_id and s.ended_at is null
        returning 1
    )
    select exists (select from changed);
$$;

CREATE FUNCTION public.tenants_create_pair(p_business_id text, p_name text, p_created_at timestamp with time zone, p_live_id text, p_live_slug text, p_test_id text, p_test_slug text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    insert into tenants_tenant (tenant_id, business_id, slug, name, mode, created_at) values
        (p_live_id, p_business_id, p_live_slug, p_name, 'live', p_created_at),
        (p_test_id, p_business_id, p_test_slug, p_name, 'test', p_created_at);
$$;

CREATE FUNCTION public.tenants_find_slug(p_slug text) RETURNS SETOF public.tenants_tenant
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    select * from tenants_tenant where slug = p_slug;
$$;

CREATE FUNCTION public.tenants_find_twin(p_tenant_id text) RETURNS SETOF public.tenants_tenant
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    select twin.* from tenants_tenant own
    join tenants_tenant twin using (business_id)
    where own.tenant_id = p_tenant_id and own.tenant_id = kit_tenant_id() and twin.mode <> own.mode;
$$;

CREATE FUNCTION public.tenants_list_sessions(p_tenant_id text, p_member_id text, p_now timestamp with time zone) RETURNS TABLE(tenant_id text, id text, member_id text, mode text, created_at timestamp with time zone, expires_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    select s.tenant_id, s.id, s.member_id, s.mode, s.created_at, s.expires_at
    from tenants_tenant seen
    join tenants_tenant home on home.business_id = seen.business_id
    join tenants_session s on s.tenant_id = home.tenant_id
    where seen.tenant_id = p_tenant_id and seen.tenant_id = kit_tenant_id()
      and (p_member_id is null or s.member_id = p_member_id)
      and s.ended_at is null and s.expires_at > p_now
    order by s.id desc;
$$;

CREATE FUNCTION public.tenants_open_session(p_token_hash bytea, p_now timestamp with time zone) RETURNS TABLE(tenant_id text, session_id text, member_id text, role text, frozen_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
declare
    v_seen record;
begin
    select s.id, s.member_id, m.role, seen.tenant_id as seen_id into v_seen
    from tenants_session s
    join tenants_member m on m.tenant_id = s.tenant_id and m.id = s.member_id
    join tenants_tenant home on home.tenant_id = s.tenant_id
    join tenants_tenant seen on seen.business_id = home.business_id and seen.mode = s.mode
    where s.token_hash = p_token_hash and s.ended_at is null and s.expires_at > p_now;
    if v_seen.id is null then
        return;
    end if;
    return query select
        v_seen.seen_id, v_seen.id, v_seen.member_id, v_seen.role, kit_open(v_seen.seen_id);
end
$$;

CREATE FUNCTION public.tenants_redeem_link(p_token_hash bytea, p_now timestamp with time zone) RETURNS TABLE(tenant_id text, member_id text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
declare
    v_tenant_id text;
    v_member_id text;
begin
    update tenants_sign_in_link l set used_at = p_now
    where l.token_hash = p_token_hash and l.used_at is null and l.expires_at > p_now
    returning l.tenant_id, l.member_id into v_tenant_id, v_member_id;
    if v_tenant_id is null then
        return;
    end if;
    perform kit_open(v_tenant_id);
    return query select v_tenant_id, v_member_id;
end
$$;

CREATE FUNCTION public.webhooks_claim(p_now timestamp with time zone, p_lease interval, p_failing boolean, p_each integer, p_limit integer, p_busy text[]) RETURNS TABLE(tenant_id text, endpoint_id text, message_id text)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    with due as materialized (
        select found.tenant_id, found.endpoint_id, found.message_id
        from webhooks_endpoint e cross join lateral (
            (select d.tenant_id, d.endpoint_id, d.message_id, d.next_at
             from webhooks_delivery d
             where e.order_wait_s is null and d.tenant_id = e.tenant_id and d.endpoint_id = e.id
               and d.state = 'pending' and d.next_at <= p_now
               and (d.leased_until is null or d.leased_until <= p_now)
             order by d.next_at limit p_each)
            union all
            (select h.tenant_id, h.endpoint_id, h.message_id, h.next_at
             from (
                select d.tenant_id, d.endpoint_id, d.message_id, d.next_at, d.leased_until
                from webhooks_delivery d
                where e.order_wait_s is not null and d.tenant_id = e.tenant_id
                  and d.endpoint_id = e.id and d.state = 'pending'
                  and (d.aside_at is null or d.aside_at > p_now)
                order by d.position limit 1) h
             where h.next_at <= p_now and (h.leased_until is null or h.leased_until <= p_now))
            union all
            (select d.tenant_id, d.endpoint_id, d.message_id, d.next_at
             from webhooks_delivery d
             where e.order_wait_s is not null and d.tenant_id = e.tenant_id
               and d.endpoint_id = e.id and d.state = 'pending' and d.aside_at <= p_now
               and d.next_at <= p_now and (d.leased_until is null or d.leased_until <= p_now)
             order by d.next_at limit 1)
        ) found
        where e.enabled and (e.failing_since is not null) = p_failing
          and (e.resume_at is null or e.resume_at <= p_now) and not e.id = any (p_busy)
        order by found.next_at limit p_limit
    ), held as (
        select d.tenant_id, d.endpoint_id, d.message_id
        from webhooks_delivery d join due using (tenant_id, endpoint_id, message_id)
        where d.state = 'pending' and (d.leased_until is null or d.leased_until <= p_now)
        for update of d skip locked
    )
    update webhooks_delivery d set leased_until = p_now + p_lease
    from held
    where d.tenant_id = held.tenant_id and d.endpoint_id = held.endpoint_id
      and d.message_id = held.message_id
    returning d.tenant_id, d.endpoint_id, d.message_id;
$$;

CREATE TABLE public.audit_head (
    tenant_id text NOT NULL,
    seq bigint NOT NULL,
    hash text NOT NULL,
    CONSTRAINT audit_head_hash_check CHECK ((length(hash) = 64)),
    CONSTRAINT audit_head_seq_check CHECK ((seq >= 0))
);

CREATE TABLE public.audit_record (
    tenant_id text NOT NULL,
    seq bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    data jsonb NOT NULL,
    prev_hash text NOT NULL,
    hash text NOT NULL,
    CONSTRAINT audit_record_hash_check CHECK ((length(hash) = 64)),
    CONSTRAINT audit_record_prev_hash_check CHECK ((length(prev_hash) = 64)),
    CONSTRAINT audit_record_seq_check CHECK ((seq > 0))
);

CREATE TABLE public.billing_buyer (
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    name text NOT NULL,
    lines text[] NOT NULL,
    postal_code text NOT NULL,
    city text NOT NULL,
    country text NOT NULL,
    tax_id text NOT NULL,
    registration text NOT NULL,
    email text NOT NULL,
    exempt_reason text NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.billing_logo (
    tenant_id text NOT NULL,
    digest text NOT NULL,
    svg text NOT NULL
);

CREATE TABLE public.billing_migration (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    from_plan_key text NOT NULL COLLATE pg_catalog."C",
    from_version integer NOT NULL,
    to_plan_key text NOT NULL COLLATE pg_catalog."C",
    to_version integer NOT NULL,
    timing text NOT NULL,
    conditions jsonb NOT NULL,
    state text NOT NULL,
    "position" text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    looked_at integer DEFAULT 0 NOT NULL,
    matching integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT billing_migration_state_check CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'undoing'::text, 'undone'::text]))),
    CONSTRAINT billing_migration_timing_check CHECK ((timing = ANY (ARRAY['now'::text, 'period_end'::text])))
);

CREATE TABLE public.billing_migration_item (
    tenant_id text NOT NULL,
    migration_id text NOT NULL COLLATE pg_catalog."C",
    subscription_id text NOT NULL COLLATE pg_catalog."C",
    customer_id text NOT NULL,
    state text NOT NULL,
    detail text NOT NULL,
    now_minor bigint NOT NULL,
    fee_before_minor bigint NOT NULL,
    fee_after_minor bigint NOT NULL,
    takes_effect_at timestamp with time zone,
    CONSTRAINT billing_migration_item_state_check CHECK ((state = ANY (ARRAY['moved'::text, 'planned'::text, 'refused'::text, 'undone'::text])))
);

CREATE TABLE public.billing_parked (
    tenant_id text NOT NULL,
    id text NOT NULL,
    customer_id text NOT NULL,
    subscription_id text NOT NULL,
    invoice_id text,
    reason text NOT NULL,
    detail text NOT NULL,
    parked_at timestamp with time zone NOT NULL,
    released_at timestamp with time zone,
    released_by text
);

CREATE TABLE public.billing_seller (
    tenant_id text NOT NULL,
    name text NOT NULL,
    lines text[] NOT NULL,
    postal_code text NOT NULL,
    city text NOT NULL,
    country text NOT NULL,
    tax_id text NOT NULL,
    tax_number text NOT NULL,
    registration text NOT NULL,
    email text NOT NULL,
    regime text NOT NULL,
    exempt_reason text NOT NULL,
    tax_included boolean NOT NULL,
    one_stop_shop boolean NOT NULL,
    footer text NOT NULL,
    accent text NOT NULL,
    logo text NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.billing_tax_rate (
    tenant_id text NOT NULL,
    country text NOT NULL,
    valid_from date NOT NULL,
    rate numeric,
    name text NOT NULL
);

CREATE TABLE public.catalogue_plan (
    tenant_id text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    product_key text NOT NULL COLLATE pg_catalog."C",
    latest_version integer NOT NULL,
    archived_at timestamp with time zone,
    CONSTRAINT catalogue_plan_latest_version_check CHECK ((latest_version > 0))
);

CREATE TABLE public.catalogue_plan_version (
    tenant_id text NOT NULL,
    plan_key text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    terms jsonb NOT NULL,
    digest text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT catalogue_plan_version_digest_check CHECK ((length(digest) = 64)),
    CONSTRAINT catalogue_plan_version_version_check CHECK ((version > 0))
);

CREATE TABLE public.catalogue_product (
    tenant_id text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    description text NOT NULL,
    archived_at timestamp with time zone
);

CREATE TABLE public.catalogue_provider_price (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    price_id text NOT NULL COLLATE pg_catalog."C",
    plan_key text NOT NULL COLLATE pg_catalog."C",
    plan_version integer NOT NULL,
    listed boolean NOT NULL
);

CREATE TABLE public.catalogue_state (
    tenant_id text NOT NULL,
    digest text NOT NULL,
    applied_at timestamp with time zone
);

CREATE TABLE public.doors_customer (
    tenant_id text NOT NULL,
    door text NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    customer_ref text NOT NULL COLLATE pg_catalog."C",
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT doors_customer_door_check CHECK ((door = ANY (ARRAY['lago'::text, 'openmeter'::text, 'stripe'::text])))
);

CREATE TABLE public.doors_letter (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    door text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL COLLATE pg_catalog."C",
    field text,
    told text NOT NULL,
    raw bytea NOT NULL,
    cut boolean NOT NULL,
    digest bytea NOT NULL,
    event_id text,
    event text COLLATE pg_catalog."C",
    customer text COLLATE pg_catalog."C",
    times integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    arrived_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled_at timestamp with time zone,
    CONSTRAINT doors_letter_door_check CHECK ((door = ANY (ARRAY['lago'::text, 'openmeter'::text, 'stripe'::text]))),
    CONSTRAINT doors_letter_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'replayed'::text, 'discarded'::text])))
);

CREATE TABLE public.doors_meter (
    tenant_id text NOT NULL,
    door text NOT NULL,
    event text NOT NULL COLLATE pg_catalog."C",
    meter_key text NOT NULL COLLATE pg_catalog."C",
    value_path text,
    dimensions jsonb,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT doors_meter_door_check CHECK ((door = ANY (ARRAY['lago'::text, 'openmeter'::text, 'stripe'::text])))
);

CREATE TABLE public.entitlements_consumption (
    tenant_id text NOT NULL,
    key text NOT NULL,
    customer_id text NOT NULL,
    feature_key text NOT NULL,
    quantity numeric NOT NULL,
    consumed_at timestamp with time zone NOT NULL,
    CONSTRAINT entitlements_consumption_quantity_check CHECK ((quantity > (0)::numeric))
);

CREATE TABLE public.entitlements_counter (
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    feature_key text NOT NULL,
    product_key text NOT NULL,
    period_start timestamp with time zone NOT NULL,
    consumed numeric NOT NULL,
    CONSTRAINT entitlements_counter_consumed_check CHECK ((consumed >= (0)::numeric))
);

CREATE TABLE public.entitlements_record (
    tenant_id text NOT NULL,
    customer_id text NOT NULL COLLATE pg_catalog."C",
    customer_ref text NOT NULL,
    revision bigint NOT NULL,
    access jsonb NOT NULL,
    features jsonb NOT NULL,
    meter_keys text[] NOT NULL,
    stale_at timestamp with time zone,
    updated_at timestamp with time zone NOT NULL
)
WITH (fillfactor='80');

CREATE TABLE public.entitlements_reservation (
    tenant_id text NOT NULL,
    id text NOT NULL,
    key text,
    customer_id text NOT NULL,
    feature_key text NOT NULL,
    quantity numeric NOT NULL,
    committed numeric DEFAULT 0 NOT NULL,
    state text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT entitlements_reservation_check CHECK (((committed >= (0)::numeric) AND (committed <= quantity))),
    CONSTRAINT entitlements_reservation_quantity_check CHECK ((quantity > (0)::numeric)),
    CONSTRAINT entitlements_reservation_state_check CHECK ((state = ANY (ARRAY['held'::text, 'committed'::text, 'released'::text, 'expired'::text])))
);

CREATE TABLE public.kit_dead_letter (
    tenant_id text NOT NULL,
    handler text NOT NULL,
    event_id text NOT NULL,
    subject text NOT NULL,
    envelope bytea NOT NULL,
    reason text NOT NULL,
    failed_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.kit_forgetting (
    relation text NOT NULL,
    moment text NOT NULL,
    spared text DEFAULT 'false'::text NOT NULL
);

CREATE TABLE public.kit_handled (
    tenant_id text NOT NULL,
    handler text NOT NULL,
    event_id text NOT NULL,
    handled_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.kit_idempotency (
    tenant_id text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer,
    body bytea,
    media_type text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    errand_until timestamp with time zone
);

CREATE TABLE public.kit_job (
    tenant_id text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    payload jsonb NOT NULL,
    run_at timestamp with time zone NOT NULL,
    unique_key text,
    attempts integer DEFAULT 0 NOT NULL,
    max_attempts integer NOT NULL,
    dead boolean DEFAULT false NOT NULL,
    last_error text,
    submitted_at timestamp with time zone,
    led_by text,
    alone boolean DEFAULT false NOT NULL,
    CONSTRAINT kit_job_max_attempts_check CHECK ((max_attempts > 0))
);

CREATE TABLE public.kit_log_position (
    name text NOT NULL,
    seq bigint NOT NULL
);

CREATE TABLE public.kit_migration (
    name text NOT NULL,
    digest text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.kit_operator_token (
    token_hash bytea NOT NULL,
    kind text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT kit_operator_token_kind_check CHECK ((kind = ANY (ARRAY['link'::text, 'session'::text])))
);

CREATE TABLE public.kit_outbox (
    tenant_id text NOT NULL,
    "position" bigint NOT NULL,
    id text NOT NULL,
    subject text NOT NULL,
    envelope bytea NOT NULL
);

ALTER TABLE public.kit_outbox ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.kit_outbox_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.kit_parked (
    tenant_id text NOT NULL,
    handler text NOT NULL,
    event_id text NOT NULL,
    "position" bigint NOT NULL,
    envelope bytea NOT NULL,
    tries integer NOT NULL,
    not_before timestamp with time zone NOT NULL,
    reason text,
    CONSTRAINT kit_parked_tries_check CHECK ((tries >= 0))
);

ALTER TABLE public.kit_parked ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.kit_parked_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.kit_test_clock (
    tenant_id text NOT NULL,
    now_at timestamp with time zone NOT NULL
);

CREATE TABLE public.ledger_counter (
    tenant_id text NOT NULL,
    name text NOT NULL,
    last_number bigint NOT NULL,
    CONSTRAINT ledger_counter_last_number_check CHECK ((last_number >= 0))
);

CREATE TABLE public.ledger_coupon (
    tenant_id text NOT NULL,
    code text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    percent numeric,
    amount_minor bigint,
    currency text,
    periods integer,
    plan_keys text[] DEFAULT '{}'::text[] NOT NULL,
    redemptions_max integer,
    redeem_by timestamp with time zone,
    redeemed integer DEFAULT 0 NOT NULL,
    closed boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_coupon_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT ledger_coupon_check CHECK (((percent IS NULL) <> (amount_minor IS NULL))),
    CONSTRAINT ledger_coupon_check1 CHECK (((amount_minor IS NULL) = (currency IS NULL))),
    CONSTRAINT ledger_coupon_check2 CHECK (((redemptions_max IS NULL) OR (redeemed <= redemptions_max))),
    CONSTRAINT ledger_coupon_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT ledger_coupon_percent_check CHECK (((percent > (0)::numeric) AND (percent <= (100)::numeric))),
    CONSTRAINT ledger_coupon_periods_check CHECK (((periods >= 1) AND (periods <= 120))),
    CONSTRAINT ledger_coupon_redeemed_check CHECK ((redeemed >= 0)),
    CONSTRAINT ledger_coupon_redemptions_max_check CHECK ((redemptions_max > 0))
);

CREATE TABLE public.ledger_credit_note (
    tenant_id text NOT NULL,
    id text NOT NULL,
    invoice_id text NOT NULL,
    source text NOT NULL,
    number bigint NOT NULL,
    document text NOT NULL,
    digest text NOT NULL,
    total_minor bigint NOT NULL,
    off_due_minor bigint NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_credit_note_check CHECK (((off_due_minor >= 0) AND (off_due_minor <= total_minor))),
    CONSTRAINT ledger_credit_note_digest_check CHECK ((digest ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT ledger_credit_note_number_check CHECK ((number > 0)),
    CONSTRAINT ledger_credit_note_total_minor_check CHECK ((total_minor > 0))
);

CREATE TABLE public.ledger_entry (
    tenant_id text NOT NULL,
    transaction_id text NOT NULL,
    "position" integer NOT NULL,
    account_kind text NOT NULL,
    customer_id text,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    CONSTRAINT ledger_entry_check CHECK (((account_kind = ANY (ARRAY['receivable'::text, 'credit'::text, 'grant'::text])) = (customer_id IS NOT NULL))),
    CONSTRAINT ledger_entry_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text))
);

CREATE TABLE public.ledger_invoice (
    tenant_id text NOT NULL,
    id text NOT NULL,
    customer_id text NOT NULL,
    subscription_id text NOT NULL,
    kind text NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    status text NOT NULL,
    currency text NOT NULL,
    total_minor bigint NOT NULL,
    paid_minor bigint DEFAULT 0 NOT NULL,
    number bigint,
    document text NOT NULL,
    digest text NOT NULL,
    parties text,
    drawn_at timestamp with time zone NOT NULL,
    finalized_at timestamp with time zone,
    due_at timestamp with time zone,
    paid_at timestamp with time zone,
    voided_at timestamp with time zone,
    credited_minor bigint DEFAULT 0 NOT NULL,
    CONSTRAINT ledger_invoice_check CHECK ((period_end > period_start)),
    CONSTRAINT ledger_invoice_check1 CHECK (((paid_minor >= 0) AND (paid_minor <= GREATEST(total_minor, (0)::bigint)))),
    CONSTRAINT ledger_invoice_check2 CHECK (((number IS NULL) = (finalized_at IS NULL))),
    CONSTRAINT ledger_invoice_check3 CHECK (((number IS NULL) = (parties IS NULL))),
    CONSTRAINT ledger_invoice_check4 CHECK (((status = ANY (ARRAY['draft'::text, 'void'::text])) OR (number IS NOT NULL))),
    CONSTRAINT ledger_invoice_credited_minor_check CHECK ((credited_minor >= 0)),
    CONSTRAINT ledger_invoice_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT ledger_invoice_digest_check CHECK ((digest ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT ledger_invoice_number_check CHECK ((number > 0)),
    CONSTRAINT ledger_invoice_settled_check CHECK (((paid_minor + credited_minor) <= GREATEST(total_minor, (0)::bigint))),
    CONSTRAINT ledger_invoice_status_check CHECK ((status = ANY (ARRAY['draft'::text, 'final'::text, 'paid'::text, 'void'::text])))
);

CREATE TABLE public.ledger_item (
    tenant_id text NOT NULL,
    id text NOT NULL,
    customer_id text NOT NULL,
    subscription_id text,
    source text NOT NULL,
    description text NOT NULL,
    quantity numeric NOT NULL,
    unit_minor bigint NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    invoice_id text,
    CONSTRAINT ledger_item_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT ledger_item_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT ledger_item_quantity_check CHECK ((quantity > (0)::numeric)),
    CONSTRAINT ledger_item_unit_minor_check CHECK ((unit_minor >= 0))
);

CREATE TABLE public.ledger_payment (
    tenant_id text NOT NULL,
    id text NOT NULL,
    provider text NOT NULL,
    provider_payment_id text NOT NULL,
    purpose text NOT NULL,
    customer_id text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    unapplied_minor bigint NOT NULL,
    refunded_minor bigint NOT NULL,
    received_at timestamp with time zone NOT NULL,
    subscription_id text,
    covers_from timestamp with time zone,
    description text DEFAULT ''::text NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT ledger_payment_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT ledger_payment_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT ledger_payment_expiry_check CHECK (((purpose = 'grant'::text) OR (expires_at IS NULL))),
    CONSTRAINT ledger_payment_priority_check CHECK (((priority >= 0) AND (priority <= 9))),
    CONSTRAINT ledger_payment_purpose_check CHECK ((purpose = ANY (ARRAY['account'::text, 'purchase'::text, 'grant'::text]))),
    CONSTRAINT ledger_payment_refunded_check CHECK (((refunded_minor >= 0) AND (refunded_minor <= amount_minor))),
    CONSTRAINT ledger_payment_unapplied_check CHECK ((((unapplied_minor >= 0) AND (unapplied_minor <= amount_minor)) AND ((purpose <> 'purchase'::text) OR (unapplied_minor = 0))))
);

CREATE TABLE public.ledger_redemption (
    tenant_id text NOT NULL,
    id text NOT NULL,
    code text NOT NULL COLLATE pg_catalog."C",
    subscription_id text NOT NULL,
    redeemed_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone
);

CREATE TABLE public.ledger_redemption_period (
    tenant_id text NOT NULL,
    redemption_id text NOT NULL,
    period_start timestamp with time zone NOT NULL
);

CREATE TABLE public.ledger_refund (
    tenant_id text NOT NULL,
    id text NOT NULL,
    payment_id text NOT NULL,
    provider text NOT NULL,
    provider_refund_id text NOT NULL,
    amount_minor bigint NOT NULL,
    from_credit_minor bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_refund_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT ledger_refund_check CHECK (((from_credit_minor >= 0) AND (from_credit_minor <= amount_minor)))
);

CREATE TABLE public.ledger_settlement (
    tenant_id text NOT NULL,
    id text NOT NULL,
    payment_id text NOT NULL,
    invoice_id text NOT NULL,
    amount_minor bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_settlement_amount_minor_check CHECK ((amount_minor <> 0))
);

CREATE TABLE public.ledger_transaction (
    tenant_id text NOT NULL,
    id text NOT NULL,
    source_kind text NOT NULL,
    source_id text NOT NULL,
    description text NOT NULL,
    at timestamp with time zone NOT NULL,
    reverses_id text
);

CREATE TABLE public.licensing_activation (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    license_id text NOT NULL COLLATE pg_catalog."C",
    fingerprint text NOT NULL,
    components jsonb NOT NULL,
    name text,
    platform text,
    nonce text,
    created_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone,
    file_until timestamp with time zone,
    ended_at timestamp with time zone,
    proven boolean DEFAULT false NOT NULL
);

CREATE TABLE public.licensing_license (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    policy_key text NOT NULL COLLATE pg_catalog."C",
    customer_id text,
    name text,
    state text NOT NULL,
    expires_at timestamp with time zone,
    maintenance_until timestamp with time zone,
    slot_limit integer,
    key_digest text COLLATE pg_catalog."C",
    key_hint text,
    subscription_id text COLLATE pg_catalog."C",
    purchase text COLLATE pg_catalog."C",
    payment text COLLATE pg_catalog."C",
    reason text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT licensing_license_slot_limit_check CHECK ((slot_limit > 0)),
    CONSTRAINT licensing_license_state_check CHECK ((state = ANY (ARRAY['active'::text, 'suspended'::text, 'revoked'::text])))
);

CREATE TABLE public.licensing_policy (
    tenant_id text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    product text NOT NULL COLLATE pg_catalog."C",
    trial boolean NOT NULL,
    plan_key text COLLATE pg_catalog."C",
    terms jsonb NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    unnamed_purchases boolean DEFAULT false NOT NULL
);

CREATE TABLE public.licensing_purchase (
    tenant_id text NOT NULL,
    purchase text NOT NULL COLLATE pg_catalog."C",
    payment text NOT NULL COLLATE pg_catalog."C",
    customer_id text NOT NULL,
    plan_key text COLLATE pg_catalog."C",
    bought_at timestamp with time zone NOT NULL
);

CREATE TABLE public.licensing_release (
    tenant_id text NOT NULL,
    product text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    released_at timestamp with time zone NOT NULL
);

CREATE TABLE public.licensing_request (
    tenant_id text NOT NULL,
    nonce text NOT NULL COLLATE pg_catalog."C",
    activation_id text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL,
    answer text,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.licensing_revocation (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    revoked_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    listed_until timestamp with time zone NOT NULL
);

CREATE TABLE public.licensing_serial (
    tenant_id text NOT NULL,
    serial bigint NOT NULL
);

CREATE TABLE public.licensing_trial (
    tenant_id text NOT NULL,
    digest text NOT NULL COLLATE pg_catalog."C",
    activation_id text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE public.licensing_usage (
    tenant_id text NOT NULL,
    activation_id text NOT NULL COLLATE pg_catalog."C",
    meter_key text NOT NULL COLLATE pg_catalog."C",
    period text NOT NULL COLLATE pg_catalog."C",
    used bigint NOT NULL,
    told_at timestamp with time zone NOT NULL
);

CREATE TABLE public.metering_distinct (
    tenant_id text NOT NULL,
    meter_key text NOT NULL COLLATE pg_catalog."C",
    customer_ref text NOT NULL COLLATE pg_catalog."C",
    hour timestamp with time zone NOT NULL,
    unique_value text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE public.metering_event (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    meter_key text NOT NULL COLLATE pg_catalog."C",
    customer_ref text NOT NULL COLLATE pg_catalog."C",
    at timestamp with time zone NOT NULL,
    seq bigint NOT NULL,
    value numeric,
    unique_value text COLLATE pg_catalog."C",
    properties jsonb,
    fingerprint bytea NOT NULL,
    received_at timestamp with time zone NOT NULL
);

ALTER TABLE public.metering_event ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.metering_event_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.metering_hour (
    tenant_id text NOT NULL,
    meter_key text NOT NULL COLLATE pg_catalog."C",
    customer_ref text NOT NULL COLLATE pg_catalog."C",
    hour timestamp with time zone NOT NULL,
    event_count bigint NOT NULL,
    total numeric NOT NULL,
    maximum numeric,
    latest_at timestamp with time zone NOT NULL,
    latest_seq bigint NOT NULL,
    latest_value numeric,
    minimum numeric
)
WITH (fillfactor='70');

ALTER TABLE public.metering_meter ALTER COLUMN revision ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.metering_meter_revision_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.metering_overlay (
    tenant_id text NOT NULL,
    id text NOT NULL,
    seq bigint DEFAULT nextval('public.metering_event_seq_seq'::regclass) NOT NULL,
    superseded_seq bigint,
    event_id text NOT NULL COLLATE pg_catalog."C",
    meter_key text NOT NULL COLLATE pg_catalog."C",
    customer_ref text NOT NULL COLLATE pg_catalog."C",
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    undoes_id text,
    voided boolean NOT NULL,
    value numeric,
    unique_value text COLLATE pg_catalog."C",
    properties jsonb,
    reason text NOT NULL,
    actor text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    CONSTRAINT metering_overlay_check CHECK ((superseded_seq > seq)),
    CONSTRAINT metering_overlay_check1 CHECK (((kind = 'undo'::text) = (undoes_id IS NOT NULL))),
    CONSTRAINT metering_overlay_kind_check CHECK ((kind = ANY (ARRAY['void'::text, 'amend'::text, 'undo'::text])))
);

CREATE TABLE public.metering_window (
    tenant_id text NOT NULL,
    id text NOT NULL,
    meter_key text NOT NULL COLLATE pg_catalog."C",
    customer_ref text COLLATE pg_catalog."C",
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    opened_by text NOT NULL,
    finished_at timestamp with time zone,
    opened_seq bigint NOT NULL,
    finished_seq bigint,
    CONSTRAINT metering_window_check CHECK ((ends_at > starts_at))
);

CREATE TABLE public.payments_account (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    id text NOT NULL,
    window_s integer NOT NULL,
    api_key_sealed bytea,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT payments_account_provider_check CHECK ((provider = ANY (ARRAY['stripe'::text, 'paddle'::text]))),
    CONSTRAINT payments_account_window_s_check CHECK (((window_s >= 5) AND (window_s <= 300)))
);

CREATE TABLE public.payments_alias (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    alias text NOT NULL COLLATE pg_catalog."C",
    payment_id text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE public.payments_attempt (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    collection_id text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    kind text NOT NULL,
    provider text NOT NULL,
    provider_customer_id text,
    subscription_ref text,
    method_id text,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    key_number integer DEFAULT 0 NOT NULL,
    written_at timestamp with time zone NOT NULL,
    asked_at timestamp with time zone,
    tried_at timestamp with time zone,
    tries integer DEFAULT 0 NOT NULL,
    look_at timestamp with time zone,
    leased_until timestamp with time zone,
    payment_ref text COLLATE pg_catalog."C",
    url text,
    return_url text,
    decline text,
    code text,
    message text,
    received_minor bigint,
    withdrawn_at timestamp with time zone,
    settled_at timestamp with time zone,
    CONSTRAINT payments_attempt_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT payments_attempt_kind_check CHECK ((kind = ANY (ARRAY['charge'::text, 'link'::text]))),
    CONSTRAINT payments_attempt_number_check CHECK ((number > 0)),
    CONSTRAINT payments_attempt_state_check CHECK ((state = ANY (ARRAY['asked'::text, 'pending'::text, 'succeeded'::text, 'declined'::text, 'withdrawn'::text])))
);

CREATE TABLE public.payments_collection (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    purpose text NOT NULL,
    subject_id text NOT NULL COLLATE pg_catalog."C",
    customer_id text NOT NULL,
    subscription_id text,
    provider text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint,
    state text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    first_failed_at timestamp with time zone,
    next_at timestamp with time zone,
    next_step text,
    decline text,
    reason text,
    final_step text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT payments_collection_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT payments_collection_next_step_check CHECK ((next_step = ANY (ARRAY['retry'::text, 'give_up'::text]))),
    CONSTRAINT payments_collection_provider_check CHECK ((provider = ANY (ARRAY['stripe'::text, 'paddle'::text]))),
    CONSTRAINT payments_collection_purpose_check CHECK ((purpose = ANY (ARRAY['invoice'::text, 'top_up'::text, 'upgrade'::text]))),
    CONSTRAINT payments_collection_state_check CHECK ((state = ANY (ARRAY['collecting'::text, 'waiting'::text, 'paid'::text, 'stopped'::text, 'given_up'::text])))
);

CREATE TABLE public.payments_collection_policy (
    tenant_id text NOT NULL,
    document jsonb NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.payments_cursor (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    read_until timestamp with time zone NOT NULL,
    polled_at timestamp with time zone NOT NULL,
    differences integer DEFAULT 0 NOT NULL
);

CREATE TABLE public.payments_customer (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    provider_customer_id text NOT NULL COLLATE pg_catalog."C",
    customer_id text NOT NULL
);

CREATE TABLE public.payments_dispute (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    provider_dispute_id text NOT NULL COLLATE pg_catalog."C",
    payment_ref text COLLATE pg_catalog."C",
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    outcome text NOT NULL,
    booked_minor bigint DEFAULT 0 NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT payments_dispute_outcome_check CHECK ((outcome = ANY (ARRAY['open'::text, 'won'::text, 'lost'::text])))
);

CREATE TABLE public.payments_errand (
    tenant_id text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL,
    provider text NOT NULL,
    customer_id text NOT NULL,
    request jsonb NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    tries integer DEFAULT 1 NOT NULL,
    state text DEFAULT 'asked'::text NOT NULL,
    made_id text,
    reason text,
    settled_at timestamp with time zone,
    CONSTRAINT payments_errand_kind_check CHECK ((kind = ANY (ARRAY['checkout'::text, 'portal'::text]))),
    CONSTRAINT payments_errand_provider_check CHECK ((provider = ANY (ARRAY['stripe'::text, 'paddle'::text]))),
    CONSTRAINT payments_errand_state_check CHECK ((state = ANY (ARRAY['asked'::text, 'made'::text, 'refused'::text])))
);

CREATE TABLE public.payments_event (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    provider_event_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    api_version text NOT NULL,
    subscription_ref text COLLATE pg_catalog."C",
    secret_id text NOT NULL,
    digest bytea NOT NULL,
    body bytea NOT NULL,
    state text NOT NULL,
    reason text,
    settled_at timestamp with time zone,
    CONSTRAINT payments_event_state_check CHECK ((state = ANY (ARRAY['received'::text, 'applied'::text, 'ignored'::text, 'failed'::text])))
);

CREATE TABLE public.payments_metered (
    tenant_id text NOT NULL,
    meter_key text NOT NULL COLLATE pg_catalog."C",
    event_name text NOT NULL,
    since timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.payments_metered_due (
    tenant_id text NOT NULL,
    meter_key text NOT NULL COLLATE pg_catalog."C",
    customer_ref text NOT NULL COLLATE pg_catalog."C",
    noted_at timestamp with time zone NOT NULL,
    look_at timestamp with time zone NOT NULL
);

CREATE TABLE public.payments_metered_event (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    meter_key text NOT NULL COLLATE pg_catalog."C",
    customer_ref text NOT NULL COLLATE pg_catalog."C",
    hour timestamp with time zone NOT NULL,
    number integer NOT NULL,
    event_name text NOT NULL,
    value numeric NOT NULL,
    state text NOT NULL,
    reason text,
    tries integer DEFAULT 0 NOT NULL,
    first_tried_at timestamp with time zone,
    next_at timestamp with time zone NOT NULL,
    leased_until timestamp with time zone,
    settled_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT payments_metered_event_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'sent'::text, 'refused'::text, 'unclear'::text]))),
    CONSTRAINT payments_metered_event_value_check CHECK ((value <> (0)::numeric))
);

CREATE TABLE public.payments_purchase (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    checkout_id text NOT NULL COLLATE pg_catalog."C",
    payment_id text NOT NULL COLLATE pg_catalog."C",
    noted_at timestamp with time zone NOT NULL
);

CREATE TABLE public.payments_refund (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    payment_id text NOT NULL,
    provider text NOT NULL,
    payment_ref text NOT NULL COLLATE pg_catalog."C",
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    invoice_id text,
    credit_note_id text,
    state text NOT NULL,
    key_number integer DEFAULT 0 NOT NULL,
    written_at timestamp with time zone NOT NULL,
    asked_at timestamp with time zone,
    tried_at timestamp with time zone,
    tries integer DEFAULT 0 NOT NULL,
    look_at timestamp with time zone,
    leased_until timestamp with time zone,
    refund_ref text,
    message text,
    settled_at timestamp with time zone,
    CONSTRAINT payments_refund_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT payments_refund_state_check CHECK ((state = ANY (ARRAY['asked'::text, 'pending'::text, 'made'::text, 'refused'::text])))
);

CREATE TABLE public.payments_returned (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    payment_id text NOT NULL COLLATE pg_catalog."C",
    refunded_minor bigint NOT NULL
);

CREATE TABLE public.payments_secret (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    id text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    not_after timestamp with time zone
);

CREATE TABLE public.payments_subscription (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    provider_subscription_id text NOT NULL COLLATE pg_catalog."C",
    status text,
    subscription_id text,
    event_count integer DEFAULT 0 NOT NULL,
    last_event_id text,
    awaits_customer_since timestamp with time zone
);

CREATE TABLE public.payments_top_up_rule (
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    currency text NOT NULL,
    threshold_minor bigint NOT NULL,
    amount_minor bigint NOT NULL,
    bonus_minor bigint NOT NULL,
    monthly_cap_minor bigint,
    state text NOT NULL,
    reason text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT payments_top_up_rule_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT payments_top_up_rule_bonus_minor_check CHECK ((bonus_minor >= 0)),
    CONSTRAINT payments_top_up_rule_monthly_cap_minor_check CHECK ((monthly_cap_minor > 0)),
    CONSTRAINT payments_top_up_rule_state_check CHECK ((state = ANY (ARRAY['active'::text, 'paused'::text]))),
    CONSTRAINT payments_top_up_rule_threshold_minor_check CHECK ((threshold_minor >= 0))
);

CREATE TABLE public.payments_upgrade (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    subscription_id text NOT NULL,
    plan_key text NOT NULL,
    plan_version integer NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    reason text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT payments_upgrade_amount_minor_check CHECK ((amount_minor >= 0)),
    CONSTRAINT payments_upgrade_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'applied'::text, 'failed'::text])))
);

CREATE TABLE public.queue_told (
    tenant_id text NOT NULL,
    kind text NOT NULL,
    seq bigint NOT NULL
);

CREATE TABLE public.revenue_line (
    tenant_id text NOT NULL,
    document_id text NOT NULL COLLATE pg_catalog."C",
    line integer NOT NULL,
    of_kind text NOT NULL,
    customer_id text NOT NULL COLLATE pg_catalog."C",
    subscription_id text COLLATE pg_catalog."C",
    plan_key text COLLATE pg_catalog."C",
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    since timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    billed_at timestamp with time zone NOT NULL,
    begins_at timestamp with time zone GENERATED ALWAYS AS (LEAST(since, billed_at)) STORED NOT NULL,
    ends_at timestamp with time zone GENERATED ALWAYS AS (GREATEST(until, billed_at)) STORED NOT NULL,
    CONSTRAINT revenue_line_amount_minor_check CHECK ((amount_minor <> 0)),
    CONSTRAINT revenue_line_check CHECK ((until >= since)),
    CONSTRAINT revenue_line_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT revenue_line_line_check CHECK ((line > 0)),
    CONSTRAINT revenue_line_of_kind_check CHECK ((of_kind = ANY (ARRAY['fee'::text, 'usage'::text, 'item'::text, 'purchase'::text])))
);

CREATE TABLE public.revenue_movement (
    tenant_id text NOT NULL,
    customer_id text NOT NULL COLLATE pg_catalog."C",
    subscription_id text NOT NULL COLLATE pg_catalog."C",
    at timestamp with time zone NOT NULL,
    plan_key text NOT NULL COLLATE pg_catalog."C",
    plan_version integer NOT NULL,
    seq integer NOT NULL,
    currency text NOT NULL,
    delta_minor bigint NOT NULL,
    noted_at timestamp with time zone NOT NULL,
    CONSTRAINT revenue_movement_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT revenue_movement_delta_minor_check CHECK ((delta_minor <> 0)),
    CONSTRAINT revenue_movement_seq_check CHECK ((seq >= 0))
);

CREATE TABLE public.revenue_policy (
    tenant_id text NOT NULL,
    time_zone text NOT NULL,
    currency text,
    CONSTRAINT revenue_policy_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text))
);

CREATE TABLE public.revenue_rate (
    tenant_id text NOT NULL,
    base text NOT NULL,
    quote text NOT NULL,
    day date NOT NULL,
    rate numeric NOT NULL,
    told_at timestamp with time zone NOT NULL,
    CONSTRAINT revenue_rate_base_check CHECK ((base ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT revenue_rate_check CHECK (((quote ~ '^[A-Z]{3}$'::text) AND (quote <> base))),
    CONSTRAINT revenue_rate_rate_check CHECK ((rate > (0)::numeric))
);

CREATE TABLE public.revenue_reversal (
    tenant_id text NOT NULL,
    source_id text NOT NULL COLLATE pg_catalog."C",
    document_id text NOT NULL COLLATE pg_catalog."C",
    line integer NOT NULL,
    why text NOT NULL,
    amount_minor bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT revenue_reversal_amount_minor_check CHECK ((amount_minor > 0)),
    CONSTRAINT revenue_reversal_why_check CHECK ((why = ANY (ARRAY['credit'::text, 'refund'::text, 'matched'::text, 'void'::text])))
);

CREATE TABLE public.signing_key (
    tenant_id text NOT NULL,
    kid text NOT NULL,
    ring text NOT NULL,
    algorithm text NOT NULL,
    state text NOT NULL,
    public_key bytea,
    sealed bytea NOT NULL,
    created_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT signing_key_algorithm_check CHECK ((algorithm = ANY (ARRAY['ed25519'::text, 'secp256k1'::text, 'hmac-sha256'::text]))),
    CONSTRAINT signing_key_check CHECK (((public_key IS NULL) = (algorithm = 'hmac-sha256'::text))),
    CONSTRAINT signing_key_check1 CHECK (((state <> 'retired'::text) OR (retired_at IS NOT NULL))),
    CONSTRAINT signing_key_check2 CHECK (((state = 'revoked'::text) = (revoked_at IS NOT NULL))),
    CONSTRAINT signing_key_state_check CHECK ((state = ANY (ARRAY['active'::text, 'retired'::text, 'revoked'::text])))
);

CREATE TABLE public.subscriptions_addon (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    subscription_id text NOT NULL COLLATE pg_catalog."C",
    plan_key text NOT NULL COLLATE pg_catalog."C",
    plan_version integer NOT NULL,
    quantity integer NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT subscriptions_addon_check CHECK ((ends_at > starts_at)),
    CONSTRAINT subscriptions_addon_quantity_check CHECK ((quantity >= 1))
);

CREATE TABLE public.subscriptions_card (
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    on_file boolean NOT NULL,
    noted_at timestamp with time zone NOT NULL
);

CREATE TABLE public.subscriptions_period (
    tenant_id text NOT NULL,
    subscription_id text NOT NULL COLLATE pg_catalog."C",
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    planned_end_at timestamp with time zone NOT NULL,
    noted_at timestamp with time zone NOT NULL,
    CONSTRAINT subscriptions_period_check CHECK (((ends_at > starts_at) AND (planned_end_at >= ends_at)))
);

CREATE TABLE public.subscriptions_segment (
    tenant_id text NOT NULL,
    subscription_id text NOT NULL COLLATE pg_catalog."C",
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    plan_key text NOT NULL COLLATE pg_catalog."C",
    plan_version integer NOT NULL,
    quantity integer DEFAULT 1 NOT NULL,
    CONSTRAINT subscriptions_segment_check CHECK ((ends_at > starts_at)),
    CONSTRAINT subscriptions_segment_quantity_check CHECK ((quantity >= 1))
);

CREATE TABLE public.subscriptions_subscription (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    customer_id text NOT NULL,
    product_key text NOT NULL COLLATE pg_catalog."C",
    plan_key text NOT NULL COLLATE pg_catalog."C",
    plan_version integer NOT NULL,
    status text NOT NULL,
    current boolean NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    anchor_at timestamp with time zone NOT NULL,
    time_zone text NOT NULL,
    plan_expires_at timestamp with time zone NOT NULL,
    auto_renew boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    trial_end_at timestamp with time zone,
    paid_through timestamp with time zone,
    cancel_at timestamp with time zone,
    paused_at timestamp with time zone,
    resume_at timestamp with time zone,
    ended_at timestamp with time zone,
    next_plan_key text COLLATE pg_catalog."C",
    next_plan_version integer,
    provider text,
    provider_subscription_id text COLLATE pg_catalog."C",
    provider_order bigint DEFAULT 0 NOT NULL,
    charged_from timestamp with time zone,
    quantity integer DEFAULT 1 NOT NULL,
    planned jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT subscriptions_subscription_check CHECK ((period_end > period_start)),
    CONSTRAINT subscriptions_subscription_check1 CHECK (((status = ANY (ARRAY['canceled'::text, 'expired'::text])) = (ended_at IS NOT NULL))),
    CONSTRAINT subscriptions_subscription_check2 CHECK ((NOT (current AND (ended_at IS NOT NULL)))),
    CONSTRAINT subscriptions_subscription_check3 CHECK (((provider IS NULL) = (provider_subscription_id IS NULL))),
    CONSTRAINT subscriptions_subscription_plan_expires_at_check CHECK ((plan_expires_at = date_trunc('second'::text, plan_expires_at))),
    CONSTRAINT subscriptions_subscription_quantity_check CHECK ((quantity >= 1)),
    CONSTRAINT subscriptions_subscription_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'trialing'::text, 'active'::text, 'past_due'::text, 'paused'::text, 'canceled'::text, 'expired'::text])))
);

CREATE TABLE public.tenants_api_key (
    tenant_id text NOT NULL,
    id text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    key_hash bytea NOT NULL,
    prefix text NOT NULL,
    last4 text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT tenants_api_key_key_hash_check CHECK ((length(key_hash) = 32)),
    CONSTRAINT tenants_api_key_kind_check CHECK ((kind = ANY (ARRAY['secret'::text, 'publishable'::text])))
);

CREATE TABLE public.tenants_customer (
    tenant_id text NOT NULL,
    id text NOT NULL,
    external_ref text NOT NULL,
    email text,
    name text,
    country text,
    time_zone text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT tenants_customer_country_check CHECK ((country ~ '^[A-Z]{2}$'::text))
);

CREATE TABLE public.tenants_member (
    tenant_id text NOT NULL,
    id text NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT tenants_member_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'developer'::text, 'viewer'::text])))
);

CREATE TABLE public.tenants_session (
    tenant_id text NOT NULL,
    id text NOT NULL,
    token_hash bytea NOT NULL,
    member_id text NOT NULL,
    mode text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT tenants_session_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'test'::text])))
);

CREATE TABLE public.tenants_sign_in_link (
    tenant_id text NOT NULL,
    token_hash bytea NOT NULL,
    member_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone
);

CREATE TABLE public.webhooks_attempt (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    at timestamp with time zone NOT NULL,
    duration_ms integer NOT NULL,
    outcome text NOT NULL,
    status integer,
    told text NOT NULL,
    next_at timestamp with time zone
);

CREATE TABLE public.webhooks_delivery (
    tenant_id text NOT NULL,
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    message_id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    state text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    first_at timestamp with time zone,
    next_at timestamp with time zone NOT NULL,
    leased_until timestamp with time zone,
    aside_at timestamp with time zone,
    settled_at timestamp with time zone,
    CONSTRAINT webhooks_delivery_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text])))
);

ALTER TABLE public.webhooks_delivery ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.webhooks_delivery_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.webhooks_endpoint (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    url text NOT NULL,
    description text NOT NULL,
    event_types text[] NOT NULL,
    order_wait_s integer,
    enabled boolean NOT NULL,
    disabled_reason text,
    disabled_at timestamp with time zone,
    failing_since timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    resume_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT webhooks_endpoint_order_wait_s_check CHECK (((order_wait_s >= 0) AND (order_wait_s <= 604800)))
);

CREATE TABLE public.webhooks_message (
    tenant_id text NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    occurred_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    body bytea NOT NULL,
    endpoint_id text COLLATE pg_catalog."C"
);

ALTER TABLE public.webhooks_message ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.webhooks_message_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.webhooks_secret (
    tenant_id text NOT NULL,
    endpoint_id text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    scheme text NOT NULL,
    sealed bytea NOT NULL,
    public_key text,
    created_at timestamp with time zone NOT NULL,
    not_after timestamp with time zone,
    CONSTRAINT webhooks_secret_scheme_check CHECK ((scheme = ANY (ARRAY['v1'::text, 'v1a'::text])))
);

ALTER TABLE ONLY public.audit_head
    ADD CONSTRAINT audit_head_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.audit_record
    ADD CONSTRAINT audit_record_pkey PRIMARY KEY (tenant_id, seq);

ALTER TABLE ONLY public.billing_buyer
    ADD CONSTRAINT billing_buyer_pkey PRIMARY KEY (tenant_id, customer_id);

ALTER TABLE ONLY public.billing_logo
    ADD CONSTRAINT billing_logo_pkey PRIMARY KEY (tenant_id, digest);

ALTER TABLE ONLY public.billing_migration_item
    ADD CONSTRAINT billing_migration_item_pkey PRIMARY KEY (tenant_id, migration_id, subscription_id);

ALTER TABLE ONLY public.billing_migration
    ADD CONSTRAINT billing_migration_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.billing_parked
    ADD CONSTRAINT billing_parked_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.billing_seller
    ADD CONSTRAINT billing_seller_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.billing_tax_rate
    ADD CONSTRAINT billing_tax_rate_pkey PRIMARY KEY (tenant_id, country, valid_from);

ALTER TABLE ONLY public.catalogue_plan
    ADD CONSTRAINT catalogue_plan_pkey PRIMARY KEY (tenant_id, key);

ALTER TABLE ONLY public.catalogue_plan_version
    ADD CONSTRAINT catalogue_plan_version_pkey PRIMARY KEY (tenant_id, plan_key, version);

ALTER TABLE ONLY public.catalogue_product
    ADD CONSTRAINT catalogue_product_pkey PRIMARY KEY (tenant_id, key);

ALTER TABLE ONLY public.catalogue_provider_price
    ADD CONSTRAINT catalogue_provider_price_pkey PRIMARY KEY (tenant_id, provider, price_id, plan_version);

ALTER TABLE ONLY public.catalogue_state
    ADD CONSTRAINT catalogue_state_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.doors_customer
    ADD CONSTRAINT doors_customer_pkey PRIMARY KEY (tenant_id, door, name);

ALTER TABLE ONLY public.doors_letter
    ADD CONSTRAINT doors_letter_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.doors_meter
    ADD CONSTRAINT doors_meter_pkey PRIMARY KEY (tenant_id, door, event, meter_key);

ALTER TABLE ONLY public.entitlements_consumption
    ADD CONSTRAINT entitlements_consumption_pkey PRIMARY KEY (tenant_id, key);

ALTER TABLE ONLY public.entitlements_counter
    ADD CONSTRAINT entitlements_counter_pkey PRIMARY KEY (tenant_id, customer_id, feature_key, product_key, period_start);

ALTER TABLE ONLY public.entitlements_record
    ADD CONSTRAINT entitlements_record_pkey PRIMARY KEY (tenant_id, customer_id);

ALTER TABLE ONLY public.entitlements_record
    ADD CONSTRAINT entitlements_record_tenant_id_customer_ref_key UNIQUE (tenant_id, customer_ref);

ALTER TABLE ONLY public.entitlements_reservation
    ADD CONSTRAINT entitlements_reservation_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.kit_dead_letter
    ADD CONSTRAINT kit_dead_letter_pkey PRIMARY KEY (tenant_id, handler, event_id);

ALTER TABLE ONLY public.kit_forgetting
    ADD CONSTRAINT kit_forgetting_pkey PRIMARY KEY (relation);

ALTER TABLE ONLY public.kit_handled
    ADD CONSTRAINT kit_handled_pkey PRIMARY KEY (tenant_id, handler, event_id);

ALTER TABLE ONLY public.kit_idempotency
    ADD CONSTRAINT kit_idempotency_pkey PRIMARY KEY (tenant_id, key);

ALTER TABLE ONLY public.kit_job
    ADD CONSTRAINT kit_job_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.kit_log_position
    ADD CONSTRAINT kit_log_position_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.kit_migration
    ADD CONSTRAINT kit_migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.kit_operator_token
    ADD CONSTRAINT kit_operator_token_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.kit_outbox
    ADD CONSTRAINT kit_outbox_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY public.kit_parked
    ADD CONSTRAINT kit_parked_pkey PRIMARY KEY (tenant_id, handler, event_id);

ALTER TABLE ONLY public.kit_test_clock
    ADD CONSTRAINT kit_test_clock_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.ledger_counter
    ADD CONSTRAINT ledger_counter_pkey PRIMARY KEY (tenant_id, name);

ALTER TABLE ONLY public.ledger_coupon
    ADD CONSTRAINT ledger_coupon_pkey PRIMARY KEY (tenant_id, code);

ALTER TABLE ONLY public.ledger_credit_note
    ADD CONSTRAINT ledger_credit_note_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.ledger_credit_note
    ADD CONSTRAINT ledger_credit_note_tenant_id_number_key UNIQUE (tenant_id, number);

ALTER TABLE ONLY public.ledger_credit_note
    ADD CONSTRAINT ledger_credit_note_tenant_id_source_key UNIQUE (tenant_id, source);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_pkey PRIMARY KEY (tenant_id, transaction_id, "position");

ALTER TABLE ONLY public.ledger_invoice
    ADD CONSTRAINT ledger_invoice_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.ledger_invoice
    ADD CONSTRAINT ledger_invoice_tenant_id_number_key UNIQUE (tenant_id, number);

ALTER TABLE ONLY public.ledger_invoice
    ADD CONSTRAINT ledger_invoice_tenant_id_subscription_id_kind_period_start__key UNIQUE (tenant_id, subscription_id, kind, period_start, period_end);

ALTER TABLE ONLY public.ledger_item
    ADD CONSTRAINT ledger_item_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.ledger_item
    ADD CONSTRAINT ledger_item_tenant_id_source_key UNIQUE (tenant_id, source);

ALTER TABLE ONLY public.ledger_payment
    ADD CONSTRAINT ledger_payment_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.ledger_payment
    ADD CONSTRAINT ledger_payment_tenant_id_provider_provider_payment_id_key UNIQUE (tenant_id, provider, provider_payment_id);

ALTER TABLE ONLY public.ledger_redemption_period
    ADD CONSTRAINT ledger_redemption_period_pkey PRIMARY KEY (tenant_id, redemption_id, period_start);

ALTER TABLE ONLY public.ledger_redemption
    ADD CONSTRAINT ledger_redemption_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.ledger_redemption
    ADD CONSTRAINT ledger_redemption_tenant_id_subscription_id_code_key UNIQUE (tenant_id, subscription_id, code);

ALTER TABLE ONLY public.ledger_refund
    ADD CONSTRAINT ledger_refund_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.ledger_refund
    ADD CONSTRAINT ledger_refund_tenant_id_provider_provider_refund_id_key UNIQUE (tenant_id, provider, provider_refund_id);

ALTER TABLE ONLY public.ledger_settlement
    ADD CONSTRAINT ledger_settlement_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.ledger_transaction
    ADD CONSTRAINT ledger_transaction_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.ledger_transaction
    ADD CONSTRAINT ledger_transaction_tenant_id_reverses_id_key UNIQUE (tenant_id, reverses_id);

ALTER TABLE ONLY public.ledger_transaction
    ADD CONSTRAINT ledger_transaction_tenant_id_source_kind_source_id_key UNIQUE (tenant_id, source_kind, source_id);

ALTER TABLE ONLY public.licensing_activation
    ADD CONSTRAINT licensing_activation_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.licensing_license
    ADD CONSTRAINT licensing_license_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.licensing_policy
    ADD CONSTRAINT licensing_policy_pkey PRIMARY KEY (tenant_id, key);

ALTER TABLE ONLY public.licensing_purchase
    ADD CONSTRAINT licensing_purchase_pkey PRIMARY KEY (tenant_id, purchase);

ALTER TABLE ONLY public.licensing_release
    ADD CONSTRAINT licensing_release_pkey PRIMARY KEY (tenant_id, product, version);

ALTER TABLE ONLY public.licensing_request
    ADD CONSTRAINT licensing_request_pkey PRIMARY KEY (tenant_id, nonce);

ALTER TABLE ONLY public.licensing_revocation
    ADD CONSTRAINT licensing_revocation_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.licensing_serial
    ADD CONSTRAINT licensing_serial_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.licensing_trial
    ADD CONSTRAINT licensing_trial_pkey PRIMARY KEY (tenant_id, digest, activation_id);

ALTER TABLE ONLY public.licensing_usage
    ADD CONSTRAINT licensing_usage_pkey PRIMARY KEY (tenant_id, activation_id, meter_key, period);

ALTER TABLE ONLY public.metering_distinct
    ADD CONSTRAINT metering_distinct_pkey PRIMARY KEY (tenant_id, meter_key, customer_ref, hour, unique_value);

ALTER TABLE ONLY public.metering_event
    ADD CONSTRAINT metering_event_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.metering_hour
    ADD CONSTRAINT metering_hour_pkey PRIMARY KEY (tenant_id, meter_key, customer_ref, hour);

ALTER TABLE ONLY public.metering_meter
    ADD CONSTRAINT metering_meter_pkey PRIMARY KEY (tenant_id, key);

ALTER TABLE ONLY public.metering_overlay
    ADD CONSTRAINT metering_overlay_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.metering_window
    ADD CONSTRAINT metering_window_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.payments_account
    ADD CONSTRAINT payments_account_pkey PRIMARY KEY (tenant_id, provider);

ALTER TABLE ONLY public.payments_account
    ADD CONSTRAINT payments_account_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.payments_alias
    ADD CONSTRAINT payments_alias_pkey PRIMARY KEY (tenant_id, provider, alias);

ALTER TABLE ONLY public.payments_attempt
    ADD CONSTRAINT payments_attempt_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.payments_attempt
    ADD CONSTRAINT payments_attempt_tenant_id_collection_id_number_key UNIQUE (tenant_id, collection_id, number);

ALTER TABLE ONLY public.payments_collection
    ADD CONSTRAINT payments_collection_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.payments_collection_policy
    ADD CONSTRAINT payments_collection_policy_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.payments_collection
    ADD CONSTRAINT payments_collection_tenant_id_purpose_subject_id_key UNIQUE (tenant_id, purpose, subject_id);

ALTER TABLE ONLY public.payments_cursor
    ADD CONSTRAINT payments_cursor_pkey PRIMARY KEY (tenant_id, provider);

ALTER TABLE ONLY public.payments_customer
    ADD CONSTRAINT payments_customer_pkey PRIMARY KEY (tenant_id, provider, provider_customer_id);

ALTER TABLE ONLY public.payments_dispute
    ADD CONSTRAINT payments_dispute_pkey PRIMARY KEY (tenant_id, provider, provider_dispute_id);

ALTER TABLE ONLY public.payments_errand
    ADD CONSTRAINT payments_errand_pkey PRIMARY KEY (tenant_id, key);

ALTER TABLE ONLY public.payments_errand
    ADD CONSTRAINT payments_errand_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.payments_event
    ADD CONSTRAINT payments_event_pkey PRIMARY KEY (tenant_id, provider, provider_event_id);

ALTER TABLE ONLY public.payments_event
    ADD CONSTRAINT payments_event_tenant_id_id_key UNIQUE (tenant_id, id);

ALTER TABLE ONLY public.payments_metered_due
    ADD CONSTRAINT payments_metered_due_pkey PRIMARY KEY (tenant_id, meter_key, customer_ref);

ALTER TABLE ONLY public.payments_metered_event
    ADD CONSTRAINT payments_metered_event_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.payments_metered_event
    ADD CONSTRAINT payments_metered_event_tenant_id_meter_key_customer_ref_hou_key UNIQUE (tenant_id, meter_key, customer_ref, hour, number);

ALTER TABLE ONLY public.payments_metered
    ADD CONSTRAINT payments_metered_pkey PRIMARY KEY (tenant_id, meter_key);

ALTER TABLE ONLY public.payments_metered
    ADD CONSTRAINT payments_metered_tenant_id_event_name_key UNIQUE (tenant_id, event_name);

ALTER TABLE ONLY public.payments_purchase
    ADD CONSTRAINT payments_purchase_pkey PRIMARY KEY (tenant_id, provider, checkout_id);

ALTER TABLE ONLY public.payments_purchase
    ADD CONSTRAINT payments_purchase_tenant_id_provider_payment_id_key UNIQUE (tenant_id, provider, payment_id);

ALTER TABLE ONLY public.payments_refund
    ADD CONSTRAINT payments_refund_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.payments_refund
    ADD CONSTRAINT payments_refund_tenant_id_source_key UNIQUE (tenant_id, source);

ALTER TABLE ONLY public.payments_returned
    ADD CONSTRAINT payments_returned_pkey PRIMARY KEY (tenant_id, provider, payment_id);

ALTER TABLE ONLY public.payments_secret
    ADD CONSTRAINT payments_secret_pkey PRIMARY KEY (tenant_id, provider, id);

ALTER TABLE ONLY public.payments_subscription
    ADD CONSTRAINT payments_subscription_pkey PRIMARY KEY (tenant_id, provider, provider_subscription_id);

ALTER TABLE ONLY public.payments_top_up_rule
    ADD CONSTRAINT payments_top_up_rule_pkey PRIMARY KEY (tenant_id, customer_id, currency);

ALTER TABLE ONLY public.payments_upgrade
    ADD CONSTRAINT payments_upgrade_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.queue_told
    ADD CONSTRAINT queue_told_pkey PRIMARY KEY (tenant_id, kind);

ALTER TABLE ONLY public.revenue_line
    ADD CONSTRAINT revenue_line_pkey PRIMARY KEY (tenant_id, document_id, line);

ALTER TABLE ONLY public.revenue_movement
    ADD CONSTRAINT revenue_movement_pkey PRIMARY KEY (tenant_id, subscription_id, at, plan_key, plan_version, seq);

ALTER TABLE ONLY public.revenue_policy
    ADD CONSTRAINT revenue_policy_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.revenue_rate
    ADD CONSTRAINT revenue_rate_pkey PRIMARY KEY (tenant_id, base, quote, day);

ALTER TABLE ONLY public.revenue_reversal
    ADD CONSTRAINT revenue_reversal_pkey PRIMARY KEY (tenant_id, source_id, document_id, line);

ALTER TABLE ONLY public.signing_key
    ADD CONSTRAINT signing_key_pkey PRIMARY KEY (tenant_id, kid);

ALTER TABLE ONLY public.subscriptions_addon
    ADD CONSTRAINT subscriptions_addon_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.subscriptions_card
    ADD CONSTRAINT subscriptions_card_pkey PRIMARY KEY (tenant_id, customer_id);

ALTER TABLE ONLY public.subscriptions_period
    ADD CONSTRAINT subscriptions_period_pkey PRIMARY KEY (tenant_id, subscription_id, starts_at);

ALTER TABLE ONLY public.subscriptions_segment
    ADD CONSTRAINT subscriptions_segment_pkey PRIMARY KEY (tenant_id, subscription_id, starts_at);

ALTER TABLE ONLY public.subscriptions_subscription
    ADD CONSTRAINT subscriptions_subscription_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.tenants_api_key
    ADD CONSTRAINT tenants_api_key_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY public.tenants_api_key
    ADD CONSTRAINT tenants_api_key_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.tenants_customer
    ADD CONSTRAINT tenants_customer_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.tenants_customer
    ADD CONSTRAINT tenants_customer_tenant_id_external_ref_key UNIQUE (tenant_id, external_ref);

ALTER TABLE ONLY public.tenants_member
    ADD CONSTRAINT tenants_member_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.tenants_session
    ADD CONSTRAINT tenants_session_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.tenants_session
    ADD CONSTRAINT tenants_session_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.tenants_sign_in_link
    ADD CONSTRAINT tenants_sign_in_link_pkey PRIMARY KEY (tenant_id, token_hash);

ALTER TABLE ONLY public.tenants_sign_in_link
    ADD CONSTRAINT tenants_sign_in_link_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.tenants_tenant
    ADD CONSTRAINT tenants_tenant_business_id_mode_key UNIQUE (business_id, mode);

ALTER TABLE ONLY public.tenants_tenant
    ADD CONSTRAINT tenants_tenant_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.tenants_tenant
    ADD CONSTRAINT tenants_tenant_slug_key UNIQUE (slug);

ALTER TABLE ONLY public.webhooks_attempt
    ADD CONSTRAINT webhooks_attempt_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.webhooks_delivery
    ADD CONSTRAINT webhooks_delivery_pkey PRIMARY KEY (tenant_id, endpoint_id, message_id);

ALTER TABLE ONLY public.webhooks_endpoint
    ADD CONSTRAINT webhooks_endpoint_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.webhooks_message
    ADD CONSTRAINT webhooks_message_pkey PRIMARY KEY (tenant_id, id);

ALTER TABLE ONLY public.webhooks_message
    ADD CONSTRAINT webhooks_message_tenant_id_event_id_key UNIQUE (tenant_id, event_id);

ALTER TABLE ONLY public.webhooks_secret
    ADD CONSTRAINT webhooks_secret_pkey PRIMARY KEY (tenant_id, endpoint_id, id);

CREATE INDEX audit_record_subject ON public.audit_record USING btree (tenant_id, subject, seq);

CREATE UNIQUE INDEX billing_parked_now ON public.billing_parked USING btree (tenant_id, customer_id) WHERE (released_at IS NULL);

CREATE INDEX catalogue_provider_price_plan ON public.catalogue_provider_price USING btree (tenant_id, plan_key, plan_version);

CREATE INDEX doors_letter_arrived ON public.doors_letter USING btree (tenant_id, arrived_at);

CREATE INDEX doors_letter_waiting ON public.doors_letter USING btree (tenant_id, id) WHERE (state = 'waiting'::text);

CREATE UNIQUE INDEX doors_letter_waiting_once ON public.doors_letter USING btree (tenant_id, door, digest) WHERE (state = 'waiting'::text);

CREATE UNIQUE INDEX entitlements_reservation_by_key ON public.entitlements_reservation USING btree (tenant_id, key) WHERE (key IS NOT NULL);

CREATE INDEX entitlements_reservation_held ON public.entitlements_reservation USING btree (tenant_id, customer_id) WHERE (state = 'held'::text);

CREATE INDEX kit_handled_age ON public.kit_handled USING btree (handled_at);

CREATE INDEX kit_idempotency_age ON public.kit_idempotency USING btree (created_at);

CREATE INDEX kit_job_led ON public.kit_job USING btree (tenant_id, led_by) WHERE (led_by IS NOT NULL);

CREATE INDEX kit_job_submitted ON public.kit_job USING btree (submitted_at) WHERE ((submitted_at IS NOT NULL) AND (NOT dead));

CREATE UNIQUE INDEX kit_job_unique ON public.kit_job USING btree (tenant_id, name, unique_key) WHERE (unique_key IS NOT NULL);

CREATE INDEX kit_job_unsubmitted ON public.kit_job USING btree (run_at) WHERE ((submitted_at IS NULL) AND (NOT dead));

CREATE INDEX kit_parked_due ON public.kit_parked USING btree (handler, not_before);

CREATE INDEX kit_parked_in_order ON public.kit_parked USING btree (tenant_id, handler, "position");

CREATE INDEX ledger_credit_note_by_invoice ON public.ledger_credit_note USING btree (tenant_id, invoice_id, id);

CREATE INDEX ledger_entry_by_account ON public.ledger_entry USING btree (tenant_id, account_kind, customer_id, currency) INCLUDE (amount_minor);

CREATE INDEX ledger_invoice_by_customer ON public.ledger_invoice USING btree (tenant_id, customer_id, id);

CREATE INDEX ledger_item_by_invoice ON public.ledger_item USING btree (tenant_id, invoice_id) WHERE (invoice_id IS NOT NULL);

CREATE INDEX ledger_item_waiting ON public.ledger_item USING btree (tenant_id, customer_id, id) WHERE (invoice_id IS NULL);

CREATE INDEX ledger_payment_unapplied ON public.ledger_payment USING btree (tenant_id, customer_id, id) WHERE (unapplied_minor > 0);

CREATE INDEX ledger_refund_by_payment ON public.ledger_refund USING btree (tenant_id, payment_id);

CREATE INDEX ledger_settlement_by_invoice ON public.ledger_settlement USING btree (tenant_id, invoice_id);

CREATE INDEX ledger_settlement_by_payment ON public.ledger_settlement USING btree (tenant_id, payment_id);

CREATE INDEX licensing_activation_of_license ON public.licensing_activation USING btree (tenant_id, license_id, id);

CREATE INDEX licensing_license_by_customer ON public.licensing_license USING btree (tenant_id, customer_id, id);

CREATE UNIQUE INDEX licensing_license_by_key ON public.licensing_license USING btree (tenant_id, key_digest) WHERE (key_digest IS NOT NULL);

CREATE INDEX licensing_license_by_payment ON public.licensing_license USING btree (tenant_id, payment) WHERE (payment IS NOT NULL);

CREATE INDEX licensing_license_by_policy ON public.licensing_license USING btree (tenant_id, policy_key, created_at);

CREATE UNIQUE INDEX licensing_license_by_purchase ON public.licensing_license USING btree (tenant_id, purchase) WHERE (purchase IS NOT NULL);

CREATE UNIQUE INDEX licensing_license_by_subscription ON public.licensing_license USING btree (tenant_id, subscription_id) WHERE (subscription_id IS NOT NULL);

CREATE UNIQUE INDEX licensing_policy_of_plan ON public.licensing_policy USING btree (tenant_id, plan_key) WHERE (plan_key IS NOT NULL);

CREATE UNIQUE INDEX licensing_policy_of_purchases ON public.licensing_policy USING btree (tenant_id) WHERE unnamed_purchases;

CREATE UNIQUE INDEX licensing_policy_of_trial ON public.licensing_policy USING btree (tenant_id, product) WHERE trial;

CREATE INDEX licensing_purchase_by_customer ON public.licensing_purchase USING btree (tenant_id, customer_id);

CREATE INDEX licensing_purchase_by_payment ON public.licensing_purchase USING btree (tenant_id, payment);

CREATE INDEX licensing_request_of_activation ON public.licensing_request USING btree (tenant_id, activation_id);

CREATE INDEX metering_event_by_arrival ON public.metering_event USING btree (tenant_id, seq);

CREATE INDEX metering_event_by_customer ON public.metering_event USING btree (tenant_id, meter_key, customer_ref, at);

CREATE INDEX metering_event_late ON public.metering_event USING btree (tenant_id, customer_ref, seq) WHERE ((received_at - at) >= '01:00:00'::interval);

CREATE INDEX metering_meter_by_revision ON public.metering_meter USING btree (tenant_id, revision);

CREATE INDEX metering_overlay_by_arrival ON public.metering_overlay USING btree (tenant_id, seq);

CREATE INDEX metering_overlay_by_customer ON public.metering_overlay USING btree (tenant_id, customer_ref, meter_key, seq);

CREATE INDEX metering_overlay_by_event ON public.metering_overlay USING btree (tenant_id, event_id, seq);

CREATE UNIQUE INDEX metering_overlay_now ON public.metering_overlay USING btree (tenant_id, event_id) WHERE (superseded_seq IS NULL);

CREATE INDEX metering_window_open ON public.metering_window USING btree (tenant_id, meter_key) WHERE (finished_at IS NULL);

CREATE INDEX payments_attempt_due ON public.payments_attempt USING btree (tenant_id, look_at) WHERE (state = ANY (ARRAY['asked'::text, 'pending'::text]));

CREATE UNIQUE INDEX payments_attempt_under_way ON public.payments_attempt USING btree (tenant_id, collection_id) WHERE (state = ANY (ARRAY['asked'::text, 'pending'::text]));

CREATE INDEX payments_collection_of_customer ON public.payments_collection USING btree (tenant_id, customer_id);

CREATE INDEX payments_collection_of_subscription ON public.payments_collection USING btree (tenant_id, subscription_id) WHERE (state = ANY (ARRAY['collecting'::text, 'waiting'::text]));

CREATE INDEX payments_customer_by_customer ON public.payments_customer USING btree (tenant_id, customer_id, provider);

CREATE INDEX payments_event_of_subscription ON public.payments_event USING btree (tenant_id, provider, subscription_ref) WHERE (subscription_ref IS NOT NULL);

CREATE INDEX payments_event_open ON public.payments_event USING btree (tenant_id, id) WHERE (state = ANY (ARRAY['received'::text, 'failed'::text]));

CREATE INDEX payments_metered_due_at ON public.payments_metered_due USING btree (tenant_id, look_at);

CREATE INDEX payments_metered_event_due ON public.payments_metered_event USING btree (tenant_id, next_at) WHERE (state = 'waiting'::text);

CREATE INDEX payments_metered_event_open ON public.payments_metered_event USING btree (tenant_id, state, hour) WHERE (state <> 'sent'::text);

CREATE INDEX payments_refund_due ON public.payments_refund USING btree (tenant_id, look_at) WHERE (state = ANY (ARRAY['asked'::text, 'pending'::text]));

CREATE INDEX payments_refund_of_payment ON public.payments_refund USING btree (tenant_id, payment_id);

CREATE INDEX payments_subscription_waiting ON public.payments_subscription USING btree (tenant_id, awaits_customer_since) WHERE (awaits_customer_since IS NOT NULL);

CREATE UNIQUE INDEX payments_upgrade_waiting ON public.payments_upgrade USING btree (tenant_id, subscription_id) WHERE (state = 'waiting'::text);

CREATE INDEX revenue_line_by_customer ON public.revenue_line USING btree (tenant_id, customer_id);

CREATE INDEX revenue_line_by_time ON public.revenue_line USING btree (tenant_id, ends_at, begins_at);

CREATE INDEX revenue_movement_by_customer ON public.revenue_movement USING btree (tenant_id, customer_id, at, subscription_id, plan_key, plan_version, seq);

CREATE INDEX revenue_movement_by_time ON public.revenue_movement USING btree (tenant_id, at, subscription_id, plan_key, plan_version, seq);

CREATE INDEX revenue_reversal_by_time ON public.revenue_reversal USING btree (tenant_id, at);

CREATE INDEX revenue_reversal_of_document ON public.revenue_reversal USING btree (tenant_id, document_id, at);

CREATE UNIQUE INDEX signing_key_active ON public.signing_key USING btree (tenant_id, ring, algorithm) WHERE (state = 'active'::text);

CREATE INDEX subscriptions_addon_subscription ON public.subscriptions_addon USING btree (tenant_id, subscription_id, starts_at);

CREATE UNIQUE INDEX subscriptions_subscription_current ON public.subscriptions_subscription USING btree (tenant_id, customer_id, product_key) WHERE current;

CREATE INDEX subscriptions_subscription_customer ON public.subscriptions_subscription USING btree (tenant_id, customer_id, product_key);

CREATE UNIQUE INDEX subscriptions_subscription_provider ON public.subscriptions_subscription USING btree (tenant_id, provider, provider_subscription_id) WHERE (provider IS NOT NULL);

CREATE INDEX tenants_customer_email ON public.tenants_customer USING btree (tenant_id, lower(email));

CREATE UNIQUE INDEX tenants_member_email ON public.tenants_member USING btree (tenant_id, lower(email));

CREATE INDEX tenants_session_member ON public.tenants_session USING btree (tenant_id, member_id);

CREATE INDEX webhooks_attempt_of_delivery ON public.webhooks_attempt USING btree (tenant_id, endpoint_id, message_id, id);

CREATE INDEX webhooks_attempt_of_message ON public.webhooks_attempt USING btree (tenant_id, message_id, id);

CREATE INDEX webhooks_delivery_due ON public.webhooks_delivery USING btree (tenant_id, endpoint_id, next_at) WHERE (state = 'pending'::text);

CREATE INDEX webhooks_delivery_in_order ON public.webhooks_delivery USING btree (tenant_id, endpoint_id, "position") WHERE (state = 'pending'::text);

CREATE INDEX webhooks_delivery_of_message ON public.webhooks_delivery USING btree (tenant_id, message_id);

CREATE INDEX webhooks_message_by_time ON public.webhooks_message USING btree (tenant_id, created_at);

CREATE TRIGGER audit_head_forward BEFORE UPDATE ON public.audit_head FOR EACH ROW EXECUTE FUNCTION public.audit_head_forward();

CREATE TRIGGER audit_head_kept BEFORE DELETE ON public.audit_head FOR EACH ROW EXECUTE FUNCTION public.audit_refuse_change();

CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON public.audit_head FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_change();

CREATE TRIGGER audit_record_append_only BEFORE DELETE OR UPDATE ON public.audit_record FOR EACH ROW EXECUTE FUNCTION public.audit_refuse_change();

CREATE TRIGGER audit_record_no_truncate BEFORE TRUNCATE ON public.audit_record FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_change();

CREATE TRIGGER ledger_credit_note_append_only BEFORE DELETE OR UPDATE ON public.ledger_credit_note FOR EACH ROW EXECUTE FUNCTION public.ledger_append_only();

CREATE TRIGGER ledger_entry_append_only BEFORE DELETE OR UPDATE ON public.ledger_entry FOR EACH ROW EXECUTE FUNCTION public.ledger_append_only();

CREATE CONSTRAINT TRIGGER ledger_entry_balanced AFTER INSERT ON public.ledger_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_must_balance();

CREATE TRIGGER ledger_invoice_frozen BEFORE DELETE OR UPDATE ON public.ledger_invoice FOR EACH ROW EXECUTE FUNCTION public.ledger_invoice_frozen();

CREATE TRIGGER ledger_item_frozen BEFORE DELETE OR UPDATE ON public.ledger_item FOR EACH ROW EXECUTE FUNCTION public.ledger_item_frozen();

CREATE TRIGGER ledger_refund_append_only BEFORE DELETE OR UPDATE ON public.ledger_refund FOR EACH ROW EXECUTE FUNCTION public.ledger_append_only();

CREATE TRIGGER ledger_settlement_append_only BEFORE DELETE OR UPDATE ON public.ledger_settlement FOR EACH ROW EXECUTE FUNCTION public.ledger_append_only();

CREATE TRIGGER ledger_transaction_append_only BEFORE DELETE OR UPDATE ON public.ledger_transaction FOR EACH ROW EXECUTE FUNCTION public.ledger_append_only();

CREATE CONSTRAINT TRIGGER ledger_transaction_balanced AFTER INSERT ON public.ledger_transaction DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_must_balance();

CREATE TRIGGER metering_overlay_frozen BEFORE UPDATE ON public.metering_overlay FOR EACH ROW EXECUTE FUNCTION public.metering_overlay_frozen();

ALTER TABLE ONLY public.billing_buyer
    ADD CONSTRAINT billing_buyer_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.billing_migration_item
    ADD CONSTRAINT billing_migration_item_tenant_id_migration_id_fkey FOREIGN KEY (tenant_id, migration_id) REFERENCES public.billing_migration(tenant_id, id);

ALTER TABLE ONLY public.billing_migration_item
    ADD CONSTRAINT billing_migration_item_tenant_id_subscription_id_fkey FOREIGN KEY (tenant_id, subscription_id) REFERENCES public.subscriptions_subscription(tenant_id, id);

ALTER TABLE ONLY public.billing_migration
    ADD CONSTRAINT billing_migration_tenant_id_from_plan_key_from_version_fkey FOREIGN KEY (tenant_id, from_plan_key, from_version) REFERENCES public.catalogue_plan_version(tenant_id, plan_key, version);

ALTER TABLE ONLY public.billing_migration
    ADD CONSTRAINT billing_migration_tenant_id_to_plan_key_to_version_fkey FOREIGN KEY (tenant_id, to_plan_key, to_version) REFERENCES public.catalogue_plan_version(tenant_id, plan_key, version);

ALTER TABLE ONLY public.billing_parked
    ADD CONSTRAINT billing_parked_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.catalogue_plan
    ADD CONSTRAINT catalogue_plan_tenant_id_product_key_fkey FOREIGN KEY (tenant_id, product_key) REFERENCES public.catalogue_product(tenant_id, key);

ALTER TABLE ONLY public.catalogue_plan_version
    ADD CONSTRAINT catalogue_plan_version_tenant_id_plan_key_fkey FOREIGN KEY (tenant_id, plan_key) REFERENCES public.catalogue_plan(tenant_id, key);

ALTER TABLE ONLY public.catalogue_provider_price
    ADD CONSTRAINT catalogue_provider_price_tenant_id_plan_key_plan_version_fkey FOREIGN KEY (tenant_id, plan_key, plan_version) REFERENCES public.catalogue_plan_version(tenant_id, plan_key, version);

ALTER TABLE ONLY public.entitlements_counter
    ADD CONSTRAINT entitlements_counter_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.entitlements_record(tenant_id, customer_id);

ALTER TABLE ONLY public.entitlements_record
    ADD CONSTRAINT entitlements_record_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.entitlements_reservation
    ADD CONSTRAINT entitlements_reservation_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.entitlements_record(tenant_id, customer_id);

ALTER TABLE ONLY public.ledger_credit_note
    ADD CONSTRAINT ledger_credit_note_tenant_id_invoice_id_fkey FOREIGN KEY (tenant_id, invoice_id) REFERENCES public.ledger_invoice(tenant_id, id);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_tenant_id_transaction_id_fkey FOREIGN KEY (tenant_id, transaction_id) REFERENCES public.ledger_transaction(tenant_id, id);

ALTER TABLE ONLY public.ledger_invoice
    ADD CONSTRAINT ledger_invoice_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.ledger_invoice
    ADD CONSTRAINT ledger_invoice_tenant_id_subscription_id_fkey FOREIGN KEY (tenant_id, subscription_id) REFERENCES public.subscriptions_subscription(tenant_id, id);

ALTER TABLE ONLY public.ledger_item
    ADD CONSTRAINT ledger_item_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.ledger_item
    ADD CONSTRAINT ledger_item_tenant_id_invoice_id_fkey FOREIGN KEY (tenant_id, invoice_id) REFERENCES public.ledger_invoice(tenant_id, id);

ALTER TABLE ONLY public.ledger_item
    ADD CONSTRAINT ledger_item_tenant_id_subscription_id_fkey FOREIGN KEY (tenant_id, subscription_id) REFERENCES public.subscriptions_subscription(tenant_id, id);

ALTER TABLE ONLY public.ledger_payment
    ADD CONSTRAINT ledger_payment_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.ledger_payment
    ADD CONSTRAINT ledger_payment_tenant_id_subscription_id_fkey FOREIGN KEY (tenant_id, subscription_id) REFERENCES public.subscriptions_subscription(tenant_id, id);

ALTER TABLE ONLY public.ledger_redemption_period
    ADD CONSTRAINT ledger_redemption_period_tenant_id_redemption_id_fkey FOREIGN KEY (tenant_id, redemption_id) REFERENCES public.ledger_redemption(tenant_id, id);

ALTER TABLE ONLY public.ledger_redemption
    ADD CONSTRAINT ledger_redemption_tenant_id_code_fkey FOREIGN KEY (tenant_id, code) REFERENCES public.ledger_coupon(tenant_id, code);

ALTER TABLE ONLY public.ledger_redemption
    ADD CONSTRAINT ledger_redemption_tenant_id_subscription_id_fkey FOREIGN KEY (tenant_id, subscription_id) REFERENCES public.subscriptions_subscription(tenant_id, id);

ALTER TABLE ONLY public.ledger_refund
    ADD CONSTRAINT ledger_refund_tenant_id_payment_id_fkey FOREIGN KEY (tenant_id, payment_id) REFERENCES public.ledger_payment(tenant_id, id);

ALTER TABLE ONLY public.ledger_settlement
    ADD CONSTRAINT ledger_settlement_tenant_id_invoice_id_fkey FOREIGN KEY (tenant_id, invoice_id) REFERENCES public.ledger_invoice(tenant_id, id);

ALTER TABLE ONLY public.ledger_settlement
    ADD CONSTRAINT ledger_settlement_tenant_id_payment_id_fkey FOREIGN KEY (tenant_id, payment_id) REFERENCES public.ledger_payment(tenant_id, id);

ALTER TABLE ONLY public.ledger_transaction
    ADD CONSTRAINT ledger_transaction_tenant_id_reverses_id_fkey FOREIGN KEY (tenant_id, reverses_id) REFERENCES public.ledger_transaction(tenant_id, id);

ALTER TABLE ONLY public.licensing_activation
    ADD CONSTRAINT licensing_activation_tenant_id_license_id_fkey FOREIGN KEY (tenant_id, license_id) REFERENCES public.licensing_license(tenant_id, id);

ALTER TABLE ONLY public.licensing_license
    ADD CONSTRAINT licensing_license_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.licensing_license
    ADD CONSTRAINT licensing_license_tenant_id_policy_key_fkey FOREIGN KEY (tenant_id, policy_key) REFERENCES public.licensing_policy(tenant_id, key);

ALTER TABLE ONLY public.licensing_purchase
    ADD CONSTRAINT licensing_purchase_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.licensing_request
    ADD CONSTRAINT licensing_request_tenant_id_activation_id_fkey FOREIGN KEY (tenant_id, activation_id) REFERENCES public.licensing_activation(tenant_id, id);

ALTER TABLE ONLY public.licensing_usage
    ADD CONSTRAINT licensing_usage_tenant_id_activation_id_fkey FOREIGN KEY (tenant_id, activation_id) REFERENCES public.licensing_activation(tenant_id, id);

ALTER TABLE ONLY public.metering_overlay
    ADD CONSTRAINT metering_overlay_tenant_id_event_id_fkey FOREIGN KEY (tenant_id, event_id) REFERENCES public.metering_event(tenant_id, id);

ALTER TABLE ONLY public.payments_attempt
    ADD CONSTRAINT payments_attempt_tenant_id_collection_id_fkey FOREIGN KEY (tenant_id, collection_id) REFERENCES public.payments_collection(tenant_id, id);

ALTER TABLE ONLY public.payments_collection
    ADD CONSTRAINT payments_collection_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.payments_customer
    ADD CONSTRAINT payments_customer_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.payments_errand
    ADD CONSTRAINT payments_errand_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.payments_secret
    ADD CONSTRAINT payments_secret_tenant_id_provider_fkey FOREIGN KEY (tenant_id, provider) REFERENCES public.payments_account(tenant_id, provider) ON DELETE CASCADE;

ALTER TABLE ONLY public.payments_top_up_rule
    ADD CONSTRAINT payments_top_up_rule_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.revenue_reversal
    ADD CONSTRAINT revenue_reversal_tenant_id_document_id_line_fkey FOREIGN KEY (tenant_id, document_id, line) REFERENCES public.revenue_line(tenant_id, document_id, line);

ALTER TABLE ONLY public.subscriptions_addon
    ADD CONSTRAINT subscriptions_addon_tenant_id_plan_key_plan_version_fkey FOREIGN KEY (tenant_id, plan_key, plan_version) REFERENCES public.catalogue_plan_version(tenant_id, plan_key, version);

ALTER TABLE ONLY public.subscriptions_addon
    ADD CONSTRAINT subscriptions_addon_tenant_id_subscription_id_fkey FOREIGN KEY (tenant_id, subscription_id) REFERENCES public.subscriptions_subscription(tenant_id, id);

ALTER TABLE ONLY public.subscriptions_card
    ADD CONSTRAINT subscriptions_card_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.subscriptions_period
    ADD CONSTRAINT subscriptions_period_tenant_id_subscription_id_fkey FOREIGN KEY (tenant_id, subscription_id) REFERENCES public.subscriptions_subscription(tenant_id, id);

ALTER TABLE ONLY public.subscriptions_segment
    ADD CONSTRAINT subscriptions_segment_tenant_id_subscription_id_fkey FOREIGN KEY (tenant_id, subscription_id) REFERENCES public.subscriptions_subscription(tenant_id, id);

ALTER TABLE ONLY public.subscriptions_subscription
    ADD CONSTRAINT subscriptions_subscription_tenant_id_customer_id_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES public.tenants_customer(tenant_id, id);

ALTER TABLE ONLY public.subscriptions_subscription
    ADD CONSTRAINT subscriptions_subscription_tenant_id_next_plan_key_next_pl_fkey FOREIGN KEY (tenant_id, next_plan_key, next_plan_version) REFERENCES public.catalogue_plan_version(tenant_id, plan_key, version);

ALTER TABLE ONLY public.subscriptions_subscription
    ADD CONSTRAINT subscriptions_subscription_tenant_id_plan_key_plan_version_fkey FOREIGN KEY (tenant_id, plan_key, plan_version) REFERENCES public.catalogue_plan_version(tenant_id, plan_key, version);

ALTER TABLE ONLY public.subscriptions_subscription
    ADD CONSTRAINT subscriptions_subscription_tenant_id_product_key_fkey FOREIGN KEY (tenant_id, product_key) REFERENCES public.catalogue_product(tenant_id, key);

ALTER TABLE ONLY public.tenants_api_key
    ADD CONSTRAINT tenants_api_key_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants_tenant(tenant_id);

ALTER TABLE ONLY public.tenants_customer
    ADD CONSTRAINT tenants_customer_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants_tenant(tenant_id);

ALTER TABLE ONLY public.tenants_member
    ADD CONSTRAINT tenants_member_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenants_tenant(tenant_id);

ALTER TABLE ONLY public.tenants_session
    ADD CONSTRAINT tenants_session_tenant_id_member_id_fkey FOREIGN KEY (tenant_id, member_id) REFERENCES public.tenants_member(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.tenants_sign_in_link
    ADD CONSTRAINT tenants_sign_in_link_tenant_id_member_id_fkey FOREIGN KEY (tenant_id, member_id) REFERENCES public.tenants_member(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhooks_attempt
    ADD CONSTRAINT webhooks_attempt_tenant_id_endpoint_id_message_id_fkey FOREIGN KEY (tenant_id, endpoint_id, message_id) REFERENCES public.webhooks_delivery(tenant_id, endpoint_id, message_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhooks_delivery
    ADD CONSTRAINT webhooks_delivery_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhooks_endpoint(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhooks_delivery
    ADD CONSTRAINT webhooks_delivery_tenant_id_message_id_fkey FOREIGN KEY (tenant_id, message_id) REFERENCES public.webhooks_message(tenant_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.webhooks_secret
    ADD CONSTRAINT webhooks_secret_tenant_id_endpoint_id_fkey FOREIGN KEY (tenant_id, endpoint_id) REFERENCES public.webhooks_endpoint(tenant_id, id) ON DELETE CASCADE;

CREATE POLICY all_tenants ON public.kit_dead_letter TO solvent_system USING (true) WITH CHECK (true);

CREATE POLICY all_tenants ON public.kit_handled TO solvent_system USING (true) WITH CHECK (true);

CREATE POLICY all_tenants ON public.kit_idempotency TO solvent_system USING (true) WITH CHECK (true);

CREATE POLICY all_tenants ON public.kit_job TO solvent_system USING (true) WITH CHECK (true);

CREATE POLICY all_tenants ON public.kit_outbox TO solvent_system USING (true) WITH CHECK (true);

CREATE POLICY all_tenants ON public.kit_parked TO solvent_system USING (true) WITH CHECK (true);

CREATE POLICY all_tenants ON public.kit_test_clock TO solvent_system USING (true) WITH CHECK (true);

ALTER TABLE public.audit_head ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit_record ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.billing_buyer ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.billing_logo ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.billing_migration ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.billing_migration_item ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.billing_parked ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.billing_seller ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.billing_tax_rate ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.catalogue_plan ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.catalogue_plan_version ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.catalogue_product ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.catalogue_provider_price ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.catalogue_state ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.doors_customer ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.doors_letter ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.doors_meter ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.entitlements_consumption ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.entitlements_counter ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.entitlements_record ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.entitlements_reservation ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kit_dead_letter ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kit_handled ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kit_idempotency ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kit_job ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kit_outbox ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kit_parked ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.kit_test_clock ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_counter ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_coupon ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_credit_note ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_entry ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_invoice ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_item ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_payment ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_redemption ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_redemption_period ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_refund ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_settlement ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_transaction ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_activation ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_license ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_policy ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_purchase ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_release ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_request ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_revocation ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_serial ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_trial ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licensing_usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metering_distinct ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metering_event ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metering_hour ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metering_meter ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metering_overlay ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metering_window ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_account ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_alias ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_attempt ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_collection ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_collection_policy ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_cursor ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_customer ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_dispute ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_errand ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_event ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_metered ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_metered_due ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_metered_event ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_purchase ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_refund ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_returned ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_secret ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_subscription ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_top_up_rule ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.payments_upgrade ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.queue_told ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.revenue_line ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.revenue_movement ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.revenue_policy ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.revenue_rate ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.revenue_reversal ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.signing_key ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.subscriptions_addon ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.subscriptions_card ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.subscriptions_period ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.subscriptions_segment ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.subscriptions_subscription ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_only ON public.audit_head TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.audit_record TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.billing_buyer TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.billing_logo TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.billing_migration TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.billing_migration_item TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.billing_parked TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.billing_seller TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.billing_tax_rate TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.catalogue_plan TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.catalogue_plan_version TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.catalogue_product TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.catalogue_provider_price TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.catalogue_state TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.doors_customer TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.doors_letter TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.doors_meter TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.entitlements_consumption TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.entitlements_counter TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.entitlements_record TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.entitlements_reservation TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.kit_dead_letter TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.kit_handled TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.kit_idempotency TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.kit_job TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.kit_outbox TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.kit_parked TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.kit_test_clock TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_counter TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_coupon TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_credit_note TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_entry TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_invoice TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_item TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_payment TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_redemption TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_redemption_period TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_refund TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_settlement TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.ledger_transaction TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_activation TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_license TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_policy TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_purchase TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_release TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_request TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_revocation TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_serial TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_trial TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.licensing_usage TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.metering_distinct TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.metering_event TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.metering_hour TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.metering_meter TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.metering_overlay TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.metering_window TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_account TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_alias TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_attempt TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_collection TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_collection_policy TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_cursor TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_customer TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_dispute TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_errand TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_event TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_metered TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_metered_due TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_metered_event TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_purchase TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_refund TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_returned TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_secret TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_subscription TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_top_up_rule TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.payments_upgrade TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.queue_told TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.revenue_line TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.revenue_movement TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.revenue_policy TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.revenue_rate TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.revenue_reversal TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.signing_key TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.subscriptions_addon TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.subscriptions_card TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.subscriptions_period TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.subscriptions_segment TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.subscriptions_subscription TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.tenants_api_key TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.tenants_customer TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.tenants_member TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.tenants_session TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.tenants_sign_in_link TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.tenants_tenant TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.webhooks_attempt TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.webhooks_delivery TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.webhooks_endpoint TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.webhooks_message TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

CREATE POLICY tenant_only ON public.webhooks_secret TO solvent_app USING ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id))) WITH CHECK ((tenant_id = ( SELECT public.kit_tenant_id() AS kit_tenant_id)));

ALTER TABLE public.tenants_api_key ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tenants_customer ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tenants_member ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tenants_session ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tenants_sign_in_link ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tenants_tenant ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webhooks_attempt ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webhooks_delivery ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webhooks_endpoint ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webhooks_message ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.webhooks_secret ENABLE ROW LEVEL SECURITY;

REVOKE ALL ON FUNCTION public.kit_forget(p_relation text, p_before timestamp with time zone, p_limit integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.kit_forget(p_relation text, p_before timestamp with time zone, p_limit integer) TO solvent_app;

REVOKE ALL ON FUNCTION public.kit_parked_tenants(p_handler text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.kit_parked_tenants(p_handler text) TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.metering_meter TO solvent_app;

REVOKE ALL ON FUNCTION public.payments_claim(p_table text, p_limit integer, p_lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.payments_claim(p_table text, p_limit integer, p_lease interval) TO solvent_app;

REVOKE ALL ON FUNCTION public.payments_metered_tenants() FROM PUBLIC;
GRANT ALL ON FUNCTION public.payments_metered_tenants() TO solvent_app;

REVOKE ALL ON FUNCTION public.payments_tenants_topping_up() FROM PUBLIC;
GRANT ALL ON FUNCTION public.payments_tenants_topping_up() TO solvent_app;

REVOKE ALL ON FUNCTION public.payments_tenants_with_keys() FROM PUBLIC;
GRANT ALL ON FUNCTION public.payments_tenants_with_keys() TO solvent_app;

REVOKE ALL ON FUNCTION public.payments_waiting(p_longer_than interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.payments_waiting(p_longer_than interval) TO solvent_app;

GRANT SELECT,UPDATE ON TABLE public.tenants_tenant TO solvent_app;

REVOKE ALL ON FUNCTION public.tenants_all() FROM PUBLIC;
GRANT ALL ON FUNCTION public.tenants_all() TO solvent_app;

REVOKE ALL ON FUNCTION public.tenants_authenticate(p_key_hash bytea, p_now timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tenants_authenticate(p_key_hash bytea, p_now timestamp with time zone) TO solvent_app;

REVOKE ALL ON FUNCTION public.tenants_change_session(p_tenant_id text, p_session_id text, p_mode text, p_ended_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tenants_change_session(p_tenant_id text, p_session_id text, p_mode text, p_ended_at timestamp with time zone) TO solvent_app;

REVOKE ALL ON FUNCTION public.tenants_create_pair(p_business_id text, p_name text, p_created_at timestamp with time zone, p_live_id text, p_live_slug text, p_test_id text, p_test_slug text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tenants_create_pair(p_business_id text, p_name text, p_created_at timestamp with time zone, p_live_id text, p_live_slug text, p_test_id text, p_test_slug text) TO solvent_app;

REVOKE ALL ON FUNCTION public.tenants_find_slug(p_slug text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tenants_find_slug(p_slug text) TO solvent_app;

REVOKE ALL ON FUNCTION public.tenants_find_twin(p_tenant_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tenants_find_twin(p_tenant_id text) TO solvent_app;

REVOKE ALL ON FUNCTION public.tenants_list_sessions(p_tenant_id text, p_member_id text, p_now timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tenants_list_sessions(p_tenant_id text, p_member_id text, p_now timestamp with time zone) TO solvent_app;

REVOKE ALL ON FUNCTION public.tenants_open_session(p_token_hash bytea, p_now timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tenants_open_session(p_token_hash bytea, p_now timestamp with time zone) TO solvent_app;

REVOKE ALL ON FUNCTION public.tenants_redeem_link(p_token_hash bytea, p_now timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tenants_redeem_link(p_token_hash bytea, p_now timestamp with time zone) TO solvent_app;

REVOKE ALL ON FUNCTION public.webhooks_claim(p_now timestamp with time zone, p_lease interval, p_failing boolean, p_each integer, p_limit integer, p_busy text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.webhooks_claim(p_now timestamp with time zone, p_lease interval, p_failing boolean, p_each integer, p_limit integer, p_busy text[]) TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.audit_head TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.audit_record TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.billing_buyer TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.billing_logo TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.billing_migration TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.billing_migration_item TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.billing_parked TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.billing_seller TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.billing_tax_rate TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.catalogue_plan TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.catalogue_plan_version TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.catalogue_product TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.catalogue_provider_price TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.catalogue_state TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.doors_customer TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.doors_letter TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.doors_meter TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.entitlements_consumption TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.entitlements_counter TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.entitlements_record TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.entitlements_reservation TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.kit_dead_letter TO solvent_app;
GRANT SELECT ON TABLE public.kit_dead_letter TO solvent_system;

GRANT SELECT,INSERT ON TABLE public.kit_handled TO solvent_app;
GRANT SELECT,DELETE ON TABLE public.kit_handled TO solvent_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.kit_idempotency TO solvent_app;
GRANT SELECT,DELETE ON TABLE public.kit_idempotency TO solvent_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.kit_job TO solvent_app;
GRANT SELECT,DELETE,UPDATE ON TABLE public.kit_job TO solvent_system;

GRANT SELECT,INSERT,UPDATE ON TABLE public.kit_log_position TO solvent_system;

GRANT SELECT ON TABLE public.kit_migration TO solvent_app;
GRANT SELECT ON TABLE public.kit_migration TO solvent_system;

GRANT SELECT,INSERT,DELETE ON TABLE public.kit_operator_token TO solvent_system;

GRANT INSERT ON TABLE public.kit_outbox TO solvent_app;
GRANT SELECT,DELETE ON TABLE public.kit_outbox TO solvent_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.kit_parked TO solvent_app;
GRANT SELECT ON TABLE public.kit_parked TO solvent_system;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.kit_test_clock TO solvent_app;
GRANT SELECT ON TABLE public.kit_test_clock TO solvent_system;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_counter TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_coupon TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.ledger_credit_note TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.ledger_entry TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_invoice TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ledger_item TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_payment TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.ledger_redemption TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.ledger_redemption_period TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.ledger_refund TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.ledger_settlement TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.ledger_transaction TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.licensing_activation TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.licensing_license TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.licensing_policy TO solvent_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.licensing_purchase TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.licensing_release TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.licensing_request TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.licensing_revocation TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.licensing_serial TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.licensing_trial TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.licensing_usage TO solvent_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.metering_distinct TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.metering_event TO solvent_app;

GRANT USAGE ON SEQUENCE public.metering_event_seq_seq TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.metering_hour TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.metering_overlay TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.metering_window TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payments_account TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.payments_alias TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_attempt TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_collection TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_collection_policy TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_cursor TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payments_customer TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_dispute TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_errand TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_event TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payments_metered TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payments_metered_due TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_metered_event TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.payments_purchase TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_refund TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_returned TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payments_secret TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_subscription TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payments_top_up_rule TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.payments_upgrade TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.queue_told TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.revenue_line TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.revenue_movement TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.revenue_policy TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.revenue_rate TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.revenue_reversal TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.signing_key TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.subscriptions_addon TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.subscriptions_card TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.subscriptions_period TO solvent_app;

GRANT SELECT,INSERT ON TABLE public.subscriptions_segment TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.subscriptions_subscription TO solvent_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.tenants_api_key TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tenants_customer TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tenants_member TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tenants_session TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tenants_sign_in_link TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhooks_attempt TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhooks_delivery TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhooks_endpoint TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhooks_message TO solvent_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.webhooks_secret TO solvent_app;
