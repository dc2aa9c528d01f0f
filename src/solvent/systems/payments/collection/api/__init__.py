"""What is answered over HTTP about collecting money?"""

from __future__ import annotations

from solvent.kit.http import Router
from solvent.systems.payments.collection.api import collections, refunds, top_ups, upgrades
from solvent.systems.payments.service.checkout import GatewaySource


def routers(gateways: GatewaySource) -> list[Router]:
    """Return the routes for authenticated callers."""
    return [
        collections.router(gateways),
        refunds.router(gateways),
        top_ups.router,
        upgrades.router,
    ]
