"""Where does the program meet subscriptions?"""

from __future__ import annotations

from solvent.kernel.subscriptions import service, tasks
from solvent.kernel.subscriptions.cli import subscription
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the routes and commands; run what time makes due."""
    wiring.routes("solvent.kernel.subscriptions.api:router")
    wiring.command(subscription, name="subscription")
    wiring.job(service.JOB_PERIOD_ENDED, tasks.run_period_ended)
