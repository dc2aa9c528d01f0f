"""How is an ASGI application put behind the paywall? Pure ASGI: any framework, no dependency."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from solvent_client.decision import Decision
from solvent_client.errors import PaymentRequired
from solvent_client.paywall import Paywall
from solvent_client.problem import AsgiApp, Problem, Receive, Scope, Send, of
from solvent_client.rules import Rule, RuleBook

CustomerOfScope = Callable[[Scope], str | Awaitable[str | None] | None]

DECISION_KEY: Final = "solvent.decision"
"""Where the application finds the decision in its scope."""

_POLICY_VIOLATION: Final = 1008
_DENIAL: Final = "websocket.http.response"


class PaywallMiddleware:
    """Lets requests and websockets through to the application whose customer may pass.

    Args:
        app: the application behind.
        paywall: who is asked. It is started when the server starts and stopped when it stops.
        customer: returns the customer's reference of a scope, None where there is none; plain or
            async. It must not believe what the client can forge.
        feature: the feature that every path needs that no rule matches; None needs any current
            subscription.
        product: the product that those paths need.
        rules: what the paths under some prefixes need instead.
        exempt: prefixes that need nothing, say `/health`.

    Raises:
        ValueError: a prefix is not a plain path.
    """

    def __init__(
        self,
        app: AsgiApp,
        paywall: Paywall,
        *,
        customer: CustomerOfScope,
        feature: str | None = None,
        product: str | None = None,
        rules: Iterable[Rule] = (),
        exempt: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._paywall = paywall
        self._customer = customer
        self._book = RuleBook(Rule("/", feature=feature, product=product), rules, exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(scope, receive, send)
            return
        rule = self._book.needs(_path(scope)) if kind in {"http", "websocket"} else None
        if rule is None:
            await self._app(scope, receive, send)
            return
        customer = self._customer(scope)
        if customer is not None and not isinstance(customer, str):
            customer = await customer
        decision = self._paywall.peek(customer, rule.feature, rule.product, rule.quantity)
        if decision is None:
            decision = await self._paywall.check_async(
                customer, rule.feature, rule.product, rule.quantity
            )
        if not decision.allowed:
            await _refuse(self._problem(decision), scope, receive, send)
            return
        scope[DECISION_KEY] = decision
        try:
            await self._app(scope, receive, send)
        except PaymentRequired as refusal:  # from `@paywall.required`, before any answer began
            await _refuse(self._problem(refusal.decision), scope, receive, send)

    def _problem(self, decision: Decision) -> Problem:
        return of(decision, upgrade_url=self._paywall.upgrade_url)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan through; the stream opens and ends with it."""
        self._paywall.start()

        async def send_and_watch(message: MutableMapping[str, Any]) -> None:
            if message["type"] in {"lifespan.shutdown.complete", "lifespan.shutdown.failed"}:
                await self._paywall.in_thread(self._paywall.stop)
            await send(message)

        await self._app(scope, receive, send_and_watch)


def _path(scope: Scope) -> str:
    """Return the path below the place where the application is mounted."""
    path: str = scope["path"]
    root: str | None = scope.get("root_path")
    if not root:
        return path
    root = root.rstrip("/")
    return path[len(root) :] if path.startswith(root + "/") else path


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a refused request; a websocket is refused in its handshake."""
    if scope["type"] == "http":
        await problem(scope, receive, send)
        return
    await receive()  # websocket.connect
    if _DENIAL in scope.get("extensions", {}):
        await send(problem.start(f"{_DENIAL}.start"))
        await send({"type": f"{_DENIAL}.body", "body": problem.body})
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": "402"})
