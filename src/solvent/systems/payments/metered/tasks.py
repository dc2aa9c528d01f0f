"""What is done about usage that Stripe bills, behind the requests?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from solvent.kernel.metering.events import UsageAmended, UsageRecorded
from solvent.kit.ctx import Ctx, Edge
from solvent.systems.payments.metered import service
from solvent.systems.payments.metered.reporter import Meters, Reporter
from solvent.systems.payments.settings import PaymentsSection


async def on_usage(ctx: Ctx, events: Sequence[UsageRecorded]) -> None:
    """Note whose usage is to be looked at."""
    for event in events:
        await service.note(ctx, event.meter_keys, event.customer_refs)


async def on_amended(ctx: Ctx, events: Sequence[UsageAmended]) -> None:
    """Note whose usage was put right."""
    for event in events:
        await service.note(ctx, [event.meter_key], [event.customer_ref])


async def check_told(ctx: Ctx) -> list[tuple[str, str]]:
    """Stripe has taken all usage that it was told of."""
    return await service.list_open_questions(ctx)


@dataclass(frozen=True, slots=True)
class Reporting:
    """Tells Stripe of usage every now and then."""

    settings: PaymentsSection

    async def run(self, edge: Edge) -> None:
        """Draft and send what is due."""
        await Reporter(edge, self.meters).run()

    def meters(self, api_key: str) -> Meters:
        """Return the meters of an account."""
        from solvent.systems.payments.metered.stripe_meters import (  # noqa: PLC0415 - 30 MB
            StripeMeters,
        )

        return StripeMeters(api_key, self.settings.stripe_api)
