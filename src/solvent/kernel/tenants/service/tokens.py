"""How does a tenant hand a program or a person a short-lived token?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from solvent.kernel.audit import service as audit
from solvent.kernel.signing import service as signing
from solvent.kernel.tenants.rules import scopes, tokens
from solvent.kit.ctx import Ctx


async def issue_token(
    ctx: Ctx,
    *,
    subject: str,
    asked_scopes: Iterable[str],
    life: timedelta = timedelta(minutes=15),
) -> str:
    """Return a JWT (EdDSA) that lets its bearer act in this tenant with these scopes for a while.

    Needs `tokens:write` and every scope handed out.

    Raises:
        TokenClaimsInvalid, ScopeInvalid, ScopeBeyondOwn.
    """
    ctx.require("tokens:write")
    given = scopes.check_shape(asked_scopes)
    scopes.check_within(given, giver=ctx.actor)
    claims = tokens.claims(ctx.tenant_id, subject=subject, scopes=given, now=ctx.now(), life=life)
    text, signature = await signing.sign_naming_key(
        ctx, lambda kid: tokens.signing_input(claims, kid=kid), ring=tokens.RING
    )
    audit.record(
        ctx,
        action="tenants.token_issued",
        subject=subject,
        data={"scopes": sorted(given), "expires_at": claims.expires_at, "kid": signature.kid},
    )
    return tokens.compact(text, signature.value)
