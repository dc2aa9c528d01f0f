"""What may anybody ask about a tenant?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request
from pydantic import BaseModel, ConfigDict

from solvent.kernel.signing import service as signing
from solvent.kernel.tenants import service
from solvent.kit.ctx import Actor
from solvent.kit.http import PublicRouter

if TYPE_CHECKING:
    from solvent.kit.ctx import Edge

router = PublicRouter(tags=["signing"])

ANYBODY = Actor("anybody", "public")


class KeySet(BaseModel):
    """Public keys as a JSON Web Key Set (RFC 7517)."""

    model_config = ConfigDict(frozen=True)

    keys: list[dict[str, str]]


@router.get("/t/{slug}/jwks.json")
async def read_public_keys(request: Request, slug: str) -> KeySet:
    """Return the keys with which anybody checks what this tenant has signed."""
    edge: Edge = request.app.state.edge
    tenant = await service.find_by_slug(edge, slug)
    async with edge.open(tenant.id, ANYBODY) as ctx:
        return KeySet(keys=await signing.jwks(ctx))
