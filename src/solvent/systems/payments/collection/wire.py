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
    name, wanted = "payments.collection", heard.can_collect
    wiring.handle_batch(
        InvoiceFinalized, tasks.on_invoices_finalized, name=f"{name}_finalized", wanted=wanted
    )
    wiring.handle_batch(InvoicePaid, tasks.on_invoices_paid, name=f"{name}_paid", wanted=wanted)
    wiring.handle_batch(
        InvoiceVoided, tasks.on_invoices_voided, name=f"{name}_voided", wanted=wanted
    )
    wiring.handle_batch(
        SubscriptionChanged,
        tasks.on_subscriptions_changed,
        name=f"{name}_subscription",
        wanted=wanted,
    )
    wiring.handle_batch(
        MethodChanged, tasks.on_methods_changed, name=f"{name}_method", wanted=wanted
    )
    wiring.react(ChargeSeen, tasks.on_charge_seen)
