"""Where does the program meet entitlements?"""

from __future__ import annotations

from solvent.kernel.entitlements import service, tasks
from solvent.kernel.entitlements.cli import entitlement
from solvent.kernel.metering.events import UsageAmended, UsageRecorded
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kit.wiring import Wiring

LINGER_MS = 100
"""Guards hear of usage ten times a second at most: a tenth of the bound of a second."""


def wire(wiring: Wiring) -> None:
    """Follow subscriptions at once, usage soon after, and time when it comes."""
    wiring.react(SubscriptionChanged, tasks.on_subscription_changed)
    wiring.handle_batch(
        UsageRecorded,
        tasks.on_usage_recorded,
        name="entitlements.on_usage_recorded",
        linger_ms=LINGER_MS,
    )
    wiring.handle_batch(UsageAmended, tasks.on_usage_amended, name="entitlements.on_usage_amended")
    wiring.job_batch(service.JOB_REFRESH, tasks.run_refreshes)
    wiring.command(entitlement, name="entitlement")
