"""How is a customer's card charged?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator import charges, payment_methods
from solvent.systems.payments.stripe_emulator.cards import (
    DECLINES,
    Decline,
    card_of,
    decline_of,
)
from solvent.systems.payments.stripe_emulator.fault import (
    CardDeclined,
    StripeFault,
    invalid,
    no_such,
)
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.search import searching
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    merge,
    retrieving,
)

KIND = "payment_intent"
AMOUNT_MAX = 99_999_999
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = ("requires_payment_method", "requires_capture", *OPEN[1:])
_UNEXPECTED = "payment_intent_unexpected_state"


def create(world: World, params: Json) -> Json:
    """Make a payment intent, and charge the card where it is to be confirmed at once."""
    _must_be_payable(params)
    if params.get("off_session") and not params.get("confirm"):
        raise invalid("off_session can only be used with confirm=true.", param="off_session")
    made = _make(world, params)
    world.tell("payment_intent.created", made)
    return confirm(world, params, made["id"]) if params.get("confirm") else made


def _make(world: World, params: Json) -> Json:
    customer, card = params.get("customer"), params.get("payment_method")
    if customer:
        world.get("customer", customer, param="customer")
    if card:
        card = _card(world, card, customer)["id"]
    id = world.new_id("pi")
    own: Json = {
        "id": id,
        "client_secret": f"{id}_secret_{world.new_id('x')[2:]}",
        "payment_method": card,
        "created": world.now(customer),
        "status": "requires_confirmation" if card else "requires_payment_method",
        "currency": params["currency"].lower(),
    }
    defaults: Json = {
        "amount_details": {"tip": {}},
        "automatic_payment_methods": None,
        "capture_method": "automatic",
        "confirmation_method": "automatic",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
    }
    return world.make(KIND, "pi", defaults | params, **own)


def _must_be_payable(params: Json) -> None:
    amount = params["amount"]
    if amount < 1:
        code = "parameter_invalid_integer"
        raise invalid("This value must be greater than or equal to 1.", param="amount", code=code)
    if amount > AMOUNT_MAX:
        word = f"Amount must be no more than {AMOUNT_MAX}"
        raise invalid(word, param="amount", code="amount_too_large")
    currency = str(params["currency"])
    if len(currency) != 3 or not currency.isalpha():  # noqa: PLR2004 - ISO 4217
        raise invalid(f"Invalid currency: {currency[:20].lower()}", param="currency")


def update(world: World, params: Json, id: str) -> Json:
    """Change what has not been paid yet."""
    found = world.get(KIND, id)
    if set(params) - {"metadata", "description", "expand"}:
        _must_be(found, OPEN, "update")
    changed = merge(found, params)
    if params.get("payment_method"):
        card = _card(world, params["payment_method"], found["customer"])
        changed |= {"payment_method": card["id"], "status": "requires_confirmation"}
    return world.change(found, **changed)


def confirm(world: World, params: Json, id: str) -> Json:
    """Charge the card.

    Raises:
        CardDeclined: the bank refused it, or wants its customer, who is not there.
        StripeFault: there is no card, or nothing to pay (any more).
    """
    found = world.get(KIND, id)
    _must_be(found, OPEN, "confirm")
    name = params.get("payment_method") or found["payment_method"]
    if not name:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can"
            " either update the PaymentIntent with a payment method and then confirm it again, or"
            " confirm it again directly with a payment method or ConfirmationToken.",
            code=_UNEXPECTED,
        )
    card = _card(world, name, found["customer"])
    kept = {name: params[name] for name in _KEPT if params.get(name) is not None}
    found = world.change(found, payment_method=card["id"], **kept)
    off_session = bool(params.get("off_session"))
    if _asks(card, off_session=off_session):
        return _ask(world, found, card, params, off_session=off_session)
    return settle(world, found, card, decline_of(card))


_KEPT = ("setup_future_usage", "receipt_email", "capture_method")


def _card(world: World, name: str, customer: str | None) -> Json:
    card = payment_methods.use(world, name)
    payment_methods.must_belong(card, customer)
    return card


def _asks(card: Json, *, off_session: bool) -> bool:
    """Return whether the bank wants to see its customer."""
    asks = card_of(card).asks
    return asks == "always" or (asks == "unless_set_up" and not (off_session and card["_set_up"]))


def _ask(world: World, found: Json, card: Json, params: Json, *, off_session: bool) -> Json:
    """Ask the customer to authenticate; nobody is there to be asked off session."""
    if off_session or params.get("error_on_requires_action"):
        return settle(world, found, card, DECLINES["authentication_required"])
    page = f"{world.url}/_emulator/payment_intents/{found['id']}/authenticate"
    redirect = {"url": page, "return_url": params.get("return_url")}
    action: Json = {"type": "redirect_to_url", "redirect_to_url": redirect}
    if not params.get("return_url"):
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"emulator": page}}
    asked = world.change(found, status="requires_action", next_action=action)
    world.tell("payment_intent.requires_action", asked)
    return asked


def settle(world: World, found: Json, card: Json, why: Decline | None) -> Json:
    """Charge the card, and let the intent say what came of it."""
    made = charges.charge(world, found, card, why)
    found |= {"latest_charge": made["id"], "next_action": None}
    if why:
        raise _declined(world, found, card, why)
    _save_for_later(world, found, card)
    manual = found["capture_method"] == "manual"
    paid: Json = {"amount_received": found["amount"], "status": "succeeded"}
    held: Json = {"amount_capturable": found["amount"], "status": "requires_capture"}
    done = world.change(found, last_payment_error=None, **(held if manual else paid))
    word = "amount_capturable_updated" if manual else "succeeded"
    world.tell(f"payment_intent.{word}", done)
    if world.paid and not manual:
        world.paid(world, done)
    charges.dispute_if_its_card_does(world, made)
    return done


def _save_for_later(world: World, found: Json, card: Json) -> None:
    if found["setup_future_usage"] and found["customer"]:
        kept = payment_methods.save_with(world, card, found["customer"])
        world.store.save(kept | {"_set_up": True})


def _declined(world: World, found: Json, card: Json, why: Decline) -> CardDeclined:
    told = {
        "advice_code": why.advice_code,
        "charge": found["latest_charge"],
        "code": why.code,
        "decline_code": why.decline_code,
        "payment_method": card,
    }
    fault = CardDeclined(why.message, **told)
    failed = world.change(
        found,
        status="requires_payment_method",
        payment_method=None,
        last_payment_error=dict(fault.error),
    )
    world.tell("payment_intent.payment_failed", failed)
    fault.error["payment_intent"] = failed
    return fault


def authenticate(world: World, id: str, *, succeeds: bool = True) -> Json:
    """Let the customer answer their bank; the payment is charged, or fails."""
    found = world.get(KIND, id)
    if found["status"] != "requires_action":
        raise invalid(f"{id} does not wait for its customer.", code=_UNEXPECTED)
    card = world.get("payment_method", found["payment_method"])
    if succeeds:
        return settle(world, found, card, decline_of(card))
    word = (
        "We are unable to authenticate your payment method. Please choose a different payment"
        " method and try again."
    )
    why = Decline("payment_intent_authentication_failure", None, word)
    try:
        return settle(world, found, card, why)
    except CardDeclined as declined:
        return declined.error["payment_intent"]


def capture(world: World, params: Json, id: str) -> Json:
    """Take what was authorized."""
    found = world.get(KIND, id)
    _must_be(found, ("requires_capture",), "capture")
    amount = params.get("amount_to_capture") or found["amount"]
    if amount > found["amount_capturable"]:
        word = f"The amount to capture is greater than the amount capturable ({amount})."
        raise invalid(word, param="amount_to_capture", code="amount_too_large")
    charges.capture(world, found["latest_charge"], amount)
    done = world.change(found, status="succeeded", amount_received=amount, amount_capturable=0)
    world.tell("payment_intent.succeeded", done)
    return done


def cancel(world: World, params: Json, id: str) -> Json:
    """Give a payment up that has not been made."""
    found = world.get(KIND, id)
    _must_be(found, CANCELABLE, "cancel")
    done = world.change(
        found,
        status="canceled",
        canceled_at=world.now(found["customer"]),
        cancellation_reason=params.get("cancellation_reason"),
        amount_capturable=0,
        next_action=None,
    )
    world.tell("payment_intent.canceled", done)
    return done


def _must_be(found: Json, states: tuple[str, ...], verb: str) -> None:
    if found["status"] in states:
        return
    listing = ", ".join(states)
    raise StripeFault(
        400,
        "invalid_request_error",
        f"You cannot {verb} this PaymentIntent because it has a status of {found['status']}. Only"
        f" a PaymentIntent with one of the following statuses may do so: {listing}.",
        code=_UNEXPECTED,
        payment_intent=found,
    )


def search(world: World, params: Json) -> Json:
    """Find payment intents by a query."""
    return searching(KIND)(world, params)


def must_exist(world: World, id: str) -> Json:
    """Return a payment intent by its id, or by the id of its charge."""
    found = world.store.find(id)
    if found and found["object"] == "charge":
        return world.get(KIND, found["payment_intent"])
    if found is None or found["object"] != KIND:
        raise no_such(KIND, id)
    return found


ROUTES = (
    Route("POST", "/v1/payment_intents", create, "PaymentIntentCreateParams"),
    Route("GET", "/v1/payment_intents", listing(KIND, "customer"), "PaymentIntentListParams"),
    Route("GET", "/v1/payment_intents/search", search, "PaymentIntentSearchParams"),
    Route("GET", "/v1/payment_intents/{}", retrieving(KIND), "PaymentIntentRetrieveParams"),
    Route("POST", "/v1/payment_intents/{}", update, "PaymentIntentUpdateParams"),
    Route("POST", "/v1/payment_intents/{}/confirm", confirm, "PaymentIntentConfirmParams"),
    Route("POST", "/v1/payment_intents/{}/capture", capture, "PaymentIntentCaptureParams"),
    Route("POST", "/v1/payment_intents/{}/cancel", cancel, "PaymentIntentCancelParams"),
)
