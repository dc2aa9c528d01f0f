"""Who sends this request: which key, token or session, of which tenant?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from solvent.kernel.signing import service as signing
from solvent.kernel.signing.model import Algorithm, Signature
from solvent.kernel.tenants import store
from solvent.kernel.tenants.errors import (
    KeyExpired,
    KeyInvalid,
    KeyRevoked,
    SessionInvalid,
    TokenInvalid,
)
from solvent.kernel.tenants.rules import secrets, tokens
from solvent.kernel.tenants.rules.scopes import SCOPES_OF_ROLE
from solvent.kit.clock import Clock
from solvent.kit.ctx import Actor, Principal
from solvent.kit.db import Tx
from solvent.kit.errors import SolventError, Unauthenticated
from solvent.kit.http import Credentials


@dataclass(frozen=True, slots=True)
class KeyAuthenticator:
    """Implements `kit.http.Authenticator`: API keys and tokens as bearer, sessions as cookie."""

    clock: Clock

    async def __call__(self, tx: Tx, credentials: Credentials) -> Principal:
        """Return who asks, with their tenant set in the transaction; raises Unauthenticated."""
        bearer, now = credentials.bearer, self.clock.now()
        if bearer is not None and tokens.looks_like_token(bearer):
            return await authenticate_jwt(tx, bearer, now=now)
        if bearer is not None:
            return await authenticate_key(tx, bearer, now=now)
        if credentials.session is not None:
            return await authenticate_session(tx, credentials.session, now=now)
        raise Unauthenticated


async def authenticate_key(tx: Tx, text: str, *, now: datetime) -> Principal:
    """Return whose API key this is and set its tenant, in one round trip.

    Who holds a whole key may know that it is revoked or expired; every other text is just invalid,
    and a text with a wrong checksum is refused without asking the database.

    Raises:
        KeyInvalid, KeyRevoked, KeyExpired.
    """
    found = await store.key.authenticate(tx, secrets.key_hash(text), now=now)
    if found is None:
        raise KeyInvalid
    actor = Actor("api_key", found.key_id, found.scopes)
    principal = Principal(found.tenant_id, actor, found.frozen_at)
    if found.refused is not None:
        raise (KeyRevoked if found.refused == "revoked" else KeyExpired)(principal)
    return principal


async def authenticate_session(tx: Tx, token: str, *, now: datetime) -> Principal:
    """Return whose session this is and set the tenant it looks at; raises SessionInvalid."""
    token_hash = secrets.token_hash(token)
    seen = await store.member.open_session(tx, token_hash, now=now) if token_hash else None
    if seen is None:
        raise SessionInvalid
    actor = Actor("member", seen.member_id, SCOPES_OF_ROLE[seen.role])
    return Principal(seen.tenant_id, actor, seen.frozen_at)


async def authenticate_jwt(tx: Tx, text: str, *, now: datetime) -> Principal:
    """Return whom a tenant's token speaks for and set that tenant; raises TokenInvalid.

    The tenant is the token's issuer; only that tenant's own keys are asked for the kid. Every
    failure reads the same.
    """
    parsed = tokens.parse(text)
    claims = parsed.claims
    frozen_at = await store.tenant.open_unproven(tx, claims.tenant_id)
    signature = Signature(parsed.kid, Algorithm.ED25519, parsed.signature.hex())
    try:
        await signing.verify_before_ctx(
            tx, claims.tenant_id, parsed.signed, signature, ring=tokens.RING
        )
    except SolventError:
        raise TokenInvalid from None
    tokens.check_in_force(claims, now=frozen_at or now)
    return Principal(claims.tenant_id, Actor("token", claims.subject, claims.scopes), frozen_at)
