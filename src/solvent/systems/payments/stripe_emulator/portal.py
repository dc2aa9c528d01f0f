"""How does a customer look after what they bought, on Stripe's page?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator import customers, payment_methods, subscriptions
from solvent.systems.payments.stripe_emulator.fault import invalid
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import Route, World

KIND = "billing_portal.session"


def create(world: World, params: Json) -> Json:
    """Make a session of the portal."""
    if not params.get("customer"):
        raise invalid("The emulator's portal is a customer's.", param="customer")
    customer = world.get("customer", params["customer"], param="customer")["id"]
    id = world.new_id("bps")
    return world.make(
        KIND,
        "bps",
        params,
        id=id,
        configuration="bpc_emulator",
        customer=customer,
        url=f"{world.url}/p/session/{id}",
    )


def cancel(world: World, params: Json, id: str) -> Json:
    """Let a subscription of the portal's customer end with its period."""
    return _change(world, params, id, ends=True)


def renew(world: World, params: Json, id: str) -> Json:
    """Let it go on after all."""
    return _change(world, params, id, ends=False)


def _change(world: World, params: Json, id: str, *, ends: bool) -> Json:
    session = world.get(KIND, id)
    found = world.get("subscription", params.get("subscription") or "")
    if found["customer"] != session["customer"]:
        raise invalid("This subscription is another customer's.", param="subscription")
    subscriptions.update(world, {"cancel_at_period_end": ends}, found["id"])
    return session


def replace_card(world: World, params: Json, id: str) -> Json:
    """Save another card, by which everything is paid from now on."""
    session = world.get(KIND, id)
    card = params.get("payment_method") or "pm_card_visa"
    saved = payment_methods.attach(world, {"customer": session["customer"]}, card)
    default = {"invoice_settings": {"default_payment_method": saved["id"]}}
    customers.update(world, default, session["customer"])
    for found in world.every("subscription", customer=session["customer"]):
        if found["default_payment_method"]:
            subscriptions.update(world, {"default_payment_method": saved["id"]}, found["id"])
    return session


ROUTES = (
    Route("POST", "/v1/billing_portal/sessions", create, "billing_portal.SessionCreateParams"),
)
