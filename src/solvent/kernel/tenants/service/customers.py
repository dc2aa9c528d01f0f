"""Who buys from the tenant, by its own name for them or by ours?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import store
from solvent.kernel.tenants.errors import CustomerExists, CustomerUnknown
from solvent.kernel.tenants.events import CustomerCreated, CustomerDeleted, CustomerUpdated
from solvent.kernel.tenants.model import CUSTOMER_PREFIX, Customer, CustomerDetails
from solvent.kernel.tenants.rules import names
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id

NAMED_MAX = 10_000
_FIELDS = ("email", "name", "country", "time_zone")
_NOTHING_TOLD = CustomerDetails()


async def create_customer(
    ctx: Ctx, external_ref: str, details: CustomerDetails = _NOTHING_TOLD
) -> Customer:
    """Add a customer; needs `customers:write`. Emits tenants.customer_created.v1.

    Raises:
        CustomerExists, ExternalRefInvalid, EmailInvalid, NameInvalid, CountryInvalid,
        TimeZoneInvalid.
    """
    ctx.require("customers:write")
    customer = await _insert(ctx, external_ref, names.check_details(details))
    if customer is None:
        raise CustomerExists(field="external_ref", external_ref=external_ref)
    return customer


async def ensure_customer(
    ctx: Ctx, external_ref: str, *, email: str | None = None, name: str | None = None
) -> Customer:
    """Return the customer of this external_ref, made now if there is none.

    For other modules, on behalf of whoever acts: it asks for no scope, and leaves what is known
    of a customer as it is. Emits tenants.customer_created.v1 if it made one.
    """
    wanted = {external_ref: CustomerDetails(email=email, name=name)}
    return (await ensure_customers(ctx, wanted))[external_ref]


async def ensure_customers(ctx: Ctx, wanted: Mapping[str, CustomerDetails]) -> dict[str, Customer]:
    """As `ensure_customer`, for many by their external_refs.

    Raises:
        ExternalRefInvalid, EmailInvalid, NameInvalid: for the first of those to be made that is
            wrong; nobody is made then.
    """
    refs = [names.check_external_ref(ref) for ref in wanted]
    held = await customers_by_refs(ctx, refs)
    missing = {ref: names.check_details(wanted[ref]) for ref in refs if ref not in held}
    if missing:
        held |= {one.external_ref: one for one in await _insert_all(ctx, missing)}
    if len(held) < len(refs):  # others made them meanwhile
        held |= await customers_by_refs(ctx, [ref for ref in refs if ref not in held])
    return held


async def upsert_customer(ctx: Ctx, external_ref: str, details: CustomerDetails) -> Customer:
    """Add the customer, or bring what is told about them up to date: safe to import twice.

    Needs `customers:write`. Emits tenants.customer_created.v1, or customer_updated.v1 if something
    changed. Raises as `create_customer`, save CustomerExists.
    """
    ctx.require("customers:write")
    checked = names.check_details(details)
    made = await _insert(ctx, names.check_external_ref(external_ref), checked)
    return made or await _apply(ctx, await _by_ref(ctx, external_ref), checked)


async def update_customer(ctx: Ctx, ref_or_id: str, details: CustomerDetails) -> Customer:
    """Change what is told about a customer; None leaves a field alone. Needs `customers:write`.

    Emits tenants.customer_updated.v1 if something changed. Raises CustomerUnknown, and as
    `create_customer` for each field.
    """
    ctx.require("customers:write")
    checked = names.check_details(details)
    return await _apply(ctx, await _get(ctx, ref_or_id), checked)


async def get_customer(ctx: Ctx, ref_or_id: str) -> Customer:
    """Return the customer of this id or external_ref; raises CustomerUnknown.

    Asks for no scope: other modules call it on behalf of whoever acts.
    """
    return await _get(ctx, ref_or_id)


async def customers_by_refs(ctx: Ctx, external_refs: Sequence[str]) -> dict[str, Customer]:
    """Return those of at most 10,000 named customers who exist, by external_ref."""
    found = await store.customer.by_refs(ctx.tx, ctx.tenant_id, external_refs[:NAMED_MAX])
    return {customer.external_ref: customer for customer in found}


async def customers_by_ids(ctx: Ctx, ids: Sequence[str]) -> dict[str, Customer]:
    """Return those of at most 10,000 customers of these ids who exist, by id."""
    found = await store.customer.by_ids(ctx.tx, ctx.tenant_id, ids[:NAMED_MAX])
    return {customer.id: customer for customer in found}


async def list_customers(
    ctx: Ctx, *, after: str | None = None, email: str | None = None, limit: int = 50
) -> list[Customer]:
    """Return customers in the order in which they came; needs `customers:read`."""
    ctx.require("customers:read")
    return await store.customer.page(ctx.tx, ctx.tenant_id, after=after, email=email, limit=limit)


async def delete_customer(ctx: Ctx, ref_or_id: str) -> None:
    """Remove a customer who has no history; needs `customers:write`.

    Emits tenants.customer_deleted.v1. Raises CustomerUnknown, CustomerInUse.
    """
    ctx.require("customers:write")
    customer = await _get(ctx, ref_or_id)
    if not await store.customer.delete(ctx.tx, ctx.tenant_id, customer.id):
        raise CustomerUnknown
    await ctx.bus.emit(ctx, CustomerDeleted(customer.id, customer.external_ref))
    audit.record(ctx, action="tenants.customer_deleted", subject=customer.id)


async def _insert(ctx: Ctx, external_ref: str, details: CustomerDetails) -> Customer | None:
    made = await _insert_all(ctx, {external_ref: details})
    return made[0] if made else None


async def _insert_all(ctx: Ctx, wanted: Mapping[str, CustomerDetails]) -> list[Customer]:
    """Make those of the customers whom nobody else has made; return them."""
    new = [_new(ctx, ref, details) for ref, details in wanted.items()]
    inserted = await store.customer.insert(ctx.tx, new)
    made = [customer for customer in new if customer.id in inserted]
    for customer in made:
        await ctx.bus.emit(ctx, CustomerCreated(customer.id, customer.external_ref))
        audit.record(ctx, action="tenants.customer_created", subject=customer.id)
    return made


def _new(ctx: Ctx, external_ref: str, details: CustomerDetails) -> Customer:
    now = ctx.now()
    return Customer(
        tenant_id=ctx.tenant_id,
        id=ctx.ids.new(CUSTOMER_PREFIX),
        external_ref=names.check_external_ref(external_ref),
        email=details.email,
        name=details.name,
        country=details.country,
        time_zone=details.time_zone or names.DEFAULT_TIME_ZONE,
        created_at=now,
        updated_at=now,
    )


async def _apply(ctx: Ctx, before: Customer, told: CustomerDetails) -> Customer:
    given = {field: getattr(told, field) for field in _FIELDS}
    changed = tuple(
        field for field, value in given.items() if value not in {None, getattr(before, field)}
    )
    if not changed:
        return before
    after = replace(before, updated_at=ctx.now(), **{field: given[field] for field in changed})
    await store.customer.save(ctx.tx, after)
    await ctx.bus.emit(ctx, CustomerUpdated(after.id, after.external_ref, changed))
    audit.record(
        ctx, action="tenants.customer_updated", subject=after.id, data={"fields": list(changed)}
    )
    return after


async def _get(ctx: Ctx, ref_or_id: str) -> Customer:
    if is_id(ref_or_id, prefix=CUSTOMER_PREFIX):
        found = await store.customer.by_id(ctx.tx, ctx.tenant_id, ref_or_id)
        if found is None:
            raise CustomerUnknown
        return found
    return await _by_ref(ctx, ref_or_id)


async def _by_ref(ctx: Ctx, external_ref: str) -> Customer:
    storable = external_ref.isprintable()
    found = await store.customer.by_ref(ctx.tx, ctx.tenant_id, external_ref) if storable else None
    if found is None:
        raise CustomerUnknown
    return found
