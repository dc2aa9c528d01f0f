"""Who learns of a request that was refused, once its transaction is gone?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from solvent.kit.ctx import Principal

if TYPE_CHECKING:
    from starlette.requests import Request

    from solvent.kit.ctx import Ctx, Edge
    from solvent.kit.errors import SolventError


class RefusalLog(Protocol):
    """Records what somebody was refused; the refused transaction has left nothing behind."""

    async def __call__(
        self, edge: Edge, refused: SolventError, *, by: Principal | None, asked: str
    ) -> None:
        """Record it in a transaction of its own; `by` is None where nobody was recognized."""
        ...


async def note_refusal(request: Request, refused: SolventError) -> None:
    """Tell the app's refusal log, if it has one, under the request's route."""
    log: RefusalLog | None = getattr(request.app.state, "refusal_log", None)
    if log is None:
        return
    ctx: Ctx | None = getattr(request.state, "ctx", None)
    by = Principal(ctx.tenant_id, ctx.actor) if ctx else None
    path = getattr(request.scope.get("route"), "path", "")
    await log(request.app.state.edge, refused, by=by, asked=f"{request.method} {path}")
