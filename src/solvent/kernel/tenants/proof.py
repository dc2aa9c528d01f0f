"""How does a tenant sign the head of its audit chain?"""

from __future__ import annotations

from solvent.kernel.audit.model import Signature as HeadSignature
from solvent.kernel.signing import service as signing
from solvent.kernel.signing.model import Algorithm, Signature
from solvent.kit.ctx import Ctx

PURPOSE = "audit.head"


class TenantHeadSigner:
    """Implements `audit.ports.HeadSigner` with the tenant's Ed25519 key."""

    async def sign(self, ctx: Ctx, message: bytes) -> HeadSignature:
        """Return the tenant's signature over the head, with the public key that checks it."""
        signature = await signing.sign(ctx, message, purpose=PURPOSE)
        key = await signing.verify(ctx, message, signature, purpose=PURPOSE)
        public = key.public.hex() if key.public is not None else ""
        return HeadSignature(signature.kid, signature.algorithm, public, signature.value)

    def verifies(self, signature: HeadSignature, message: bytes) -> bool:
        """Return whether the Ed25519 key that came along confirms the signature."""
        if signature.algorithm != Algorithm.ED25519:
            return False
        try:
            public = bytes.fromhex(signature.public_key)
        except ValueError:
            return False
        given = Signature(signature.kid, Algorithm.ED25519, signature.value)
        return signing.confirms(public, message, given, purpose=PURPOSE)
