"""What may the operator set about payments?"""

from __future__ import annotations

from dataclasses import dataclass

from solvent.kit.config import setting


@dataclass(frozen=True, slots=True)
class PaymentsSection:
    """Where the providers' APIs are; the operator's to say, never a tenant's."""

    stripe_api: str = setting(
        "https://api.stripe.com", "Base address of Stripe's API; an emulator's in tests."
    )
    paddle_api: str = setting(
        "https://api.paddle.com",
        "Base address of Paddle's API; https://sandbox-api.paddle.com for their sandbox.",
    )
