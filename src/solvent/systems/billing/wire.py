"""What does billing mount?"""

from __future__ import annotations

from solvent.kernel.subscriptions.events import PeriodEnded, SubscriptionChanged
from solvent.kit.wiring import Wiring
from solvent.systems.billing import tasks
from solvent.systems.billing.api import router
from solvent.systems.billing.cli import app


def wire(wiring: Wiring) -> None:
    """Mount routes and commands; open each period when it begins, close it when it ends."""
    wiring.routes(router)
    wiring.command(app, name="invoice")
    wiring.handle(PeriodEnded, tasks.on_period_ended, name="billing.on_period_ended")
    wiring.handle(
        SubscriptionChanged,
        tasks.on_subscription_changed,
        name="billing.on_subscription_changed",
    )
