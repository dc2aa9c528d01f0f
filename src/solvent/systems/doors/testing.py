"""What do the tests of doors need: a business whose usage comes through them?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Aggregation, MeterSpec, Period
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.ids import TenantId
from solvent.systems.doors import service
from solvent.systems.doors.model import DeadLetter, Door, LettersAsked, Replayed

T = TypeVar("T")
EVER = Period(datetime(1970, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@dataclass(slots=True)
class Business:
    """A tenant, and short ways to ask what became of its usage."""

    edge: Edge
    tenant_id: TenantId

    async def do(self, use_case: Callable[[Ctx], Awaitable[T]]) -> T:
        """Run a use case as the operator, in a transaction of its own."""
        async with self.edge.open(self.tenant_id, OPERATOR) as ctx:
            return await use_case(ctx)

    async def meter(
        self,
        key: str,
        aggregation: Aggregation = Aggregation.SUM,
        *,
        value_property: str | None = None,
        known_properties: tuple[str, ...] | None = None,
    ) -> None:
        """Define a meter that counts events of any age."""
        spec = MeterSpec(
            key=key,
            name=key,
            aggregation=aggregation,
            unit="",
            value_property=value_property,
            known_properties=known_properties,
            counts_from=EVER.start,
        )
        await self.do(lambda ctx: metering.define_meter(ctx, spec))

    async def customer(self, ref: str) -> str:
        """Make a customer; return the id."""
        return (await self.do(lambda ctx: tenants.ensure_customer(ctx, ref))).id

    async def used(self, meter: str, customer: str = "acme") -> Decimal:
        """Return what a customer ever used of a meter."""
        measured = await self.do(
            lambda ctx: metering.measure(ctx, meter, customer_ref=customer, period=EVER)
        )
        return measured.quantity

    async def letters(self, *, reason: str | None = None) -> list[DeadLetter]:
        """Return the dead letters that wait."""
        asked = LettersAsked(reason=reason)
        return await self.do(lambda ctx: service.list_letters(ctx, asked, limit=500))

    async def replay(self, *ids: str, dry_run: bool = False) -> Replayed:
        """Replay letters, all that wait where none is named."""
        asked = LettersAsked(ids=ids)
        told, _ = await self.do(lambda ctx: service.replay(ctx, asked, dry_run=dry_run))
        return told

    async def name(self, door: Door, name: str, customer: str) -> None:
        """Say whom a foreign name means."""
        await self.do(lambda ctx: service.name_customer(ctx, door, name, customer))

    async def key(self, *scopes: str) -> str:
        """Return an API key with these scopes, or with all."""
        return (
            await self.do(lambda ctx: tenants.issue_key(ctx, name="test", asked_scopes=scopes))
        ).text
