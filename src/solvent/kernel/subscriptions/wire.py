"""Where does the program meet subscriptions?"""

from __future__ import annotations

from solvent.kernel.subscriptions import service, tasks
from solvent.kernel.subscriptions.cli import COMMANDS
from solvent.kernel.tenants.events import CustomerUpdated
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the routes and commands; run what time makes due; let the doctor look."""
    wiring.routes("solvent.kernel.subscriptions.api:ROUTERS")
    for name, app in COMMANDS.items():
        wiring.command(app, name=name)
    wiring.handle(
        CustomerUpdated, tasks.on_customer_updated, name="subscriptions.on_customer_updated"
    )
    wiring.job_batch(service.JOB_PERIOD_ENDED, tasks.run_periods_ended)
    wiring.job_batch(service.JOB_ADDON_TURNED, tasks.run_addons_turned)
    wiring.check("charged time", tasks.check_charged)
