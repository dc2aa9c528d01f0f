"""How does one request become one transaction, committed before its answer is sent?"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response, StreamingResponse

from solvent.kit.ctx import Ctx, Edge, Principal
from solvent.kit.errors import Denied, Unauthenticated
from solvent.kit.http.credentials import Authenticator, Credentials
from solvent.kit.http.errand import carry_out, is_errand
from solvent.kit.http.idempotency import Remembered, hold, keep_answer, key_of, remember
from solvent.kit.http.rates import IDENTITY
from solvent.kit.http.refusals import note_refusal

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


def current_ctx(request: Request) -> Ctx:
    """Return the context that the route opened for this request."""
    return request.state.ctx


RequestCtx = Annotated[Ctx, Depends(current_ctx)]


class TransactionalRoute(APIRoute):
    """Authenticates, runs the endpoint in a transaction, and commits before answering.

    With an `Idempotency-Key` on a POST the answer is kept in the same transaction, and a repeat
    gets it back without being run. An endpoint that returns an `Errand` is answered for in a second
    transaction, after somebody outside was asked with none open.
    """

    @staticmethod
    def credentials(request: Request) -> Credentials:
        """Return who sends a request; a door for foreign clients reads it as those send it."""
        return Credentials.of(request)

    def get_route_handler(self) -> Endpoint:
        """Return the endpoint wrapped in its transaction."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            edge: Edge = request.app.state.edge
            authenticator: Authenticator = request.app.state.authenticator
            await request.body()  # before the transaction: a slow sender holds no connection
            try:
                admission = partial(authenticator, credentials=self.credentials(request))
                async with edge.admit(admission) as ctx:
                    request.state.ctx = ctx
                    request.scope[IDENTITY] = f"{ctx.tenant_id}/{ctx.actor}"
                    answer, remembered = await _answer_once(ctx, request, inner)
                if is_errand(answer):
                    who = Principal(ctx.tenant_id, ctx.actor)
                    return await carry_out(answer, edge, who, remembered=remembered)
                return answer
            except (Denied, Unauthenticated) as refused:
                await note_refusal(request, refused)
                raise

        return handle


class Router(APIRouter):
    """Routes under `/v1` for authenticated callers, each one transaction."""

    def __init__(self, *, tags: list[str]) -> None:
        """Make a router whose routes are documented under the tags."""
        super().__init__(prefix="/v1", tags=[*tags], route_class=TransactionalRoute)


class PublicRouter(APIRouter):
    """Routes under `/v1` that know their callers by other means and open their own context."""

    def __init__(self, *, tags: list[str], prefix: str = "/v1") -> None:
        """Make a router whose routes are documented under the tags."""
        super().__init__(prefix=prefix, tags=[*tags])


async def _answer_once(
    ctx: Ctx, request: Request, inner: Endpoint
) -> tuple[Response, Remembered | None]:
    key = key_of(request) if request.method == "POST" else None
    if key is None:
        return await inner(request), None
    remembered = await remember(ctx, request, key)
    if remembered.answer:
        return remembered.answer, None
    answer = await inner(request)
    if is_errand(answer):
        await hold(ctx, remembered)
    elif not isinstance(answer, StreamingResponse):
        await keep_answer(ctx, remembered, answer)
    return answer, remembered
