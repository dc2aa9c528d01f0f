"""Which addresses has the API, and what answers at each?"""

from __future__ import annotations

import re
from functools import cache

from solvent.systems.payments.stripe_emulator import (
    balance,
    charges,
    checkout,
    clocks,
    controls,
    customers,
    disputes,
    endpoints,
    events,
    invoices,
    meters,
    payment_intents,
    payment_methods,
    portal,
    prices,
    refunds,
    setup_intents,
    subscriptions,
)
from solvent.systems.payments.stripe_emulator.world import Route

ROUTES: tuple[Route, ...] = (
    *balance.ROUTES,
    *charges.ROUTES,
    *checkout.ROUTES,
    *clocks.ROUTES,
    *controls.ROUTES,
    *customers.ROUTES,
    *disputes.ROUTES,
    *endpoints.ROUTES,
    *events.ROUTES,
    *invoices.ROUTES,
    *meters.ROUTES,
    *payment_intents.ROUTES,
    *payment_methods.ROUTES,
    *portal.ROUTES,
    *prices.ROUTES,
    *refunds.ROUTES,
    *setup_intents.ROUTES,
    *subscriptions.ROUTES,
)


def find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """Return what answers at an address, and the ids in it; names go before ids."""
    for form, route in _forms():
        found = form.fullmatch(path) if route.method == method else None
        if found:
            return route, found.groups()
    return None


@cache
def _forms() -> list[tuple[re.Pattern[str], Route]]:
    ordered = sorted(ROUTES, key=lambda one: one.path.count("{}"))
    return [(re.compile(one.path.replace("{}", r"([^/]+)")), one) for one in ordered]
