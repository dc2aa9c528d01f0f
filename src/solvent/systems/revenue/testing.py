"""How does a test get a business with plans, subscribers, and time that passes?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.subscriptions.service import history
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Customer, CustomerDetails
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.ids import TenantId
from solvent.systems.revenue import service

T = TypeVar("T")

CATALOGUE = b"""
[products.desk]
name = "Desk"

[products.extra]
name = "Extra"

[plans.small]
name = "Small"
product = "desk"
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = "15.00" }

[plans.large]
name = "Large"
product = "desk"
currency = "USD"
interval = "month"
trial_days = 14
prices.base = { model = "flat", amount = "40.00" }

[plans.phone]
name = "Phone"
product = "desk"
addon = true
currency = "USD"
interval = "month"
prices.base = { model = "flat", amount = "5.00" }

[plans.yearly]
name = "Yearly"
product = "desk"
currency = "USD"
interval = "year"
prices.base = { model = "flat", amount = "120.00", in_advance = true }

[plans.quarterly]
name = "Quarterly"
product = "desk"
currency = "USD"
interval = "month"
interval_count = 3
prices.base = { model = "flat", amount = "30.00" }

[plans.euro]
name = "Euro"
product = "extra"
currency = "EUR"
interval = "month"
prices.base = { model = "flat", amount = "10.00" }

[plans.team]
name = "Team"
product = "extra"
currency = "USD"
interval = "month"
seats = { minimum = 1 }
prices.seat = { model = "flat", amount = "9.00", per_seat = true }
"""


def at(text: str) -> datetime:
    """Return the moment that an ISO text without a zone names in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Founder:
    """A tenant in test mode that sells desks; each call is a transaction of its own."""

    edge: Edge
    tenant_id: TenantId

    def open(self) -> AbstractAsyncContextManager[Ctx]:
        """Open a context of the tenant with all rights."""
        return self.edge.open(self.tenant_id, OPERATOR)

    async def do(self, act: Callable[[Ctx], Awaitable[T]]) -> T:
        """Run a use case in a transaction of its own."""
        async with self.open() as ctx:
            return await act(ctx)

    async def stock(self, text: bytes = CATALOGUE) -> None:
        """Apply a catalogue."""
        await self.do(lambda ctx: catalogue.apply(ctx, parse(text, file="catalogue.toml")))

    async def customer(self, ref: str) -> Customer:
        """Make a customer, or bring one up to date."""
        return await self.do(lambda ctx: tenants.upsert_customer(ctx, ref, CustomerDetails()))

    async def subscribe(self, ref: str, plan: str, *, trial_days: int = 0) -> Subscription:
        """Make a customer who has a plan from now on."""
        await self.customer(ref)
        return await self.do(
            lambda ctx: subscriptions.create(ctx, ref, plan, trial_days=trial_days)
        )

    async def move(self, text: str, *held: Subscription) -> None:
        """Move the tenant's time forward, and let it act on these subscriptions."""
        await self.do(lambda ctx: tenants.move_test_clock(ctx, at(text)))
        for one in held:
            await self.do(lambda ctx, one=one: subscriptions.renew(ctx, one.id))

    async def invoice(self, held: Subscription, period: Period) -> Invoice:
        """Draw and finalize the invoice of a period that is over."""
        async with self.open() as ctx:
            drawn = await ledger.draw_invoice(ctx, held.id, period)
            return await ledger.finalize_invoice(ctx, drawn.id)

    async def follow(self, customer_ids: Collection[str] | None = None) -> int:
        """Bring movements up to history, as the handlers do; of all customers without ids."""
        async with self.open() as ctx:
            ids = customer_ids or await history.list_subscribers(ctx)
            return await service.follow(ctx, ids)
