"""Who and what is meant by the names that foreign clients use, and who may say so?"""

from __future__ import annotations

from collections.abc import Mapping

from solvent.kernel.audit import service as audit
from solvent.kernel.metering import service as metering
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.doors.errors import EventMalformed, NameMalformed, NameNotFound, NamesTooMany
from solvent.systems.doors.limits import DIMENSIONS_MAX, NAMES_MAX
from solvent.systems.doors.model import CustomerName, Door, MeterName
from solvent.systems.doors.rules.fields import check_name
from solvent.systems.doors.rules.usage import steps_of
from solvent.systems.doors.store import names as store


async def name_customer(ctx: Ctx, door: Door, name: str, customer_ref: str) -> CustomerName:
    """Say which customer a foreign name means; needs `metering:write`.

    From now on: usage that was stored under another name stays there. The customer need not exist.

    Raises:
        NameMalformed, NamesTooMany.
    """
    return (await name_customers(ctx, door, {name: customer_ref}))[0]


async def name_customers(ctx: Ctx, door: Door, names: Mapping[str, str]) -> list[CustomerName]:
    """As `name_customer`, for many names at once, all or none."""
    ctx.require(metering.SCOPE_WRITE)
    made = [
        CustomerName(
            door=door,
            name=_checked(name, field="name"),
            customer_ref=_checked(customer_ref, field="customer"),
            created_at=ctx.now(),
        )
        for name, customer_ref in names.items()
    ]
    await store.save_customers(ctx.tx, ctx.tenant_id, made)
    await _check_room(ctx)
    audit.record(ctx, action="doors.customers_named", subject=door.value, data={"count": len(made)})
    return made


async def list_customers(
    ctx: Ctx, door: Door, *, after: str = "", limit: int = PAGE_SIZE
) -> list[CustomerName]:
    """Return the foreign names of customers at a door by name; needs `metering:read`."""
    ctx.require(metering.SCOPE_READ)
    return await store.list_customers(ctx.tx, ctx.tenant_id, door=door, after=after, limit=limit)


async def unname_customer(ctx: Ctx, door: Door, name: str) -> None:
    """Forget what a foreign name means; needs `metering:write`. Raises NameNotFound."""
    ctx.require(metering.SCOPE_WRITE)
    if not await store.remove_customer(ctx.tx, ctx.tenant_id, door, name):
        raise NameNotFound(field="name")
    audit.record(ctx, action="doors.name_removed", subject=door.value)


async def name_meter(
    ctx: Ctx,
    door: Door,
    event: str,
    meter_key: str,
    *,
    value_path: str | None = None,
    dimensions: Mapping[str, str] | None = None,
) -> MeterName:
    """Say which meter a foreign event is for; needs `metering:write`.

    An event of OpenMeter may be for several meters, any other for one: what it was for is replaced.

    Raises:
        NameMalformed, NamesTooMany: naming the field. MeterNotFound: there is no such meter.
    """
    ctx.require(metering.SCOPE_WRITE)
    await metering.get_meter(ctx, meter_key)
    name = MeterName(
        door=door,
        event=_checked(event, field="event"),
        meter_key=meter_key,
        value_path=_checked_path(value_path),
        dimensions=_checked_dimensions(dimensions),
        created_at=ctx.now(),
    )
    if door is not Door.OPENMETER:
        await store.remove_meters(ctx.tx, ctx.tenant_id, door, name.event, keep=meter_key)
    await store.save_meter(ctx.tx, ctx.tenant_id, name)
    await _check_room(ctx)
    audit.record(ctx, action="doors.meter_named", subject=meter_key, data={"door": door.value})
    return name


async def list_meters(ctx: Ctx, door: Door | None = None) -> list[MeterName]:
    """Return which foreign events are for which meters; needs `metering:read`."""
    ctx.require(metering.SCOPE_READ)
    return await store.list_meters(ctx.tx, ctx.tenant_id, door=door)


async def unname_meter(ctx: Ctx, door: Door, event: str) -> None:
    """Forget which meters a foreign event is for; needs `metering:write`. Raises NameNotFound."""
    ctx.require(metering.SCOPE_WRITE)
    if not await store.remove_meters(ctx.tx, ctx.tenant_id, door, event):
        raise NameNotFound(field="event")
    audit.record(ctx, action="doors.name_removed", subject=door.value)


async def _check_room(ctx: Ctx) -> None:
    if await store.count_names(ctx.tx, ctx.tenant_id) > NAMES_MAX:
        raise NamesTooMany(limit=NAMES_MAX)


def _checked(name: str, *, field: str) -> str:
    try:
        return check_name(name, field=field)
    except EventMalformed as wrong:
        raise NameMalformed(wrong.message, field=field) from None


def _checked_path(path: str | None) -> str | None:
    if path:
        steps_of(path, field="value_path")
    return path


def _checked_dimensions(dimensions: Mapping[str, str] | None) -> Mapping[str, str] | None:
    if dimensions is None:
        return None
    if len(dimensions) > DIMENSIONS_MAX:
        message = f"expected at most {DIMENSIONS_MAX} dimensions"
        raise NameMalformed(message, field="dimensions")
    for key, path in dimensions.items():
        _checked(key, field="dimensions")
        steps_of(path, field=f"dimensions.{key}")
    return dict(dimensions)
