"""What does the audit log need from modules that come after it in the kernel's line?"""

from __future__ import annotations

from typing import Protocol

from solvent.kernel.audit.model import Signature
from solvent.kit.ctx import Ctx


class HeadSigner(Protocol):
    """Signs the head of a chain with the tenant's key; bound by `tenants`, which may use both."""

    async def sign(self, ctx: Ctx, message: bytes) -> Signature:
        """Return the tenant's signature over the message."""
        ...

    def verifies(self, signature: Signature, message: bytes) -> bool:
        """Return whether the signature's own public key confirms it over the message."""
        ...
