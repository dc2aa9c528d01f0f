"""Which modules is the program made of, in which order?"""

from __future__ import annotations

from solvent.app.settings import Settings
from solvent.kernel.audit.wire import wire as audit
from solvent.kernel.catalogue.wire import wire as catalogue
from solvent.kernel.entitlements.wire import wire as entitlements
from solvent.kernel.ledger.wire import wire as ledger
from solvent.kernel.metering.wire import wire as metering
from solvent.kernel.signing.wire import wire as signing
from solvent.kernel.subscriptions.wire import wire as subscriptions
from solvent.kernel.tenants.wire import wire as tenants
from solvent.kit.wiring import Wiring
from solvent.systems.billing.wire import wire as billing
from solvent.systems.doors.wire import wire as doors
from solvent.systems.licensing.wire import wire as licensing
from solvent.systems.payments.wire import wire as payments
from solvent.systems.paywall.wire import wire as paywall
from solvent.systems.queue.wire import wire as queue
from solvent.systems.revenue.wire import wire as revenue
from solvent.systems.webhooks.wire import wire as webhooks

KERNEL = (audit, signing, tenants, metering, catalogue, subscriptions, ledger, entitlements)
SYSTEMS = (payments, paywall, billing, licensing, queue, webhooks, revenue, doors)


def wire_all(settings: Settings) -> Wiring:
    """Return the registry of the whole program: the kernel in its line, then the systems."""
    wiring = Wiring(settings={type(section): section for section in settings.sections()})
    for wire in (*KERNEL, *SYSTEMS):
        wire(wiring)
    return wiring
