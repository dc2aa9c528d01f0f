"""What can be done to the emulator that cannot be done to Stripe?

These addresses begin with `/_emulator`, need no API key, and answer in JSON.
"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator import (
    checkout,
    disputes,
    lifecycle,
    payment_intents,
    payment_methods,
    refunds,
)
from solvent.systems.payments.stripe_emulator.fault import missing
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import Route, World

PREFIX = "/_emulator"


def open_dispute(world: World, params: Json) -> Json:
    """Dispute the charge, or the payment intent's, that is named."""
    named = params.get("charge") or params.get("payment_intent")
    if not named:
        raise missing("payment_intent")
    intent = payment_intents.must_exist(world, named)
    reason = params.get("reason") or "fraudulent"
    return disputes.open_dispute(world, intent["latest_charge"], reason=reason)


def win(world: World, params: Json, id: str) -> Json:
    """Let a dispute be won."""
    del params
    return disputes.end(world, id, "won")


def lose(world: World, params: Json, id: str) -> Json:
    """Let a dispute be lost."""
    del params
    return disputes.end(world, id, "lost")


def authenticate(world: World, params: Json, id: str) -> Json:
    """Let the customer answer their bank."""
    return payment_intents.authenticate(world, id, succeeds=params.get("succeeds") != "false")


def arrive(world: World, params: Json, id: str) -> Json:
    """Let a pending refund succeed."""
    del params
    return refunds.arrive(world, id)


def catch_up(world: World, params: Json) -> Json:
    """Let all happen that has fallen due by now to customers of no test clock."""
    del params
    lifecycle.live_until(world, world.now(), clock=None)
    return {"now": world.now()}


ROUTES = (
    Route("POST", f"{PREFIX}/disputes", open_dispute, ""),
    Route("POST", f"{PREFIX}/disputes/{{}}/win", win, ""),
    Route("POST", f"{PREFIX}/disputes/{{}}/lose", lose, ""),
    Route("POST", f"{PREFIX}/payment_methods/{{}}", payment_methods.let_fail, ""),
    Route("POST", f"{PREFIX}/payment_intents/{{}}/authenticate", authenticate, ""),
    Route("POST", f"{PREFIX}/refunds/{{}}/arrive", arrive, ""),
    Route("POST", f"{PREFIX}/checkout/sessions/{{}}/complete", checkout.complete, ""),
    Route("POST", f"{PREFIX}/catch_up", catch_up, ""),
)
