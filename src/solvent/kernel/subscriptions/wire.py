"""Where does the program meet subscriptions?"""

from __future__ import annotations

from solvent.kernel.subscriptions import service, tasks
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Run what time makes due."""
    wiring.job(service.JOB_PERIOD_ENDED, tasks.run_period_ended)
