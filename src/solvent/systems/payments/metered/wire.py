"""How is the telling of usage to Stripe mounted?"""

from __future__ import annotations

from solvent.kernel.metering.events import UsageAmended, UsageRecorded
from solvent.kit.wiring import Wiring
from solvent.systems.payments.metered import service, tasks
from solvent.systems.payments.metered.limits import REPORT_EVERY
from solvent.systems.payments.settings import PaymentsSection


def wire(wiring: Wiring, settings: PaymentsSection) -> None:
    """Mount routes; hear of usage, and tell Stripe of it every now and then."""
    wiring.routes("solvent.systems.payments.metered.api:router")
    wiring.handle_batch(
        UsageRecorded, tasks.on_usage, name="payments.metered_usage", wanted=service.has_metered
    )
    wiring.handle_batch(
        UsageAmended, tasks.on_amended, name="payments.metered_amended", wanted=service.has_metered
    )
    reporting = tasks.Reporting(settings)
    wiring.periodic("payments.report_usage", every=REPORT_EVERY, run=reporting.run)
    wiring.check("usage told", tasks.check_told)
