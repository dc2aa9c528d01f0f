"""What does an application need to sell itself through Solvent? A guard, a meter and an answer.

    from solvent_client import Paywall, PaywallMiddleware

    paywall = Paywall("https://billing.example.com", key)
    app = PaywallMiddleware(app, paywall, customer=customer_of, exempt=["/health"])

`PaywallMiddleware` is the ASGI one; the WSGI one is `solvent_client.wsgi.PaywallMiddleware`.
"""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from solvent_client.api import CheckoutLink, Customer, CustomerPage, Metered, Solvent
    from solvent_client.asgi import PaywallMiddleware
    from solvent_client.decision import Decision
    from solvent_client.errors import (
        BadKey,
        PaymentRequired,
        ProtocolError,
        Refused,
        SolventError,
        Unreachable,
    )
    from solvent_client.paywall import Paywall
    from solvent_client.problem import payment_required_handler
    from solvent_client.rules import Rule
    from solvent_client.usage import UsageEvent

__all__ = [
    "BadKey",
    "CheckoutLink",
    "Customer",
    "CustomerPage",
    "Decision",
    "Metered",
    "PaymentRequired",
    "Paywall",
    "PaywallMiddleware",
    "ProtocolError",
    "Refused",
    "Rule",
    "Solvent",
    "SolventError",
    "Unreachable",
    "UsageEvent",
    "payment_required_handler",
]

__version__ = "0.1.0"

_HOMES: Final = {
    "BadKey": "errors",
    "CheckoutLink": "api",
    "Customer": "api",
    "CustomerPage": "api",
    "Decision": "decision",
    "Metered": "api",
    "PaymentRequired": "errors",
    "Paywall": "paywall",
    "PaywallMiddleware": "asgi",
    "ProtocolError": "errors",
    "Refused": "errors",
    "Rule": "rules",
    "Solvent": "api",
    "SolventError": "errors",
    "Unreachable": "errors",
    "UsageEvent": "usage",
    "payment_required_handler": "problem",
}
"""Where each name is defined. It is imported when it is first used: who only checks a license
(`solvent_client.licensing`) does not wait for the paywall's machinery, which takes 30 ms."""


def __getattr__(name: str) -> object:
    """Import what is asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
