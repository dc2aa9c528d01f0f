"""How does a test get a shop: a catalogue, customers, usage, and a clock that moves?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice, Payment
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Period, UsageEvent
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Customer, CustomerDetails
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.ids import TenantId
from solvent.kit.money import Money
from solvent.systems.billing.taxes import service as taxes

T = TypeVar("T")

CATALOGUE = b"""
[meters.log_gb]
aggregation = "sum"
unit = "GB"

[products.logs]
name = "Logs"

[plans.pro]
name = "Pro"
product = "logs"
currency = "USD"
interval = "month"
grace_days = 3

[plans.pro.prices.base]
model = "flat"
description = "Base fee"
amount = "29.00"

[plans.pro.prices.logs]
model = "graduated"
description = "Logs, GB"
meter = "log_gb"
tiers = [{ up_to = 100, unit_price = "1.00" }, { unit_price = "0.50" }]

[plans.trial]
name = "Trial"
product = "logs"
currency = "USD"
interval = "month"
trial_days = 14
prices.base = { model = "flat", amount = "29.00" }
"""


def at(text: str) -> datetime:
    """Return the moment that an ISO text without a zone names in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shop:
    """A tenant in test mode that sells logs; each call is a transaction of its own."""

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

    async def customer(
        self, ref: str, *, name: str | None = None, time_zone: str = "UTC"
    ) -> Customer:
        """Make a customer, or bring one up to date."""
        details = CustomerDetails(name=name, time_zone=time_zone)
        return await self.do(lambda ctx: tenants.upsert_customer(ctx, ref, details))

    async def subscribe(self, ref: str = "globex", plan: str = "pro") -> Subscription:
        """Subscribe a customer to a plan from now on."""
        return await self.do(lambda ctx: subscriptions.create(ctx, ref, plan))

    async def use(self, quantity: str, when: datetime, *, id: str, ref: str = "globex") -> None:
        """Record one use of logs."""
        event = UsageEvent(
            id=id, customer_ref=ref, meter_key="log_gb", at=when, value=Decimal(quantity)
        )
        await self.do(lambda ctx: metering.record(ctx, [event]))

    async def move_clock(self, to: datetime) -> None:
        """Move the tenant's time forward."""
        await self.do(lambda ctx: tenants.move_test_clock(ctx, to))

    async def renew(self, subscription_id: str) -> list[Period]:
        """Let time act on a subscription, as its job does; return all its periods that are over."""
        await self.do(lambda ctx: subscriptions.renew(ctx, subscription_id))
        return await self.do(lambda ctx: subscriptions.list_periods(ctx, subscription_id))

    async def bill(self, subscription_id: str, period: Period) -> Invoice:
        """Draw and finalize the invoice of a period that is over."""
        async with self.open() as ctx:
            held = await subscriptions.get(ctx, subscription_id)
            tax = await taxes.tax_for(ctx, held.customer_id, at=period.start)
            drawn = await ledger.draw_invoice(ctx, subscription_id, period, tax=tax)
            head = await taxes.letterhead_for(ctx, held.customer_id)
            return await ledger.finalize_invoice(ctx, drawn.id, letterhead=head)

    async def pay(
        self,
        held: Subscription,
        amount_minor: int,
        *,
        id: str = "in_1",
        covers_from: datetime | None = None,
    ) -> Payment:
        """Record a payment of a subscription, earmarked for a period where its start is given."""
        return await self.do(
            lambda ctx: ledger.record_payment(
                ctx,
                provider="stripe",
                provider_payment_id=id,
                customer_id=held.customer_id,
                amount=Money(amount_minor, "USD"),
                received_at=ctx.now(),
                subscription_id=held.id,
                covers_from=covers_from,
            )
        )
