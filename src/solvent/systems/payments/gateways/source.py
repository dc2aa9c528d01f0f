"""Which gateway asks a provider for us? Its client is imported when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass

from solvent.systems.payments.model import Provider
from solvent.systems.payments.ports import PaymentGateway
from solvent.systems.payments.settings import PaymentsSection


@dataclass(frozen=True, slots=True)
class Gateways:
    """Makes the gateway of a provider for an account's API key, at the address of the settings."""

    settings: PaymentsSection

    def __call__(self, provider: Provider, api_key: str) -> PaymentGateway:
        """Return the gateway; the first call of a provider takes a third of a second."""
        if provider is Provider.STRIPE:
            from solvent.systems.payments.gateways.stripe_gateway import (  # noqa: PLC0415 - 30 MB
                StripeGateway,
            )

            return StripeGateway(api_key, self.settings.stripe_api)
        from solvent.systems.payments.gateways.paddle_gateway import (  # noqa: PLC0415 - heavy
            PaddleGateway,
        )

        return PaddleGateway(api_key, self.settings.paddle_api)
