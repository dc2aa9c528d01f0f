"""What is done about collecting money behind the requests?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solvent.contracts.payments import ChargeSeen, MethodChanged
from solvent.kernel.ledger.events import InvoiceFinalized, InvoicePaid, InvoiceVoided
from solvent.kernel.subscriptions.events import SubscriptionChanged
from solvent.kit.ctx import Ctx, Edge
from solvent.kit.jobs import JobPayload
from solvent.kit.jobs.beside import Beside
from solvent.systems.payments.collection.service import heard, top_ups
from solvent.systems.payments.collection.service.collector import Collector
from solvent.systems.payments.service.checkout import GatewaySource


async def on_invoices_finalized(ctx: Ctx, events: Sequence[InvoiceFinalized]) -> None:
    """Begin to collect what is due."""
    for event in events:
        await heard.on_invoice_final(ctx, event)


async def on_invoices_paid(ctx: Ctx, events: Sequence[InvoicePaid]) -> None:
    """Collect nothing more for invoices that are paid, however they were."""
    for event in events:
        await heard.on_invoice_settled(ctx, event.invoice_id)


async def on_invoices_voided(ctx: Ctx, events: Sequence[InvoiceVoided]) -> None:
    """Collect nothing more for invoices that were taken back."""
    for event in events:
        await heard.on_invoice_settled(ctx, event.invoice_id)


async def on_subscriptions_changed(ctx: Ctx, events: Sequence[SubscriptionChanged]) -> None:
    """Stop trying once a subscription has ended."""
    for event in events:
        await heard.on_subscription(ctx, event.subscription_id, event.after)


async def on_methods_changed(ctx: Ctx, events: Sequence[MethodChanged]) -> None:
    """Try what has failed again with the card that is new."""
    for event in events:
        await heard.on_method(ctx, event.customer_id)


async def on_charge_seen(ctx: Ctx, events: Sequence[ChargeSeen]) -> None:
    """Settle attempts of which a provider has told, in the transaction of its event."""
    for event in events:
        await heard.on_charge(ctx, event)


async def run_step(ctx: Ctx, payload: JobPayload) -> None:
    """Take the next step of a collection, if it is due."""
    await heard.take_step(ctx, str(payload["collection_id"]))


async def consider_top_ups(edge: Edge) -> None:
    """Look whether anybody's credit is below their threshold."""
    await top_ups.consider_all(edge)


async def check_charged_once(ctx: Ctx) -> list[tuple[str, str]]:
    """No invoice was charged twice."""
    return await heard.list_charged_twice(ctx)


async def check_known(ctx: Ctx) -> list[tuple[str, str]]:
    """The outcome of every attempt is known within an hour."""
    return await heard.list_unknown(ctx)


@dataclass(frozen=True, slots=True)
class Collecting:
    """Runs the collector beside the worker; one a process."""

    gateways: GatewaySource

    async def run(self, around: Beside) -> None:
        """Collect until cancelled."""
        await Collector(around.edge, self.gateways).run()
