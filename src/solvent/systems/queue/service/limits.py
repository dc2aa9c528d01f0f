"""What may a space use, if the queue is sold on this deployment?

The seller is a tenant; the others are its customers, named by their slugs. What they bought are
entitlements of the kernel: `queue_runs` (a quota on the meter of that name), `queue_concurrency`,
`queue_queues` and `queue_waiting`, whose limits are the numbers. Who bought nothing may run
nothing. A plan without `queue_waiting` lets as many jobs wait as there are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

from solvent.kernel.entitlements import service as entitlements
from solvent.kernel.entitlements.errors import RecordNotFound
from solvent.kernel.entitlements.model import Record
from solvent.kernel.tenants import service as tenants
from solvent.kit.clock import monotonic_ms
from solvent.kit.ctx import SYSTEM, Edge
from solvent.kit.ids import TenantId
from solvent.systems.queue.limits import LIMITS_KEPT_S
from solvent.systems.queue.model import (
    FEATURE_CONCURRENCY,
    FEATURE_QUEUES,
    FEATURE_RUNS,
    FEATURE_WAITING,
    HOUSE_SPACE,
    NO_LIMITS,
    Limits,
)

NOTHING = Limits(concurrency=0, queues=0, runs_left=Decimal(0))


@dataclass(slots=True)
class LimitsBook:
    """Knows the limits of spaces; what it read is used for `LIMITS_KEPT_S`."""

    sold_by: str
    now_ms: Callable[[], float] = monotonic_ms
    kept: dict[str, tuple[float, Limits]] = field(default_factory=dict[str, tuple[float, Limits]])

    async def of(self, edge: Edge, space: str) -> Limits:
        """Return what a space may use now.

        Raises:
            TenantUnknown: the seller that the settings name is none.
        """
        if not self.sold_by or space == HOUSE_SPACE:
            return NO_LIMITS
        read_ms, limits = self.kept.get(space, (float("-inf"), NO_LIMITS))
        if self.now_ms() - read_ms < LIMITS_KEPT_S * 1000:
            return limits
        limits = await read_limits(edge, self.sold_by, space)
        self.kept[space] = self.now_ms(), limits
        return limits


async def read_limits(edge: Edge, sold_by: str, space: str) -> Limits:
    """Return what a space has bought of the seller, past any cache."""
    seller = await tenants.tenant_of(edge, sold_by)
    if space == seller:
        return NO_LIMITS
    customer = await slug_of(edge, TenantId(space))
    async with edge.open(seller, SYSTEM) as ctx:
        try:
            return limits_of(await entitlements.get_record(ctx, customer))
        except RecordNotFound:
            return NOTHING


async def slug_of(edge: Edge, space: TenantId) -> str:
    """Return the name under which the seller knows a tenant."""
    async with edge.open(space, SYSTEM) as ctx:
        return (await tenants.current(ctx)).slug


def limits_of(record: Record) -> Limits:
    """Return the limits that a record grants."""
    runs = record.feature(FEATURE_RUNS)
    runs_left = Decimal(0)
    if runs is not None:
        runs_left = runs.remaining if runs.bounded else None
    return Limits(
        concurrency=_number(record, FEATURE_CONCURRENCY, missing=0),
        queues=_number(record, FEATURE_QUEUES, missing=0),
        runs_left=runs_left,
        waiting=_number(record, FEATURE_WAITING, missing=None),
    )


def _number(record: Record, feature: str, *, missing: int | None) -> int | None:
    grant = record.feature(feature)
    if grant is None:
        return missing
    return None if grant.limit is None else int(grant.limit)


ReadLimits = Callable[[Edge, str], Awaitable[Limits]]
"""Says what a space may use: `LimitsBook.of`."""
