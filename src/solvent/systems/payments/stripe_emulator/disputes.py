"""What does a customer's bank take back, and who wins?

Evidence whose text is `winning_evidence` or `losing_evidence` decides a dispute, as at Stripe.
"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator.balance import book
from solvent.systems.payments.stripe_emulator.fault import invalid
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    merge,
    retrieving,
)

KIND = "dispute"
_FEE = 1_500
_DUE_AFTER_S = 7 * 86_400
_VERDICTS = {"winning_evidence": "won", "losing_evidence": "lost"}
_OPEN = {"needs_response", "under_review"}


def open_dispute(world: World, charge: str, *, reason: str = "fraudulent") -> Json:
    """Let the bank of a charge's card take it back.

    Raises:
        StripeFault: there is no such charge that was paid, or it is disputed already.
    """
    found = world.get("charge", charge, param="charge")
    if found["disputed"] or found["status"] != "succeeded":
        raise invalid(f"Charge {charge} cannot be disputed.", param="charge")
    now = world.now(found["customer"])
    made = world.make(
        KIND,
        "du",
        {"currency": found["currency"], "payment_intent": found["payment_intent"]},
        amount=found["amount_captured"],
        charge=charge,
        created=now,
        enhanced_eligibility_types=[],
        evidence={},
        evidence_details={
            "due_by": now + _DUE_AFTER_S,
            "enhanced_eligibility": {},
            "submission_method": "not_submitted",
        },
        is_charge_refundable=False,
        payment_method_details=_card(found),
        reason=reason,
        status="needs_response",
    )
    world.change(found, disputed=True)
    world.tell("charge.dispute.created", made)
    return _move_funds(world, made, "charge.dispute.funds_withdrawn", -made["amount"])


def _card(charge: Json) -> Json:
    brand = charge["payment_method_details"]["card"]["brand"]
    card = {"brand": brand, "case_type": "chargeback", "network_reason_code": "10"}
    return {"type": "card", "card": card}


def update(world: World, params: Json, id: str) -> Json:
    """Take evidence, and decide by it where it says how."""
    found = _must_be_open(world.get(KIND, id))
    evidence = found["evidence"] | (params.get("evidence") or {})
    text = evidence.get("uncategorized_text")
    submits = params.get("submit", True)
    status = "under_review" if submits else found["status"]
    details: Json = found["evidence_details"] | {"has_evidence": True}
    if submits:
        details |= {"submission_count": 1, "submission_method": "manual"}
    kept = merge(found, {"metadata": params.get("metadata", {})})
    changed = world.change(
        found,
        "charge.dispute.updated",
        **kept,
        evidence=evidence,
        evidence_details=details,
        status=status,
    )
    return end(world, id, _VERDICTS[text]) if submits and text in _VERDICTS else changed


def close(world: World, params: Json, id: str) -> Json:
    """Accept the dispute: it is lost."""
    del params
    return end(world, id, "lost")


def end(world: World, id: str, status: str) -> Json:
    """Decide a dispute: the money comes back where it is won."""
    found = _must_be_open(world.get(KIND, id))
    ended = world.change(found, status=status, is_charge_refundable=False)
    world.tell("charge.dispute.closed", ended, before={"status": found["status"]})
    if status == "won":
        ended = _move_funds(world, ended, "charge.dispute.funds_reinstated", ended["amount"])
    return ended


def _must_be_open(found: Json) -> Json:
    if found["status"] not in _OPEN:
        raise invalid("This dispute is already closed", code="dispute_already_closed")
    return found


def _move_funds(world: World, found: Json, event: str, amount: int) -> Json:
    fee = _FEE if amount < 0 else -_FEE
    entry = book(world, found, "adjustment", amount, fee=fee)
    entries = [*found["balance_transactions"], entry]
    changed = world.change(found, balance_transactions=entries)
    world.tell(event, changed)
    return changed


ROUTES = (
    Route("GET", "/v1/disputes", listing(KIND, "charge", "payment_intent"), "DisputeListParams"),
    Route("GET", "/v1/disputes/{}", retrieving(KIND), "DisputeRetrieveParams"),
    Route("POST", "/v1/disputes/{}", update, "DisputeUpdateParams"),
    Route("POST", "/v1/disputes/{}/close", close, "DisputeCloseParams"),
)
