"""What was charged, what came of it, and what does the balance say?"""

from __future__ import annotations

from decimal import Decimal

from solvent.kit.money import round_minor
from solvent.systems.payments.stripe_emulator import disputes
from solvent.systems.payments.stripe_emulator.balance import book
from solvent.systems.payments.stripe_emulator.cards import Decline, card_of
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.search import searching
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    retrieving,
    updating,
)

KIND = "charge"
_FEE_RATE = Decimal("0.029")
_FEE_FIXED = 30


def charge(world: World, intent: Json, card: Json, why: Decline | None) -> Json:
    """Keep the charge of a payment intent with a card, which went well or, for a reason, not."""
    manual = intent["capture_method"] == "manual"
    made = world.make(
        KIND,
        "ch",
        {name: intent[name] for name in ("currency", "customer", "description", "metadata")},
        amount=intent["amount"],
        amount_captured=0 if why or manual else intent["amount"],
        billing_details=card["billing_details"],
        captured=not (why or manual),
        calculated_statement_descriptor="SOLVENT EMULATOR",
        failure_code=why.code if why else None,
        failure_message=why.message if why else None,
        outcome=_outcome(why),
        paid=why is None,
        payment_intent=intent["id"],
        payment_method=card["id"],
        payment_method_details={"type": "card", "card": card["card"]},
        receipt_email=intent["receipt_email"],
        status="failed" if why else "succeeded",
    )
    if why is None and not manual:
        made = _settle(world, made)
    world.tell("charge.failed" if why else "charge.succeeded", made)
    return made


def capture(world: World, id: str, amount: int) -> Json:
    """Take what was authorized, or less of it."""
    found = world.get(KIND, id)
    taken = world.change(found, captured=True, amount_captured=amount)
    settled = _settle(world, taken)
    world.tell("charge.captured", settled)
    return settled


def dispute_if_its_card_does(world: World, made: Json) -> None:
    """Open the dispute that some test cards bring about by themselves."""
    reason = card_of(world.get("payment_method", made["payment_method"])).disputed
    if reason:
        disputes.open_dispute(world, made["id"], reason=reason)


def _settle(world: World, made: Json) -> Json:
    amount = made["amount_captured"]
    entry = book(world, made, "charge", amount, fee=_fee(amount))
    return world.change(made, balance_transaction=entry["id"])


def _fee(amount: int) -> int:
    return round_minor(amount * _FEE_RATE) + _FEE_FIXED


def _outcome(why: Decline | None) -> Json:
    if why is None:
        seller = "Payment complete."
        return _outcome_of("approved_by_network", None, seller, "authorized")
    told = "The bank did not return any further details with this decline."
    reason = why.decline_code or why.code
    return _outcome_of("declined_by_network", reason, told, "issuer_declined") | {
        "advice_code": why.advice_code
    }


def _outcome_of(network: str, reason: str | None, seller: str, kind: str) -> Json:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network,
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": seller,
        "type": kind,
    }


ROUTES = (
    Route("GET", "/v1/charges", listing(KIND, "customer", "payment_intent"), "ChargeListParams"),
    Route("GET", "/v1/charges/search", searching(KIND), "ChargeSearchParams"),
    Route("GET", "/v1/charges/{}", retrieving(KIND), "ChargeRetrieveParams"),
    Route("POST", "/v1/charges/{}", updating(KIND, "charge.updated"), "ChargeUpdateParams"),
)
