"""How is the payments system mounted?"""

from __future__ import annotations

from datetime import timedelta

from solvent.contracts.payments import WebhooksReceived
from solvent.kernel.catalogue.events import CatalogueApplied
from solvent.kit.wiring import Wiring
from solvent.systems.payments import cli, tasks
from solvent.systems.payments.model import Provider
from solvent.systems.payments.ports import PaymentGateway
from solvent.systems.payments.service.checkout import Cashier
from solvent.systems.payments.settings import PaymentsSection
from solvent.systems.payments.stripe_emulator import cli as dev

ADOPT_EVERY = timedelta(seconds=10)
LINGER_MS = 80
"""Under load events are applied twelve times a second at most: most subscriptions tell of
themselves several times within that, and are folded once."""


def wire(wiring: Wiring) -> None:
    """Mount routes, handlers and commands."""
    section = wiring.settings.get(PaymentsSection)
    settings = section if isinstance(section, PaymentsSection) else PaymentsSection()
    wiring.routes("solvent.systems.payments.api:webhooks", often=True)
    wiring.routes("solvent.systems.payments.api:router", Cashier(_Gateways(settings)))
    wiring.handle_batch(
        WebhooksReceived, tasks.on_webhooks, name="payments.on_webhooks", linger_ms=LINGER_MS
    )
    wiring.handle(CatalogueApplied, tasks.on_catalogue, name="payments.on_catalogue")
    wiring.periodic("payments.adopt_waiting", every=ADOPT_EVERY, run=tasks.adopt_waiting)
    wiring.command(cli.app, name="payments")
    wiring.command(dev.app, name="dev")


class _Gateways:
    """Makes gateways; a provider's client is imported when it is first needed."""

    def __init__(self, settings: PaymentsSection) -> None:
        self._settings = settings

    def __call__(self, provider: Provider, api_key: str) -> PaymentGateway:
        if provider is Provider.STRIPE:
            from solvent.systems.payments.gateways.stripe_gateway import (  # noqa: PLC0415 - 30 MB
                StripeGateway,
            )

            return StripeGateway(api_key, self._settings.stripe_api)
        from solvent.systems.payments.gateways.paddle_gateway import (  # noqa: PLC0415 - heavy
            PaddleGateway,
        )

        return PaddleGateway(api_key, self._settings.paddle_api)
