"""How is a WSGI application put behind the paywall? Any framework, no dependency."""

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from solvent_client.asgi import DECISION_KEY
from solvent_client.decision import Decision
from solvent_client.errors import PaymentRequired
from solvent_client.paywall import Paywall
from solvent_client.problem import of
from solvent_client.rules import Rule, RuleBook

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
CustomerOfEnviron = Callable[[Environ], str | None]

_NO_BODY: Final = frozenset({"HEAD"})


class PaywallMiddleware:
    """Lets requests through to the application whose customer may pass.

    The arguments are those of `solvent_client.asgi.PaywallMiddleware`; `customer` gets the WSGI
    environment. The body of a response that the application streams is passed on untouched.
    """

    def __init__(
        self,
        app: WsgiApp,
        paywall: Paywall,
        *,
        customer: CustomerOfEnviron,
        feature: str | None = None,
        product: str | None = None,
        rules: Iterable[Rule] = (),
        exempt: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._paywall = paywall
        self._customer = customer
        self._book = RuleBook(Rule("/", feature=feature, product=product), rules, exempt)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        rule = self._book.needs(_path(environ))
        if rule is None:
            return self._app(environ, start_response)
        decision = self._paywall.check(
            self._customer(environ), rule.feature, rule.product, rule.quantity
        )
        if not decision.allowed:
            return self._refuse(decision, environ, start_response)
        environ[DECISION_KEY] = decision
        try:
            return self._app(environ, start_response)
        except PaymentRequired as refusal:  # from `@paywall.required`, before any answer began
            return self._refuse(refusal.decision, environ, start_response)

    def _refuse(
        self, decision: Decision, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        problem = of(decision, upgrade_url=self._paywall.upgrade_url)
        status = f"{problem.status.value} {problem.status.phrase}"
        start_response(status, list(problem.headers))
        return [] if environ.get("REQUEST_METHOD") in _NO_BODY else [problem.body]


def _path(environ: Environ) -> str:
    """Return the path as text: WSGI carries its bytes as Latin-1."""
    raw = cast("str", environ.get("PATH_INFO", ""))
    return raw.encode("latin-1", "replace").decode("utf-8", "replace") or "/"
