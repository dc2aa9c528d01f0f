"""What does a tenant's key ring answer over HTTP?"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from solvent.kernel.signing import service
from solvent.kernel.signing.model import GENERAL_RING, Algorithm, Key, KeyState
from solvent.kit.http import RequestCtx, Router

router = Router(tags=["signing"])

_FROZEN = ConfigDict(frozen=True)
_STRICT = ConfigDict(frozen=True, extra="forbid")


class SigningKey(BaseModel):
    """A signing key, without what must stay secret."""

    model_config = _FROZEN

    kid: str
    ring: str
    algorithm: Algorithm
    state: KeyState
    public_key: str | None
    created_at: datetime
    retired_at: datetime | None
    revoked_at: datetime | None


class SigningKeys(BaseModel):
    """The whole ring, the newest key first."""

    model_config = _FROZEN

    data: list[SigningKey]


class KeySet(BaseModel):
    """Public keys as a JSON Web Key Set (RFC 7517)."""

    model_config = _FROZEN

    keys: list[dict[str, str]]


class Rotation(BaseModel):
    """Which key to replace."""

    model_config = _STRICT

    algorithm: Algorithm = Algorithm.ED25519
    ring: str = Field(default=GENERAL_RING, pattern=r"^[a-z][a-z0-9_.]{1,63}$")


class Revocation(BaseModel):
    """Why a key is revoked."""

    model_config = _STRICT

    reason: str = Field(default="", max_length=200)


@router.get("/signing/keys")
async def list_signing_keys(ctx: RequestCtx) -> SigningKeys:
    """List the tenant's signing keys, the newest first."""
    return SigningKeys(data=[_render(key) for key in await service.list_keys(ctx)])


@router.get("/signing/jwks")
async def list_public_keys(ctx: RequestCtx) -> KeySet:
    """List the public halves with which this tenant's signatures are checked."""
    ctx.require("signing:read")
    return KeySet(keys=await service.jwks(ctx))


@router.post("/signing/keys/rotate", status_code=201)
async def rotate_signing_key(ctx: RequestCtx, body: Rotation) -> SigningKey:
    """Sign with a new key from now on; the old one still verifies what it signed."""
    return _render(await service.rotate(ctx, algorithm=body.algorithm, ring=body.ring))


@router.post("/signing/keys/{kid}/revoke")
async def revoke_signing_key(ctx: RequestCtx, kid: str, body: Revocation) -> SigningKey:
    """Believe nothing that this key signed from now on; cannot be undone."""
    return _render(await service.revoke(ctx, kid, reason=body.reason))


def _render(key: Key) -> SigningKey:
    return SigningKey(
        kid=key.kid,
        ring=key.ring,
        algorithm=key.algorithm,
        state=key.state,
        public_key=key.public.hex() if key.public is not None else None,
        created_at=key.created_at,
        retired_at=key.retired_at,
        revoked_at=key.revoked_at,
    )
