"""How do a tenant's records follow what its key ring does?

The key ring is the audit log's sibling and cannot write records itself, so they are written here,
in the transaction that changed the ring.
"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.audit import service as audit
from solvent.kernel.signing.events import KeyMade, KeyRevoked
from solvent.kit.ctx import Ctx


async def on_keys_made(ctx: Ctx, events: Sequence[KeyMade]) -> None:
    """Record each new signing key."""
    for made in events:
        facts = {"ring": made.ring, "algorithm": made.algorithm, "replaces": made.replaces}
        audit.record(ctx, action="signing.key_made", subject=made.kid, data=facts)


async def on_keys_revoked(ctx: Ctx, events: Sequence[KeyRevoked]) -> None:
    """Record each revocation."""
    for revoked in events:
        facts = {"ring": revoked.ring, "algorithm": revoked.algorithm, "reason": revoked.reason}
        audit.record(ctx, action="signing.key_revoked", subject=revoked.kid, data=facts)
