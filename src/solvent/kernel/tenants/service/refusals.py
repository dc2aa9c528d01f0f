"""What is kept of a request that was refused?"""

from __future__ import annotations

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants.errors import KeyRefused
from solvent.kit.ctx import Edge, Principal
from solvent.kit.errors import SolventError, Unavailable
from solvent.kit.log import get_logger

log = get_logger(__name__)


async def record_refused_request(
    edge: Edge, refused: SolventError, *, by: Principal | None, asked: str
) -> None:
    """Record what a known caller was refused; implements `kit.http.RefusalLog`.

    A key that is revoked or expired is known, a wrong one belongs to nobody's log. The refusal
    stands where the record cannot be written: the operator's log then holds it.
    """
    who = refused.whose if isinstance(refused, KeyRefused) else by
    if who is None:
        return
    scope = refused.detail.get("scope")
    facts = {"code": refused.code, "scope": scope if isinstance(scope, str) else None}
    try:
        await audit.record_refusal(
            edge,
            who.tenant_id,
            actor=who.actor,
            action="tenants.request_refused",
            subject=asked,
            data=facts,
        )
    except Unavailable:
        log.warning("refusal_not_recorded", tenant_id=who.tenant_id, asked=asked, code=refused.code)
