-- audit: one hash chain per tenant. Nothing here is ever changed or removed: privileges refuse it to
-- the application, a trigger refuses it to everybody who does not switch the trigger off.

create table audit_record (
    tenant_id text not null,
    seq bigint not null check (seq > 0),
    at timestamptz not null,
    actor text not null,
    action text not null,
    subject text not null,
    data jsonb not null,
    prev_hash text not null check (length(prev_hash) = 64),
    hash text not null check (length(hash) = 64),
    primary key (tenant_id, seq)
);

create index audit_record_subject on audit_record (tenant_id, subject, seq);

-- The chain's end, kept apart from the records so that a cut tail is seen; its row is the chain's lock.
create table audit_head (
    tenant_id text not null primary key,
    seq bigint not null check (seq >= 0),
    hash text not null check (length(hash) = 64)
);

create function audit_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'audit: % of % is refused: the audit log is append-only', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;

create function audit_head_forward() returns trigger language plpgsql as $$
begin
    if new.tenant_id <> old.tenant_id or new.seq <= old.seq then
        raise exception 'audit: a chain''s head moves forward only'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;

create trigger audit_record_append_only before update or delete on audit_record
    for each row execute function audit_refuse_change();
create trigger audit_record_no_truncate before truncate on audit_record
    for each statement execute function audit_refuse_change();
create trigger audit_head_kept before delete on audit_head
    for each row execute function audit_refuse_change();
create trigger audit_head_no_truncate before truncate on audit_head
    for each statement execute function audit_refuse_change();
create trigger audit_head_forward before update on audit_head
    for each row execute function audit_head_forward();

-- Appends the entries that the transaction has laid down (solvent.audit_entries) to its tenant's
-- chain. It is sent in one message with COMMIT, so that the head's row is locked for this work and the
-- commit's and for no round trip. An entry brings the two halves of its canonical JSON
-- (rules.canonical_halves); its place in the chain is filled in between, and the whole is hashed.
-- Runs as its caller: row-level security binds it.
create function audit_append_entries() returns void language plpgsql as $$
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

call kit_isolate('audit_record', 'select, insert');
call kit_isolate('audit_head', 'select, insert, update');
