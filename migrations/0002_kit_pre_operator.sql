-- The operator's one-time sign-in links and sessions on the start page; no tenant is involved.

create table kit_operator_token (
    token_hash bytea primary key,
    kind text not null check (kind in ('link', 'session')),
    expires_at timestamptz not null
);
grant select, insert, delete on kit_operator_token to solvent_system;
