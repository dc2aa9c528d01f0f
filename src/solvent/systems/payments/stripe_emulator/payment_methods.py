"""Which cards has a customer?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator.cards import (
    CARDS,
    DECLINES,
    card_of,
    decline_of,
    name_of_card,
)
from solvent.systems.payments.stripe_emulator.fault import CardDeclined, invalid
from solvent.systems.payments.stripe_emulator.plain import Json, table
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    page,
    retrieving,
    updating,
)

KIND = "payment_method"
EXPIRES = {"exp_month": 12, "exp_year": 2034}


def create(world: World, params: Json) -> Json:
    """Make a card's payment method of a number or a token."""
    if params.get("type") != "card" or not params.get("card"):
        raise invalid("The emulator makes payment methods of type card only.", param="type")
    return make_card(world, name_of_card(params["card"]), params)


def make_card(world: World, name: str, params: Json | None = None) -> Json:
    """Return a new payment method that behaves like the test card of this name."""
    card = CARDS[name]
    given = params or {}
    billing: Json = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
    details: Json = {
        "brand": card.brand,
        "checks": {"cvc_check": "pass"},
        "country": "US",
        "display_brand": card.brand,
        "fingerprint": f"fingerprint{card.number[-6:]}",
        "funding": "credit",
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        **EXPIRES,
    }
    made = world.make(
        KIND,
        "pm",
        {"metadata": given.get("metadata") or {}},
        type="card",
        card=details,
        allow_redisplay="unspecified",
        billing_details=billing | (table(given.get("billing_details")) or {}),
    )
    return world.store.save(made | {"_card": name, "_fails_with": None, "_set_up": False})


def use(world: World, id: str, *, param: str = "payment_method") -> Json:
    """Return a payment method by its id; the name of a test card makes a new one."""
    if id in CARDS:
        return make_card(world, id)
    return world.get(KIND, id, param=param)


def attach(world: World, params: Json, id: str) -> Json:
    """Save a card with a customer; cards that are declined are declined here already."""
    customer = world.get("customer", params["customer"], param="customer")
    found = use(world, id)
    if found["customer"] not in {None, customer["id"]}:
        raise invalid("This payment method has already been attached to a customer.")
    why = decline_of(found)
    if why and not card_of(found).attaches:
        code, more = why.code, why.decline_code
        raise CardDeclined(why.message, code=code, decline_code=more)
    return save_with(world, found, customer["id"])


def save_with(world: World, found: Json, customer: str) -> Json:
    """Attach a payment method that may be, and tell of it."""
    if found["customer"] == customer:
        return found
    attached = world.change(found, customer=customer)
    world.tell("payment_method.attached", attached)
    return attached


def must_belong(found: Json, customer: str | None) -> None:
    """Refuse a card that another customer has saved."""
    if found["customer"] not in {None, customer}:
        raise invalid(
            f"The PaymentMethod {found['id']} does not belong to the Customer you supplied"
            f" {customer}. Please use this PaymentMethod with the Customer that it belongs to"
            " instead.",
            param="payment_method",
        )


def detach(world: World, params: Json, id: str) -> Json:
    """Forget a customer's card, for good."""
    del params
    found = world.get(KIND, id)
    if not found["customer"]:
        raise invalid("The payment method you provided is not attached to a customer.")
    detached = world.change(found, customer=None)
    told = {"customer": found["customer"]}
    world.tell("payment_method.detached", detached, before=told)
    return detached


def list_of_customer(world: World, params: Json, customer: str) -> Json:
    """List a customer's cards."""
    world.get("customer", customer)
    return page(world, world.every(KIND, customer=customer), params)


def list_all(world: World, params: Json) -> Json:
    """List the cards of the customer that is named."""
    customer = params.get("customer")
    found = world.every(KIND, customer=customer) if customer else []
    return page(world, found, params)


def let_fail(world: World, params: Json, id: str) -> Json:
    """Let a saved card fail from now on, or work again: our own addition, for rehearsals."""
    found = world.get(KIND, id)
    why = params.get("decline_code") or None
    if why is not None and why not in DECLINES:
        known = ", ".join(sorted(DECLINES))
        raise invalid(f"Invalid decline_code: must be one of {known}", param="decline_code")
    return world.store.save(found | {"_fails_with": why})


ROUTES = (
    Route("POST", "/v1/payment_methods", create, "PaymentMethodCreateParams"),
    Route("GET", "/v1/payment_methods", list_all, "PaymentMethodListParams"),
    Route("GET", "/v1/payment_methods/{}", retrieving(KIND), "PaymentMethodRetrieveParams"),
    Route(
        "POST",
        "/v1/payment_methods/{}",
        updating(KIND, "payment_method.updated"),
        "PaymentMethodUpdateParams",
    ),
    Route("POST", "/v1/payment_methods/{}/attach", attach, "PaymentMethodAttachParams"),
    Route("POST", "/v1/payment_methods/{}/detach", detach, "PaymentMethodDetachParams"),
    Route(
        "GET",
        "/v1/customers/{}/payment_methods",
        list_of_customer,
        "CustomerListPaymentMethodsParams",
    ),
)
