"""What does licensing do when somebody subscribes, buys or is refunded?"""

from __future__ import annotations

from solvent.systems.licensing.service import (
    on_dispute,
    on_purchase,
    on_refund,
    on_subscription,
)

__all__ = ["on_dispute", "on_purchase", "on_refund", "on_subscription"]
