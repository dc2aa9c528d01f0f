"""What is done about payments behind the requests?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solvent.contracts.payments import WebhooksReceived
from solvent.kernel.catalogue.events import CatalogueApplied
from solvent.kit.ctx import Ctx, Edge
from solvent.systems.payments.service import apply, events, waiting
from solvent.systems.payments.service.checkout import GatewaySource
from solvent.systems.payments.service.reconcile import Poller


async def on_webhooks(ctx: Ctx, received: Sequence[WebhooksReceived]) -> None:
    """Apply the events that have come in."""
    keys = [(event.provider, one) for event in received for one in event.provider_event_ids]
    await apply.apply(ctx, keys)


async def on_catalogue(ctx: Ctx, event: CatalogueApplied) -> None:
    """Try again what failed, perhaps for want of a plan that is there now."""
    del event
    await events.replay_failed(ctx)


async def adopt_waiting(edge: Edge) -> None:
    """Apply the subscriptions that no checkout has claimed in time."""
    await waiting.adopt_all(edge)


@dataclass(frozen=True, slots=True)
class Polling:
    """Looks at the providers every so often, for what webhooks have not told."""

    gateways: GatewaySource

    async def run(self, edge: Edge) -> None:
        """Look at every connected provider once."""
        await Poller(edge, self.gateways).look_at_all()
