"""Is a dispute open, won or lost, by what a provider says of it?"""

from __future__ import annotations

from solvent.systems.payments.model import DisputeOutcome, DisputeSeen, Provider

_STRIPE_ASKS = "warning_"
"""An inquiry of the bank: the money stays until it becomes a dispute."""
_STRIPE_WON = frozenset({"won", "warning_closed", "prevented"})
_PADDLE = {"chargeback": DisputeOutcome.LOST, "chargeback_reverse": DisputeOutcome.WON}


def outcome_of(provider: Provider, seen: DisputeSeen) -> DisputeOutcome:
    """Return how a dispute stands.

    Stripe says it by its status. Paddle writes a chargeback as an adjustment when it takes the
    money, and another one when it gives it back.
    """
    if provider is Provider.STRIPE:
        if seen.status in _STRIPE_WON:
            return DisputeOutcome.WON
        return DisputeOutcome.LOST if seen.status == "lost" else DisputeOutcome.OPEN
    decided = seen.status == "approved"
    return _PADDLE.get(seen.reason, DisputeOutcome.OPEN) if decided else DisputeOutcome.OPEN


def takes_money(provider: Provider, seen: DisputeSeen) -> bool:
    """Return whether the provider has taken the money while the dispute is open.

    Paddle's chargebacks are decided when they are told of.
    """
    asks = seen.status.startswith(_STRIPE_ASKS)
    is_open = outcome_of(provider, seen) is DisputeOutcome.OPEN
    return provider is Provider.STRIPE and is_open and not asks
