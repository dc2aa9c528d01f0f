"""Where does the program meet licensing?"""

from __future__ import annotations

from solvent.contracts.licensing import UsageReported
from solvent.contracts.payments import DisputeSeen, PurchaseCompleted
from solvent.kernel.ledger.events import RefundRecorded
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kit.wiring import Wiring
from solvent.systems.licensing import cli, tasks


def wire(wiring: Wiring) -> None:
    """Mount the routes, the page, the commands and the handlers."""
    for name in ("seller", "customer", "page"):
        wiring.routes(f"solvent.systems.licensing.api.{name}:router")
    wiring.command(cli.app, name="license")
    wiring.handle_batch(
        SubscriptionChanged, tasks.on_subscriptions, name="licensing.on_subscription"
    )
    wiring.handle(PurchaseCompleted, tasks.on_purchase, name="licensing.on_purchase")
    wiring.handle(RefundRecorded, tasks.on_refund, name="licensing.on_refund")
    wiring.handle(UsageReported, tasks.on_usage, name="licensing.on_usage")
    wiring.handle(DisputeSeen, tasks.on_dispute, name="licensing.on_dispute")
