"""What can be asked of a tenant's key ring: sign, verify, rotate, revoke, publish?"""

from __future__ import annotations

from collections.abc import Callable

from solvent.kernel.signing import rules, store
from solvent.kernel.signing.errors import (
    KeyAlreadyRevoked,
    KeyRevoked,
    KeyUnknown,
    SignatureInvalid,
)
from solvent.kernel.signing.events import KeyMade
from solvent.kernel.signing.events import KeyRevoked as KeyRevokedEvent
from solvent.kernel.signing.model import (
    GENERAL_RING,
    KID_PREFIX,
    Algorithm,
    Key,
    KeyState,
    SealedKey,
    Signature,
)
from solvent.kit.ctx import Ctx
from solvent.kit.db import Tx
from solvent.kit.ids import TenantId, is_id

KEYS_LISTED_MAX = 500


async def sign(
    ctx: Ctx, message: bytes, *, purpose: str, algorithm: Algorithm = Algorithm.ED25519
) -> Signature:
    """Sign a message for a purpose with the tenant's active key, made now if there is none.

    A signature for one purpose never verifies for another. Emits signing.key_made.v1 at first use.
    """
    framed = rules.framed(message, purpose=purpose)
    return await _sign(ctx, framed, ring=GENERAL_RING, algorithm=algorithm)


async def verify(ctx: Ctx, message: bytes, signature: Signature, *, purpose: str) -> Key:
    """Return the key that made this signature over this message for this purpose.

    Active and retired keys verify, revoked ones do not.

    Raises:
        KeyUnknown: the tenant has no such kid (another tenant's looks just the same).
        KeyRevoked: the key is believed no more.
        SignatureInvalid: other message, purpose, algorithm or changed bytes.
    """
    framed = rules.framed(message, purpose=purpose)
    return await _verify(ctx, framed, signature, ring=GENERAL_RING)


async def sign_exact(
    ctx: Ctx, message: bytes, *, ring: str, algorithm: Algorithm = Algorithm.ED25519
) -> Signature:
    """Sign exactly these bytes, for a format that fixes them, with the key of its own ring.

    A ring's key signs one format only, and never framed messages: the ring is the purpose.

    Raises:
        ValueError: the ring is the general one, whose keys sign framed messages only.
    """
    return await _sign(ctx, message, ring=_own_ring(ring), algorithm=algorithm)


async def sign_naming_key(
    ctx: Ctx,
    text_for: Callable[[str], str],
    *,
    ring: str,
    algorithm: Algorithm = Algorithm.ED25519,
) -> tuple[str, Signature]:
    """Sign a text that names its own key, as a token's header does; return it and its signature."""
    held = await _active(ctx, ring=_own_ring(ring), algorithm=algorithm)
    text = text_for(held.key.kid)
    value = rules.sign(algorithm, _open(ctx, held), text.encode())
    return text, Signature(held.key.kid, algorithm, value)


async def verify_exact(ctx: Ctx, message: bytes, signature: Signature, *, ring: str) -> Key:
    """Return the ring's key that signed exactly these bytes; raises as `verify`."""
    return await _verify(ctx, message, signature, ring=_own_ring(ring))


async def verify_before_ctx(
    tx: Tx, tenant_id: TenantId, message: bytes, signature: Signature, *, ring: str
) -> Key:
    """As `verify_exact` with a public key, for who must verify before there is a context."""
    held = await _held(tx, tenant_id, signature.kid)
    if held.key.public is None:
        raise SignatureInvalid
    return _check(held.key, held.key.public, message, signature, ring=_own_ring(ring))


def confirms(public: bytes, message: bytes, signature: Signature, *, purpose: str) -> bool:
    """Return whether a public key confirms a signature for a purpose; needs no tenant at hand."""
    framed = rules.framed(message, purpose=purpose)
    is_public = signature.algorithm is not Algorithm.HMAC_SHA256
    return is_public and rules.verifies(signature.algorithm, public, framed, signature.value)


async def ensure_key(
    ctx: Ctx, *, algorithm: Algorithm = Algorithm.ED25519, ring: str = GENERAL_RING
) -> Key:
    """Return the ring's active key, made now if there is none; emits signing.key_made.v1 then."""
    return (await _active(ctx, ring=ring, algorithm=algorithm)).key


async def rotate(
    ctx: Ctx, *, algorithm: Algorithm = Algorithm.ED25519, ring: str = GENERAL_RING
) -> Key:
    """Put a new key in the active one's place; the old one verifies on, and signs no more.

    Needs `signing:write`. Emits signing.key_made.v1.
    """
    ctx.require("signing:write")
    retired = await store.retire_active(
        ctx.tx, ctx.tenant_id, ring=ring, algorithm=algorithm, at=ctx.now()
    )
    return (await _make(ctx, ring=ring, algorithm=algorithm, replaces=retired)).key


