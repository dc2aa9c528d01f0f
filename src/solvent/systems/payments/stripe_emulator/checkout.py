"""How does a customer pay on Stripe's page?

The page is ours: `GET /c/pay/{session}` shows it, and `complete` does what its button does.
"""

from __future__ import annotations

from decimal import Decimal

from solvent.systems.payments.stripe_emulator import (
    customers,
    payment_intents,
    payment_methods,
    setup_intents,
    subscriptions,
)
from solvent.systems.payments.stripe_emulator.fault import (
    CardDeclined,
    StripeFault,
    invalid,
    missing,
)
from solvent.systems.payments.stripe_emulator.plain import Json, items, part
from solvent.systems.payments.stripe_emulator.prices import amount_of, create_price
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    merge,
    page,
    retrieving,
)

KIND = "checkout.session"
EXPIRES_AFTER_S = 24 * 3_600
_ITEMS_MAX = 100


def create(world: World, params: Json) -> Json:
    """Make a session whose page is open for a day."""
    mode = params.get("mode") or "payment"
    if mode != "setup" and not params.get("line_items"):
        raise missing("line_items")
    if params.get("customer"):
        world.get("customer", params["customer"], param="customer")
    id = world.new_id("cs_test")
    wanted = items(params.get("line_items")) or []
    lines = [_line(world, one, mode) for one in wanted[:_ITEMS_MAX]]
    total = 0 if _is_trial(params) else sum(one["amount_total"] for one in lines)
    now = world.now(params.get("customer"))
    base: Json = {
        "automatic_tax": {"enabled": False},
        "custom_text": {},
        "locale": None,
        "payment_method_types": ["card"],
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "phone_number_collection": {"enabled": False},
        "ui_mode": "hosted_page",
        "billing_address_collection": None,
    }
    made = world.make(
        KIND,
        "cs_test",
        base | params,
        id=id,
        mode=mode,
        amount_subtotal=total,
        amount_total=total,
        created=now,
        currency=lines[0]["currency"] if lines else params.get("currency"),
        expires_at=params.get("expires_at") or now + EXPIRES_AFTER_S,
        line_items=None,
        payment_status="unpaid" if mode != "setup" else "no_payment_required",
        status="open",
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        url=f"{world.url}/c/pay/{id}",
    )
    kept = {name: part(params, name) for name in ("subscription_data", "payment_intent_data")}
    return world.store.save(made | {"_lines": lines, "_wanted": kept})


def _is_trial(params: Json) -> bool:
    asked = part(params, "subscription_data")
    return bool(asked.get("trial_period_days") or asked.get("trial_end"))


def _line(world: World, given: Json, mode: str) -> Json:
    if given.get("price_data"):
        given |= {"price": create_price(world, given["price_data"])["id"]}
    price = world.get("price", given.get("price") or "", param="line_items[0][price]")
    if mode == "payment" and price["type"] == "recurring":
        word = "You specified `payment` mode but passed a recurring price."
        raise invalid(word, param="line_items[0][price]")
    metered = price["type"] == "recurring" and price["recurring"]["usage_type"] == "metered"
    quantity = 0 if metered else given.get("quantity") or 1
    amount = amount_of(price, Decimal(quantity))
    return {
        "id": world.new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": world.get("product", price["product"])["name"],
        "price": price,
        "quantity": None if metered else quantity,
    }


def list_lines(world: World, params: Json, id: str) -> Json:
    """List what is bought."""
    return page(world, world.get(KIND, id)["_lines"], params)


def update(world: World, params: Json, id: str) -> Json:
    """Change a session's metadata."""
    found = world.get(KIND, id)
    return world.change(found, **merge(found, params))


def expire(world: World, params: Json, id: str) -> Json:
    """Close a page on which nobody paid."""
    del params
    found = _must_be_open(world.get(KIND, id))
    gone = world.change(found, status="expired", url=None)
    world.tell("checkout.session.expired", gone)
    return gone


