"""Which routes does the webhooks system have?"""

from __future__ import annotations

from solvent.kit.http import Router
from solvent.systems.webhooks.api import endpoints, messages
from solvent.systems.webhooks.rules.address import Guard

__all__ = ["routers"]


def routers(guard: Guard) -> tuple[Router, ...]:
    """Return the routes; the guard says where webhooks may go."""
    return (endpoints.router(guard), messages.router)
