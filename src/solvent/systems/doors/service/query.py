"""How much was used in each window of a time, as a foreign client asks it?"""

from __future__ import annotations

from collections.abc import Sequence

from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Condition, Period, Selection, TallyRequest
from solvent.kit.ctx import Ctx
from solvent.systems.doors.errors import CustomerUnknown, QueryTooLarge
from solvent.systems.doors.limits import WINDOWS_MAX
from solvent.systems.doors.model import Door, Use, Window
from solvent.systems.doors.service.resolve import customers_of


async def customer_of(ctx: Ctx, door: Door, name: str) -> str:
    """Return the tenant's own name of the customer whom a foreign name means.

    Raises:
        CustomerUnknown: nobody.
    """
    asked = Use(id=None, customer=name, event="", at=None, data={})
    found = await customers_of(ctx, door, [asked])
    if name not in found:
        raise CustomerUnknown(field="customer", given=name[:64])
    return found[name]


async def windows_of(
    ctx: Ctx,
    meter_key: str,
    customer_ref: str,
    periods: Sequence[Period],
    *,
    where: Sequence[Condition] = (),
    group_by: Sequence[str] = (),
) -> list[Window]:
    """Return what a customer used in each period, by group where asked; needs `metering:read`.

    Whole periods come from the roll-ups, groups and conditions from the raw events.

    Raises:
        MeterNotFound: there is no such meter. QueryTooLarge: too many periods, or groups.
    """
    if len(periods) > WINDOWS_MAX:
        raise QueryTooLarge(field="window", limit=WINDOWS_MAX)
    if not where and not group_by:
        asked = [
            TallyRequest(meter_key=meter_key, customer_ref=customer_ref, period=period)
            for period in periods
        ]
        told = await metering.tally(ctx, asked)
        return [
            Window(period.start, period.end, quantity)
            for period, quantity in zip(periods, told, strict=True)
        ]
    found: list[Window] = []
    selection = Selection(meter_key, where=tuple(where), group_by=tuple(group_by))
    for period in periods:
        measures = await metering.measure_groups(
            ctx, selection, customer_ref=customer_ref, period=period
        )
        found += [Window(period.start, period.end, m.quantity, dict(m.group)) for m in measures]
        if len(found) > WINDOWS_MAX:
            raise QueryTooLarge(field="groupBy", limit=WINDOWS_MAX)
    return found
