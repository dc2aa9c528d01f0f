"""How does what machines used without a network come to the meters?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from solvent.contracts.licensing import UsageReported
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.errors import MeterNotFound
from solvent.kernel.metering.model import Aggregation, UsageEvent
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import CustomerUnknown
from solvent.kit.ctx import Ctx
from solvent.systems.licensing.errors import UsageMalformed
from solvent.systems.licensing.rules.terms import KEY
from solvent.systems.licensing.service.activate import activation_of
from solvent.systems.licensing.service.licenses import by_key, locked
from solvent.systems.licensing.store import usage as store

USED_MAX = 2**53
COUNTS_MAX = 200
"""How many counts of a period and a meter one machine may tell of in all."""

_PERIOD = re.compile(r"[0-9]{1,12}|never")

Used = Mapping[str, Mapping[str, int]]
"""Period -> meter -> all that was used of it in the period."""


async def report_usage(ctx: Ctx, license_key: str, activation_id: str, used: Used) -> int:
    """Take what a machine has used in all, and return how many of its counts have grown.

    Totals are told, so that telling again, or in another order, adds nothing. Emits
    licensing.usage_reported.v1 for each that has grown.

    Raises:
        LicenseNotFound, ActivationNotFound.
        UsageMalformed: names what is wrong; nothing is kept then.
    """
    told = {(period, meter): n for period, of in used.items() for meter, n in of.items()}
    for (period, meter), quantity in told.items():
        if not _PERIOD.fullmatch(period) or not KEY.match(meter) or not 0 <= quantity <= USED_MAX:
            raise UsageMalformed(field=f"used.{period[:20]}.{meter[:64]}")
    held = await locked(ctx, (await by_key(ctx, license_key)).id)
    mine = await activation_of(ctx, held, activation_id)
    before = await store.told(ctx.tx, ctx.tenant_id, mine.id)
    if len(before.keys() | told.keys()) > COUNTS_MAX:
        raise UsageMalformed(f"expected at most {COUNTS_MAX} counts a machine", field="used")
    grown = {what: n for what, n in told.items() if n > before.get(what, 0)}
    await store.keep(ctx.tx, ctx.tenant_id, mine.id, grown, at=ctx.now())
    for (period, meter), total in grown.items():
        event = UsageReported(
            license_id=held.id,
            activation_id=mine.id,
            product=held.policy.product,
            customer_id=held.customer_id,
            meter_key=meter,
            quantity=total - before.get((period, meter), 0),
            total=total,
            period=period,
            told_at=ctx.now(),
        )
        await ctx.bus.emit(ctx, event)
    return len(grown)


async def on_usage(ctx: Ctx, event: UsageReported) -> None:
    """Record usage with the meter of its name, where there is one that sums, and a customer.

    It counts at the moment at which it was told: when it happened only the machine knows.
    """
    if event.customer_id is None:
        return
    try:
        customer = await tenants.get_customer(ctx, event.customer_id)
        meter = await metering.get_meter(ctx, event.meter_key)
    except (CustomerUnknown, MeterNotFound):
        return
    if meter.aggregation is not Aggregation.SUM:
        return
    used = UsageEvent(
        id=f"{event.activation_id}/{event.period}/{event.meter_key}/{event.total}",
        customer_ref=customer.external_ref,
        meter_key=event.meter_key,
        at=event.told_at,
        value=Decimal(event.quantity),
    )
    await metering.record_one(ctx, used)
