"""What may the operator set about payments?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from solvent.kit.config import setting


@dataclass(frozen=True, slots=True)
class PaymentsSection:
    """Where the providers' APIs are and how often they are asked; never a tenant's to say."""

    stripe_api: str = setting(
        "https://api.stripe.com",
        "Base address of Stripe's API; that of `solvent dev stripe` in development.",
    )
    paddle_api: str = setting(
        "https://api.paddle.com",
        "Base address of Paddle's API; https://sandbox-api.paddle.com for their sandbox.",
    )
    reconcile_minutes: Annotated[int, Field(ge=0, le=1_440)] = setting(
        15, "How often providers are asked what webhooks have not told; 0: only by hand."
    )
