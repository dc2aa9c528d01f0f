"""What does a provider's code for a failed payment call for: time, another card, or the customer?

Codes: Stripe's decline codes and errors (docs.stripe.com/declines/codes) and Paddle's codes of
payment attempts (developer.paddle.com, "payment attempt error codes"). What nobody knows is soft:
it is tried again a few times and no more.
"""

from __future__ import annotations

from collections.abc import Mapping

from solvent.systems.payments.collection.model import Decline

_CODES: Mapping[Decline, str] = {
    Decline.SOFT: (
        "approve_with_id call_issuer card_declined card_velocity_exceeded do_not_honor"
        " canceled generic_decline insufficient_funds issuer_not_available"
        " issuer_unavailable no_action_taken not_enough_balance not_permitted"
        " processing_error psp_error reenter_transaction service_not_allowed system_error"
        " transaction_not_allowed transaction_not_permitted try_again_later"
        " withdrawal_count_limit_exceeded declined unknown"
    ),
    Decline.HARD: (
        "blocked_card card_not_supported currency_not_supported do_not_try_again expired_card"
        " fraudulent"
        " incorrect_number invalid_account invalid_account_number invalid_card_type"
        " invalid_expiry_month invalid_expiry_year invalid_number lost_card merchant_blacklist"
        " new_account_information_available payment_method_not_available pickup_card"
        " restricted_card revocation_of_all_authorizations revocation_of_authorization"
        " security_violation stolen_card stop_payment_order testmode_decline"
        " bank_account_closed debit_not_authorized account_closed no_account declined_not_retryable"
        " fraud invalid_payment_details preferred_network_not_supported redacted_payment_method"
    ),
    Decline.ACTION: (
        "authentication_failed authentication_required incorrect_cvc incorrect_pin"
        " incorrect_zip incorrect_address invalid_cvc invalid_pin"
        " mobile_device_authentication_required offline_pin_required"
        " online_or_offline_pin_required payment_intent_authentication_failure"
        " pin_try_exceeded"
    ),
    Decline.NO_METHOD: "no_method",
    Decline.REFUSED: (
        "amount_too_large amount_too_small duplicate_transaction invalid_amount refused"
        " subscription_not_active"
    ),
}
CLASSES: Mapping[str, Decline] = {
    code: decline for decline, codes in _CODES.items() for code in codes.split()
}


def classify(code: str | None) -> Decline:
    """Return what a failed payment calls for, by the provider's code; soft where it is unknown."""
    return CLASSES.get(code or "", Decline.SOFT)
