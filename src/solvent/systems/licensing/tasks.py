"""What does licensing do when somebody subscribes, buys, is refunded or tells of usage?"""

from __future__ import annotations

from solvent.systems.licensing.service import (
    on_dispute,
    on_purchase,
    on_refund,
    on_subscriptions,
    on_usage,
)

__all__ = ["on_dispute", "on_purchase", "on_refund", "on_subscriptions", "on_usage"]
