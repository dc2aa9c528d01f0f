"""How is the webhooks system mounted?"""

from __future__ import annotations

from solvent.kit.wiring import Wiring
from solvent.systems.webhooks import cli, service, tasks
from solvent.systems.webhooks.limits import INTAKE_LINGER_MS, KEPT_DAYS
from solvent.systems.webhooks.rules.address import Guard
from solvent.systems.webhooks.settings import WebhooksSection


def wire(wiring: Wiring) -> None:
    """Mount routes and commands; hear every event, and deliver beside the worker."""
    section = wiring.settings.get(WebhooksSection)
    settings = section if isinstance(section, WebhooksSection) else WebhooksSection()
    guard = Guard.of(settings.allowed_networks)
    delivering = tasks.Delivering(guard)
    wiring.routes("solvent.systems.webhooks.api:routers", guard)
    wiring.command(cli.app, name="webhook")
    wiring.handle_any(
        delivering.on_events,
        name="webhooks.on_events",
        linger_ms=INTAKE_LINGER_MS,
        wanted=service.has_endpoints,
    )
    wiring.forget("webhooks_message", after_days=KEPT_DAYS)
    wiring.beside("webhooks", delivering.run)
