"""How is somebody outside asked for a request's answer, with no transaction open meanwhile?

An endpoint runs in the request's transaction, as every endpoint does. If it returns an `Errand`,
what it wrote is committed first; then the errand is run with no transaction open; then its outcome
is written, and the answer kept, in a second transaction (ADR 10).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeGuard, TypeVar

from starlette.responses import Response

from solvent.kit.errors import SolventError, Unavailable
from solvent.kit.http.idempotency import Remembered, forget, keep_answer, release
from solvent.kit.limits import ERRAND_S

if TYPE_CHECKING:
    from solvent.kit.ctx import Ctx, Edge, Principal

T = TypeVar("T")


class ErrandTooLong(Unavailable):
    """Who had to be asked for this did not answer in time; try again with the same key."""

    code = "kit.errand_too_long"


class Errand(Response, Generic[T]):
    """An answer that somebody outside has to be asked for first.

    `ask` is run without a transaction and may take up to 40 s. `conclude` writes its outcome and
    returns the answer; `fail` writes that it failed. A process that dies in between has committed
    what the endpoint wrote and nothing else: a repeat under the same idempotency key runs the
    endpoint again, which is to find what it wrote and to ask in a way that has no second effect.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[T]],
        *,
        conclude: Callable[[Ctx, T], Awaitable[Response]],
        fail: Callable[[Ctx, Exception], Awaitable[None]],
    ) -> None:
        """Hold the three steps; nothing is run here."""
        super().__init__()
        self.ask, self.conclude, self.fail = ask, conclude, fail


def is_errand(answer: Response) -> TypeGuard[Errand[Any]]:
    """Return whether the answer is yet to be asked for."""
    return isinstance(answer, Errand)


async def carry_out(
    errand: Errand[T], edge: Edge, who: Principal, *, remembered: Remembered | None
) -> Response:
    """Ask, then write what came of it in a transaction of its own; return the answer.

    Raises:
        ErrandTooLong: no answer in time. Whatever else `ask` and `conclude` raise.
    """
    try:
        outcome = await _in_time(errand)
    except Exception as fault:
        async with edge.open(who.tenant_id, who.actor) as ctx:
            await errand.fail(ctx, fault)
            if remembered:
                await _let_go(ctx, remembered, fault)
        raise
    async with edge.open(who.tenant_id, who.actor) as ctx:
        answer = await errand.conclude(ctx, outcome)
        if remembered:
            await keep_answer(ctx, remembered, answer)
    return answer


async def _in_time(errand: Errand[T]) -> T:
    try:
        return await asyncio.wait_for(errand.ask(), ERRAND_S)
    except TimeoutError:
        raise ErrandTooLong from None


async def _let_go(ctx: Ctx, remembered: Remembered, fault: Exception) -> None:
    """Free the key after a refusal; hold its request to it while the outcome is not known."""
    known = isinstance(fault, SolventError) and not fault.retryable()
    await (forget if known else release)(ctx, remembered)
