"""How is the collecting of money mounted?"""

from __future__ import annotations

from solvent.contracts.payments import ChargeSeen, MethodChanged
from solvent.kernel.ledger.events import InvoiceFinalized, InvoicePaid, InvoiceVoided
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kit.wiring import Wiring
from solvent.systems.payments.collection import cli, tasks
from solvent.systems.payments.collection.limits import TOP_UP_EVERY
from solvent.systems.payments.collection.service import heard
from solvent.systems.payments.collection.service.begin import JOB_STEP
from solvent.systems.payments.service.checkout import GatewaySource


def wire(wiring: Wiring, gateways: GatewaySource) -> None:
    """Mount routes and commands; hear of invoices, cards and charges; collect beside the worker."""
    wiring.routes("solvent.systems.payments.collection.api:routers", gateways)
    for name, app in cli.COMMANDS.items():
        wiring.command(app, name=name)
    _hear(wiring)
    wiring.job(JOB_STEP, tasks.run_step)
    wiring.periodic("payments.top_ups", every=TOP_UP_EVERY, run=tasks.consider_top_ups)
    wiring.beside("payments", tasks.Collecting(gateways).run)
    wiring.check("charged once", tasks.check_charged_once)
    wiring.check("charges known", tasks.check_known)


def _hear(wiring: Wiring) -> None:
    for event, run, name in (
        (InvoiceFinalized, tasks.on_invoices_finalized, "finalized"),
        (InvoicePaid, tasks.on_invoices_paid, "paid"),
        (InvoiceVoided, tasks.on_invoices_voided, "voided"),
        (SubscriptionChanged, tasks.on_subscriptions_changed, "subscription"),
        (MethodChanged, tasks.on_methods_changed, "method"),
    ):
        wiring.handle_batch(
            event, run, name=f"payments.collection_{name}", wanted=heard.can_collect
        )
    wiring.react(ChargeSeen, tasks.on_charge_seen)