async def revoke(ctx: Ctx, kid: str, *, reason: str = "") -> Key:
    """Revoke a key for good: it neither signs nor verifies from now on.

    Needs `signing:write`. Emits signing.key_revoked.v1.

    Raises:
        KeyUnknown: the tenant has no such kid.
        KeyAlreadyRevoked: it was revoked before.
    """
    ctx.require("signing:write")
    key = (await _held(ctx.tx, ctx.tenant_id, kid)).key
    if not await store.revoke(ctx.tx, ctx.tenant_id, kid, at=ctx.now()):
        raise KeyAlreadyRevoked(kid=kid)
    await ctx.bus.emit(ctx, KeyRevokedEvent(kid, key.ring, key.algorithm, reason))
    return (await _held(ctx.tx, ctx.tenant_id, kid)).key


async def list_keys(ctx: Ctx) -> list[Key]:
    """Return the tenant's keys, the newest first; needs `signing:read`."""
    ctx.require("signing:read")
    return await store.list_keys(ctx.tx, ctx.tenant_id, limit=KEYS_LISTED_MAX)


async def public_keys(ctx: Ctx) -> list[Key]:
    """Return the keys that outsiders may verify with: those with a public half, not revoked."""
    keys = await store.list_keys(ctx.tx, ctx.tenant_id, limit=KEYS_LISTED_MAX)
    return [key for key in keys if key.public is not None and key.state is not KeyState.REVOKED]


async def jwks(ctx: Ctx) -> list[dict[str, str]]:
    """Return the public keys as JSON Web Keys."""
    return [rules.jwk(key) for key in await public_keys(ctx)]


async def shared_secret(ctx: Ctx, *, ring: str) -> tuple[Key, bytes]:
    """Return the ring's active HMAC key with its secret, for a receiver who must hold it too.

    Needs `signing:write`. Only rings for exact bytes have secrets to share.
    """
    ctx.require("signing:write")
    held = await _active(ctx, ring=_own_ring(ring), algorithm=Algorithm.HMAC_SHA256)
    return held.key, _open(ctx, held)


async def _sign(ctx: Ctx, message: bytes, *, ring: str, algorithm: Algorithm) -> Signature:
    held = await _active(ctx, ring=ring, algorithm=algorithm)
    return Signature(held.key.kid, algorithm, rules.sign(algorithm, _open(ctx, held), message))


async def _verify(ctx: Ctx, message: bytes, signature: Signature, *, ring: str) -> Key:
    held = await _held(ctx.tx, ctx.tenant_id, signature.kid)
    proof = held.key.public if held.key.public is not None else _open(ctx, held)
    return _check(held.key, proof, message, signature, ring=ring)


def _check(key: Key, proof: bytes, message: bytes, signature: Signature, *, ring: str) -> Key:
    if key.state is KeyState.REVOKED:
        raise KeyRevoked(kid=key.kid)
    if key.ring != ring or key.algorithm is not signature.algorithm:
        raise SignatureInvalid
    if not rules.verifies(key.algorithm, proof, message, signature.value):
        raise SignatureInvalid
    return key


async def _active(ctx: Ctx, *, ring: str, algorithm: Algorithm) -> SealedKey:
    held = await store.active(ctx.tx, ctx.tenant_id, ring=ring, algorithm=algorithm)
    return held or await _make(ctx, ring=ring, algorithm=algorithm, replaces=None)


async def _make(ctx: Ctx, *, ring: str, algorithm: Algorithm, replaces: str | None) -> SealedKey:
    kid = ctx.ids.new(KID_PREFIX)
    pair = rules.make_pair(algorithm)
    key = Key(
        tenant_id=ctx.tenant_id,
        kid=kid,
        ring=ring,
        algorithm=algorithm,
        state=KeyState.ACTIVE,
        public=pair.public,
        created_at=ctx.now(),
        retired_at=None,
        revoked_at=None,
    )
    made = SealedKey(key, ctx.vault.seal(pair.private, context=_context(ctx, kid)))
    if not await store.insert_active(ctx.tx, made):
        return await _made_meanwhile(ctx, ring=ring, algorithm=algorithm)
    await ctx.bus.emit(ctx, KeyMade(kid, ring, algorithm, replaces))
    return made


async def _made_meanwhile(ctx: Ctx, *, ring: str, algorithm: Algorithm) -> SealedKey:
    """Return the key that another transaction made at the same moment; its commit was awaited."""
    other = await store.active(ctx.tx, ctx.tenant_id, ring=ring, algorithm=algorithm)
    if other is None:
        msg = "the ring has neither the key just refused nor the one that refused it"
        raise AssertionError(msg)
    return other


async def _held(tx: Tx, tenant_id: TenantId, kid: str) -> SealedKey:
    known = is_id(kid, prefix=KID_PREFIX)
    held = await store.by_kid(tx, tenant_id, kid) if known else None
    if held is None:
        raise KeyUnknown
    return held


def _open(ctx: Ctx, held: SealedKey) -> bytes:
    return ctx.vault.open(held.sealed, context=_context(ctx, held.key.kid))


def _context(ctx: Ctx, kid: str) -> str:
    return f"{ctx.tenant_id}/signing/{kid}"


def _own_ring(ring: str) -> str:
    if ring == GENERAL_RING:
        msg = "the general ring signs framed messages only: name a ring of its own"
        raise ValueError(msg)
    return ring
