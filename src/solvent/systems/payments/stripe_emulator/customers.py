"""Who buys?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator import payment_methods
from solvent.systems.payments.stripe_emulator.plain import Json, part
from solvent.systems.payments.stripe_emulator.search import searching
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    merge,
    retrieving,
)

KIND = "customer"


def create(world: World, params: Json) -> Json:
    """Make a customer, with a card where one is given."""
    if params.get("test_clock"):
        world.get("test_helpers.test_clock", params["test_clock"], param="test_clock")
    given: Json = {"balance": 0, "tax_exempt": "none", "delinquent": False} | params
    given |= {"invoice_settings": part(params, "invoice_settings"), "next_invoice_sequence": 1}
    made = world.make(KIND, "cus", given, invoice_prefix=world.new_id("X")[2:10].upper())
    made = world.store.save(made | {"created": world.now(made["id"])})
    world.tell("customer.created", made)
    if params.get("payment_method"):
        payment_methods.attach(world, {"customer": made["id"]}, params["payment_method"])
    _must_have_default(world, made["id"], params)
    return made


def update(world: World, params: Json, id: str) -> Json:
    """Change a customer."""
    found = world.get(KIND, id)
    _must_have_default(world, id, params)
    return world.change(found, "customer.updated", **merge(found, params))


def _must_have_default(world: World, id: str, params: Json) -> None:
    """Refuse another customer's card, or none's, as the default one."""
    default = part(params, "invoice_settings").get("default_payment_method")
    if default:
        found = world.get("payment_method", default, param="invoice_settings")
        payment_methods.must_belong(found, id)


def delete(world: World, params: Json, id: str) -> Json:
    """Delete a customer, who stays as a name without anything."""
    del params
    found = world.get(KIND, id)
    world.tell("customer.deleted", found)
    return world.store.save({"id": id, "object": KIND, "deleted": True})


ROUTES = (
    Route("POST", "/v1/customers", create, "CustomerCreateParams"),
    Route("GET", "/v1/customers", listing(KIND, "email", "test_clock"), "CustomerListParams"),
    Route("GET", "/v1/customers/search", searching(KIND), "CustomerSearchParams"),
    Route("GET", "/v1/customers/{}", retrieving(KIND), "CustomerRetrieveParams"),
    Route("POST", "/v1/customers/{}", update, "CustomerUpdateParams"),
    Route("DELETE", "/v1/customers/{}", delete, "CustomerDeleteParams"),
)
