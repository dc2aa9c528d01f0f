"""What was given back?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator.balance import book
from solvent.systems.payments.stripe_emulator.cards import card_of
from solvent.systems.payments.stripe_emulator.fault import StripeFault, invalid, missing
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    retrieving,
    updating,
)

KIND = "refund"


def create(world: World, params: Json) -> Json:
    """Give back a charge, or a part of it.

    Raises:
        StripeFault: it is disputed, or more than is left of it was asked for.
    """
    charge = _charge_of(world, params)
    amount = _amount(charge, params.get("amount"))
    card = card_of(world.get("payment_method", charge["payment_method"]))
    made = world.make(
        KIND,
        "re",
        {"metadata": params.get("metadata"), "reason": params.get("reason")},
        amount=amount,
        charge=charge["id"],
        created=world.now(charge["customer"]),
        currency=charge["currency"],
        destination_details={"type": "card", "card": {"type": "refund"}},
        payment_intent=charge["payment_intent"],
        status="pending" if card.refund == "pending" else "succeeded",
    )
    made = world.change(made, balance_transaction=book(world, made, "refund", -amount)["id"])
    _count(world, charge, amount)
    world.tell("refund.created", made)
    return _fail(world, made) if card.refund == "failed" else made


def _charge_of(world: World, params: Json) -> Json:
    id, param = params.get("charge"), "charge"
    if params.get("payment_intent"):
        intent = world.get("payment_intent", params["payment_intent"], param="payment_intent")
        id, param = intent["latest_charge"], "payment_intent"
        if intent["status"] != "succeeded":
            word = (
                f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            )
            raise invalid(word, param=param)
    if not id:
        raise missing("charge")
    return world.get("charge", id, param=param)


def _amount(charge: Json, asked: int | None) -> int:
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"]:
        word = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise invalid(word, code="charge_disputed")
    if left <= 0:
        word = f"Charge {charge['id']} has already been refunded."
        raise invalid(word, code="charge_already_refunded")
    amount = left if asked is None else asked
    if amount <= 0:
        word = "Invalid positive integer"
        raise invalid(word, param="amount", code="parameter_invalid_integer")
    if amount > left:
        word = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid(word, param="amount")
    return amount


def _count(world: World, charge: Json, amount: int) -> None:
    refunded = charge["amount_refunded"] + amount
    whole = refunded >= charge["amount_captured"]
    changed = world.change(charge, amount_refunded=refunded, refunded=whole)
    if amount > 0:
        before = {"amount_refunded": charge["amount_refunded"]}
        world.tell("charge.refunded", changed, before=before)


def _fail(world: World, made: Json) -> Json:
    """Let the bank send a refund back: the money is on our balance again."""
    entry = book(world, made, "refund_failure", made["amount"])
    failed = world.change(
        made,
        "refund.updated",
        status="failed",
        failure_reason="lost_or_stolen_card",
        failure_balance_transaction=entry["id"],
    )
    _count(world, world.get("charge", made["charge"]), -made["amount"])
    world.tell("refund.failed", failed)
    return failed


def cancel(world: World, params: Json, id: str) -> Json:
    """Refuse: only a refund that waits for the customer can be canceled, and none here does."""
    del params
    found = world.get(KIND, id)
    word = f"You cannot cancel this refund because it has a status of {found['status']}."
    raise StripeFault(400, "invalid_request_error", word)


def arrive(world: World, id: str) -> Json:
    """Let a refund that is pending succeed."""
    return world.change(world.get(KIND, id), "refund.updated", status="succeeded")


ROUTES = (
    Route("POST", "/v1/refunds", create, "RefundCreateParams"),
    Route("GET", "/v1/refunds", listing(KIND, "charge", "payment_intent"), "RefundListParams"),
    Route("GET", "/v1/refunds/{}", retrieving(KIND), "RefundRetrieveParams"),
    Route("POST", "/v1/refunds/{}", updating(KIND, "refund.updated"), "RefundUpdateParams"),
    Route("POST", "/v1/refunds/{}/cancel", cancel, "RefundCancelParams"),
)
