"""How is the payments system mounted?"""

from __future__ import annotations

from datetime import timedelta

from solvent.contracts.payments import WebhooksReceived
from solvent.kernel.catalogue.events import CatalogueApplied
from solvent.kit.wiring import Wiring
from solvent.systems.payments import cli, tasks
from solvent.systems.payments.collection import wire as collection
from solvent.systems.payments.gateways.source import Gateways
from solvent.systems.payments.limits import ERRANDS_KEPT_DAYS
from solvent.systems.payments.metered import wire as metered
from solvent.systems.payments.service.checkout import Cashier
from solvent.systems.payments.settings import PaymentsSection
from solvent.systems.payments.stripe_emulator import cli as dev

ADOPT_EVERY = timedelta(seconds=10)
LINGER_MS = 80
"""Under load events are applied twelve times a second at most: most subscriptions tell of
themselves several times within that, and are folded once."""


def wire(wiring: Wiring) -> None:
    """Mount routes, handlers and commands."""
    section = wiring.settings.get(PaymentsSection)
    settings = section if isinstance(section, PaymentsSection) else PaymentsSection()
    gateways = Gateways(settings)
    wiring.routes("solvent.systems.payments.api:webhooks", often=True)
    wiring.routes("solvent.systems.payments.api:router", Cashier(gateways))
    wiring.handle_batch(
        WebhooksReceived, tasks.on_webhooks, name="payments.on_webhooks", linger_ms=LINGER_MS
    )
    wiring.handle(CatalogueApplied, tasks.on_catalogue, name="payments.on_catalogue")
    wiring.periodic("payments.adopt_waiting", every=ADOPT_EVERY, run=tasks.adopt_waiting)
    if settings.reconcile_minutes:
        every = timedelta(minutes=settings.reconcile_minutes)
        wiring.periodic("payments.reconcile", every=every, run=tasks.Polling(gateways).run)
    wiring.forget("payments_errand", after_days=ERRANDS_KEPT_DAYS)
    wiring.command(cli.app, name="payments")
    collection.wire(wiring, gateways)
    metered.wire(wiring, settings)
    wiring.command(dev.app, name="dev")
