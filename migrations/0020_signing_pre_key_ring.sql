-- signing: each tenant's keys. The private part is sealed by the vault for this tenant and kid; the
-- rows alone sign nothing.

create table signing_key (
    tenant_id text not null,
    kid text not null,
    ring text not null,
    algorithm text not null check (algorithm in ('ed25519', 'secp256k1', 'hmac-sha256')),
    state text not null check (state in ('active', 'retired', 'revoked')),
    public_key bytea,
    sealed bytea not null,
    created_at timestamptz not null,
    retired_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, kid),
    check ((public_key is null) = (algorithm = 'hmac-sha256')),
    check (state <> 'retired' or retired_at is not null),
    check ((state = 'revoked') = (revoked_at is not null))
);

-- One key signs at a time, so "the current key" is never a question.
create unique index signing_key_active on signing_key (tenant_id, ring, algorithm)
    where state = 'active';

call kit_isolate('signing_key', 'select, insert, update');
