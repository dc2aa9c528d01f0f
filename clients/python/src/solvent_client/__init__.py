"""What does an application need to sell itself through Solvent? A guard, a meter and an answer.

    from solvent_client import Paywall, PaywallMiddleware

    paywall = Paywall("https://billing.example.com", key)
    app = PaywallMiddleware(app, paywall, customer=customer_of, exempt=["/health"])

`PaywallMiddleware` is the ASGI one; the WSGI one is `solvent_client.wsgi.PaywallMiddleware`.
"""

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
