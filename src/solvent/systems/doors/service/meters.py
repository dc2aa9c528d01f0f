"""How is a meter made that a foreign client describes?"""

from __future__ import annotations

from collections.abc import Mapping

from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Meter, MeterSpec
from solvent.kit.ctx import Ctx
from solvent.systems.doors.model import Door, MeterName
from solvent.systems.doors.service.names import list_meters, name_meter
from solvent.systems.doors.store import names as store


async def make_meter(
    ctx: Ctx,
    door: Door,
    spec: MeterSpec,
    *,
    event: str,
    value_path: str | None,
    dimensions: Mapping[str, str] | None = None,
) -> Meter:
    """Define a meter, and say that these foreign events are for it; needs `metering:write`.

    The same description again changes nothing.

    Raises:
        As `metering.define_meter` and `name_meter`.
    """
    meter = await metering.define_meter(ctx, spec)
    await name_meter(ctx, door, event, meter.key, value_path=value_path, dimensions=dimensions)
    return meter


async def meters_of(ctx: Ctx, door: Door, event: str) -> list[str]:
    """Return the keys of the meters that an event is for."""
    found = await store.find_meters(ctx.tx, ctx.tenant_id, door, [event])
    return [one.meter_key for one in found.get(event, ())] or [event]


async def meter_at(ctx: Ctx, door: Door, key: str) -> tuple[Meter, MeterName | None]:
    """Return a meter and what its events are called at a door, where that was said.

    Raises:
        MeterNotFound: there is no such meter.
    """
    meter = await metering.get_meter(ctx, key)
    names = [one for one in await list_meters(ctx, door) if one.meter_key == key]
    return meter, names[0] if names else None
