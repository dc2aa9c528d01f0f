"""How is a customer's card saved without charging it?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator import payment_methods
from solvent.systems.payments.stripe_emulator.fault import CardDeclined, invalid
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import Route, World, listing, retrieving

KIND = "setup_intent"
_OPEN = {"requires_payment_method", "requires_confirmation", "requires_action"}


def create(world: World, params: Json) -> Json:
    """Make a setup intent, and save the card where it is to be confirmed at once."""
    if params.get("customer"):
        world.get("customer", params["customer"], param="customer")
    id = world.new_id("seti")
    card = params.get("payment_method")
    made = world.make(
        KIND,
        "seti",
        {"payment_method_types": ["card"], "usage": "off_session"} | params,
        id=id,
        client_secret=f"{id}_secret_{world.new_id('x')[2:]}",
        payment_method=payment_methods.use(world, card)["id"] if card else None,
        status="requires_confirmation" if card else "requires_payment_method",
    )
    world.tell("setup_intent.created", made)
    return confirm(world, params, id) if params.get("confirm") else made


def confirm(world: World, params: Json, id: str) -> Json:
    """Save the card; raises CardDeclined for cards that cannot be saved."""
    found = world.get(KIND, id)
    name = params.get("payment_method") or found["payment_method"]
    if found["status"] not in _OPEN or not name:
        code = "setup_intent_unexpected_state"
        raise invalid(f"You cannot confirm {id}: it is {found['status']}.", code=code)
    card = payment_methods.use(world, name)
    if found["customer"]:
        _attach(world, found, card)
    world.store.save(world.get("payment_method", card["id"]) | {"_set_up": True})
    done = world.change(found, payment_method=card["id"], status="succeeded")
    world.tell("setup_intent.succeeded", done)
    return done


def _attach(world: World, found: Json, card: Json) -> None:
    try:
        payment_methods.attach(world, {"customer": found["customer"]}, card["id"])
    except CardDeclined as declined:
        told = dict(declined.error)
        failed = world.change(
            found, status="requires_payment_method", payment_method=None, last_setup_error=told
        )
        world.tell("setup_intent.setup_failed", failed)
        declined.error["setup_intent"] = failed
        raise


def cancel(world: World, params: Json, id: str) -> Json:
    """Give it up."""
    found = world.get(KIND, id)
    if found["status"] not in _OPEN:
        code = "setup_intent_unexpected_state"
        raise invalid(f"You cannot cancel {id}: it is {found['status']}.", code=code)
    why = params.get("cancellation_reason")
    done = world.change(found, status="canceled", cancellation_reason=why)
    world.tell("setup_intent.canceled", done)
    return done


ROUTES = (
    Route("POST", "/v1/setup_intents", create, "SetupIntentCreateParams"),
    Route("GET", "/v1/setup_intents", listing(KIND, "customer"), "SetupIntentListParams"),
    Route("GET", "/v1/setup_intents/{}", retrieving(KIND), "SetupIntentRetrieveParams"),
    Route("POST", "/v1/setup_intents/{}/confirm", confirm, "SetupIntentConfirmParams"),
    Route("POST", "/v1/setup_intents/{}/cancel", cancel, "SetupIntentCancelParams"),
)
