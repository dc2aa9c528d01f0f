"""How does a WSGI application sell itself, without any framework?

Run it with the address of a Solvent and a secret key of one of its tenants:

    SOLVENT_URL=http://127.0.0.1:8000 SOLVENT_KEY=sk_test_… python -m examples.wsgi_app
"""

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from solvent_client import Paywall, Rule
from solvent_client.wsgi import PaywallMiddleware


def customer_of(environ: dict[str, Any]) -> str | None:
    """Return whose request it is; a real application asks its session or its token here."""
    return environ.get("HTTP_X_CUSTOMER")


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve the application's own pages; the paywall has let the customer through."""
    path = environ["PATH_INFO"]
    body = b"ok\n" if path == "/health" else b"time,level,message\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def build_app(paywall: Paywall) -> PaywallMiddleware:
    """Return the application behind its paywall."""
    return PaywallMiddleware(
        answer,
        paywall,
        customer=customer_of,
        rules=[Rule("/export", feature="export")],
        exempt=["/health"],
    )


def paywall_from_environment() -> Paywall:
    """Return the paywall that SOLVENT_URL and SOLVENT_KEY describe; ends the program without."""
    url, key = os.environ.get("SOLVENT_URL"), os.environ.get("SOLVENT_KEY")
    if not url or not key:
        sys.exit("Set SOLVENT_URL and SOLVENT_KEY: `solvent up` prints both.")
    return Paywall(url, key, upgrade_url=os.environ.get("UPGRADE_URL", "/plans"))


app = build_app(paywall_from_environment())
