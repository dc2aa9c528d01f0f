"""Which customer does a name mean that a foreign client uses?"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.systems.doors.model import Door, Use
from solvent.systems.doors.store import names as store


async def customers_of(ctx: Ctx, door: Door, uses: Iterable[Use]) -> dict[str, str]:
    """Return the tenant's own name for each customer that the uses name, as far as it is known.

    First what was said of the name; then, where a name is the vendor's own (Lago's subscription,
    Stripe's customer), a customer who has it as external_ref or id, or whose subscription has it
    as id. OpenMeter's subject is the tenant's own name, whoever has it: usage is matched by name.
    """
    names = {use.customer for use in uses if not use.own}
    if not names:
        return {}
    found = await store.find_customers(ctx.tx, ctx.tenant_id, door, names)
    left = names - found.keys()
    if door is Door.OPENMETER:
        return {**{name: name for name in left}, **found}
    found |= {ref: ref for ref in await tenants.customers_by_refs(ctx, sorted(left))}
    return found | await _by_id(ctx, left - found.keys())


async def _by_id(ctx: Ctx, names: Collection[str]) -> dict[str, str]:
    """Return the customers whose id, or the id of whose subscription, a name is."""
    subscription_ids = [name for name in names if is_id(name, prefix="sub")]
    holders = {
        one.id: one.customer_id
        for one in (await subscriptions.get_many(ctx, subscription_ids) if subscription_ids else ())
    }
    holders |= {name: name for name in names if is_id(name, prefix="cus")}
    if not holders:
        return {}
    customers = await tenants.customers_by_ids(ctx, sorted(set(holders.values())))
    return {
        name: customers[customer_id].external_ref
        for name, customer_id in holders.items()
        if customer_id in customers
    }
