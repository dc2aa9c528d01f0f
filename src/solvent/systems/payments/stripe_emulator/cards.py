"""What becomes of a payment with each of Stripe's test cards?

The names (`pm_card_…`, `tok_…`) and numbers are those of Stripe's page on testing. A card that was
saved can be told to fail from some moment on, as cards do in life: `POST
/_emulator/payment_methods/{id}` with a decline code, or `StripeEmulator.let_card_fail`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from solvent.systems.payments.stripe_emulator.fault import invalid
from solvent.systems.payments.stripe_emulator.plain import Json


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a card was not charged, in the words of the API."""

    code: str
    decline_code: str | None
    message: str
    advice_code: str | None = None


_NO = "Your card was declined."
AGAIN, DATA, NEVER = "try_again_later", "confirm_card_data", "do_not_try_again"

DECLINES: Mapping[str, Decline] = {
    "generic_decline": Decline("card_declined", "generic_decline", _NO, AGAIN),
    "do_not_honor": Decline("card_declined", "do_not_honor", _NO, AGAIN),
    "insufficient_funds": Decline(
        "card_declined", "insufficient_funds", "Your card has insufficient funds.", AGAIN
    ),
    "card_velocity_exceeded": Decline(
        "card_declined",
        "card_velocity_exceeded",
        "Your card was declined for making repeated attempts too frequently or exceeding its"
        " amount limit.",
        AGAIN,
    ),
    "lost_card": Decline("card_declined", "lost_card", _NO, NEVER),
    "stolen_card": Decline("card_declined", "stolen_card", _NO, NEVER),
    "pickup_card": Decline("card_declined", "pickup_card", _NO, NEVER),
    "fraudulent": Decline("card_declined", "fraudulent", _NO, NEVER),
    "expired_card": Decline("expired_card", None, "Your card has expired.", DATA),
    "incorrect_cvc": Decline(
        "incorrect_cvc", None, "Your card's security code is incorrect.", DATA
    ),
    "processing_error": Decline(
        "processing_error",
        None,
        "An error occurred while processing your card. Try again in a little bit.",
        AGAIN,
    ),
    "authentication_required": Decline(
        "authentication_required",
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
    ),
}


@dataclass(frozen=True, slots=True)
class Card:
    """A test card: its number, and how it behaves."""

    number: str
    brand: str = "visa"
    decline: str | None = None
    attaches: bool = True
    asks: str | None = None
    """Authentication is asked for: `always`, or `unless_set_up`."""
    disputed: str | None = None
    refund: str = "succeeded"


def _declines(number: str, why: str) -> Card:
    return Card(number, decline=why, attaches=False)


CARDS: Mapping[str, Card] = {
    "pm_card_visa": Card("4242424242424242"),
    "pm_card_visa_debit": Card("4000056655665556"),
    "pm_card_mastercard": Card("5555555555554444", "mastercard"),
    "pm_card_amex": Card("378282246310005", "amex"),
    "pm_card_visa_chargeDeclined": _declines("4000000000000002", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declines(
        "4000000000009995", "insufficient_funds"
    ),
    "pm_card_visa_chargeDeclinedLostCard": _declines("4000000000009987", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": _declines("4000000000009979", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": _declines("4000000000000069", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": _declines("4000000000000127", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": _declines("4000000000000119", "processing_error"),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": _declines(
        "4000000000006975", "card_velocity_exceeded"
    ),
    "pm_card_radarBlock": _declines("4100000000000019", "fraudulent"),
    "pm_card_chargeCustomerFail": Card("4000000000000341", decline="generic_decline"),
    "pm_card_authenticationRequired": Card("4000002760003184", asks="always"),
    "pm_card_authenticationRequiredOnSetup": Card("4000002500003155", asks="unless_set_up"),
    "pm_card_createDispute": Card("4000000000000259", disputed="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Card(
        "4000000000002685", disputed="product_not_received"
    ),
    "pm_card_pendingRefund": Card("4000000000007726", refund="pending"),
    "pm_card_refundFail": Card("4000000000005126", refund="failed"),
}
_BY_NUMBER = {card.number: name for name, card in CARDS.items()}


def card_of(payment_method: Json) -> Card:
    """Return how a payment method's card behaves."""
    return CARDS[payment_method["_card"]]


def decline_of(payment_method: Json) -> Decline | None:
    """Return why a charge of it fails now, if it does."""
    why = payment_method["_fails_with"] or card_of(payment_method).decline
    return DECLINES[why] if why else None


def name_of_card(told: Json) -> str:
    """Return the test card of these card details: a number, or a token such as `tok_visa`.

    Raises:
        StripeFault: it is none of Stripe's test cards.
    """
    token, number = told.get("token"), str(told.get("number", "")).replace(" ", "")
    name = str(token).replace("tok_", "pm_card_", 1) if token else _BY_NUMBER.get(number)
    if name is None or name not in CARDS:
        raise invalid(
            "Your card number is incorrect: the emulator knows Stripe's test cards only, say"
            " 4242424242424242.",
            param="card[number]",
            code="incorrect_number",
        )
    return name
