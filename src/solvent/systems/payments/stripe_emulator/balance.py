"""What came onto the account's balance, and what left it?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import Route, World, listing, retrieving

KIND = "balance_transaction"
_AVAILABLE_AFTER_S = 2 * 86_400


def book(world: World, source: Json, kind: str, amount: int, *, fee: int = 0) -> Json:
    """Keep a line of the balance."""
    details = [{"amount": fee, "currency": source["currency"], "type": "stripe_fee"}]
    fees: Json = {"fee": fee, "fee_details": details if fee else []}
    now = world.now(source.get("customer"))
    return world.make(
        KIND,
        "txn",
        fees,
        amount=amount,
        currency=source["currency"],
        net=amount - fee,
        source=source["id"],
        type=kind,
        reporting_category=kind,
        status="pending",
        balance_type="payments",
        available_on=now + _AVAILABLE_AFTER_S,
        created=now,
    )


ROUTES = (
    Route(
        "GET",
        "/v1/balance_transactions",
        listing(KIND, "source", "type", "currency"),
        "BalanceTransactionListParams",
    ),
    Route(
        "GET",
        "/v1/balance_transactions/{}",
        retrieving(KIND),
        "BalanceTransactionRetrieveParams",
    ),
)