def complete(world: World, params: Json, id: str) -> Json:
    """Pay, as the customer would on the page; `payment_method` is a test card's name.

    Raises:
        StripeFault: the session is not open, or the card was declined; the page stays open then.
    """
    found = _must_be_open(world.get(KIND, id))
    if found["expires_at"] <= world.now(found["customer"]):
        expire(world, {}, id)
        raise invalid("This Checkout Session has expired.")
    customer = found["customer"] or _customer(world, found, params)
    card = payment_methods.use(world, params.get("payment_method") or "pm_card_visa")
    bought = _buy(world, found, customer, card)
    buyer = world.get("customer", customer)
    done = world.change(
        found,
        status="complete",
        url=None,
        customer=customer,
        customer_details=_details(buyer),
        payment_status="paid" if found["amount_total"] else "no_payment_required",
        **bought,
    )
    world.tell("checkout.session.completed", done)
    return done


def _buy(world: World, found: Json, customer: str, card: Json) -> Json:
    """Pay; what a declined card leaves behind is undone, as if the page were still untouched."""
    try:
        return _BUYERS[found["mode"]](world, found, customer, card)
    except CardDeclined as declined:
        raise StripeFault(402, "card_error", str(declined), code=declined.error["code"]) from None


def _must_be_open(found: Json) -> Json:
    if found["status"] != "open":
        word = f"This Checkout Session is {found['status']}; only an open one can be used."
        raise StripeFault(400, "invalid_request_error", word)
    return found


def _customer(world: World, found: Json, params: Json) -> str:
    email = found["customer_email"] or params.get("email") or "jenny.rosen@example.com"
    return customers.create(world, {"email": email, "name": params.get("name")})["id"]


def _details(buyer: Json) -> Json:
    nothing: Json = {"address": buyer["address"], "phone": buyer["phone"], "tax_ids": []}
    person = {"email": buyer["email"], "name": buyer["name"], "tax_exempt": "none"}
    return nothing | person | {"business_name": None, "individual_name": None}


def _subscribe(world: World, found: Json, customer: str, card: Json) -> Json:
    saved = payment_methods.save_with(world, card, customer)
    wanted: Json = {"customer": customer, "default_payment_method": saved["id"]}
    wanted["items"] = [
        {"price": one["price"]["id"], "quantity": one["quantity"]} for one in found["_lines"]
    ]
    asked = found["_wanted"]["subscription_data"]
    plain = {name: asked[name] for name in _PASSED_ON if asked.get(name) is not None}
    before = {"payment_behavior": "error_if_incomplete"}
    made = subscriptions.create(world, wanted | plain | before)
    return {"subscription": made["id"], "invoice": made["latest_invoice"]}


_PASSED_ON = ("metadata", "description", "trial_end", "trial_period_days", "trial_settings")


def _charge(world: World, found: Json, customer: str, card: Json) -> Json:
    if not found["amount_total"]:
        return {}
    asked = found["_wanted"]["payment_intent_data"]
    plain = ("metadata", "description", "setup_future_usage", "capture_method", "receipt_email")
    wanted: Json = {name: asked[name] for name in plain if asked.get(name) is not None}
    wanted |= {"amount": found["amount_total"], "currency": found["currency"]}
    wanted |= {"customer": customer, "payment_method": card["id"], "confirm": True}
    made = payment_intents.create(world, wanted)
    if made["status"] == "requires_action":
        made = payment_intents.authenticate(world, made["id"])
    return {"payment_intent": made["id"]}


def _set_up(world: World, found: Json, customer: str, card: Json) -> Json:
    del found
    wanted = {"customer": customer, "payment_method": card["id"], "confirm": True}
    return {"setup_intent": setup_intents.create(world, wanted)["id"]}


_BUYERS = {"subscription": _subscribe, "payment": _charge, "setup": _set_up}
_ALL, _ONE = "/v1/checkout/sessions", "/v1/checkout/sessions/{}"

ROUTES = (
    Route("POST", _ALL, create, "checkout.SessionCreateParams"),
    Route(
        "GET",
        _ALL,
        listing(KIND, "customer", "payment_intent", "status", "subscription"),
        "checkout.SessionListParams",
    ),
    Route("GET", _ONE, retrieving(KIND), "checkout.SessionRetrieveParams"),
    Route("POST", _ONE, update, "checkout.SessionUpdateParams"),
    Route("POST", f"{_ONE}/expire", expire, "checkout.SessionExpireParams"),
    Route("GET", f"{_ONE}/line_items", list_lines, "checkout.SessionListLineItemsParams"),
)
