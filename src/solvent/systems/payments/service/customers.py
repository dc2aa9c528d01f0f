"""Which of the tenant's customers is the buyer that a provider tells of?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import CustomerUnknown, EmailInvalid, NameInvalid
from solvent.kernel.tenants.model import CUSTOMER_PREFIX, Customer, CustomerDetails
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.systems.payments.model import Buyer, Provider
from solvent.systems.payments.store import standing as standing_store


@dataclass(frozen=True, slots=True)
class Told:
    """A buyer of whom a provider has told."""

    provider: Provider
    buyer: Buyer

    @property
    def name(self) -> tuple[Provider, str] | None:
        """Return the provider's name of the customer."""
        known = self.buyer.provider_customer_id
        return (self.provider, known) if known else None

    @property
    def reference(self) -> str:
        """Return what the tenant calls the customer, where nobody else has said who it is."""
        anonymous = f"{self.provider}:{self.buyer.provider_customer_id or 'unknown'}"
        return self.buyer.customer_ref or anonymous


async def resolve(ctx: Ctx, provider: Provider, buyer: Buyer) -> Customer:
    """Return the tenant's customer who this buyer is; made where there is none."""
    return (await resolve_all(ctx, [Told(provider, buyer)]))[0]


async def resolve_all(ctx: Ctx, told: Sequence[Told]) -> list[Customer]:
    """Return the tenant's customers who these buyers are; made where there are none.

    Raises:
        CustomerUnknown: a buyer is told by an id of ours that is nobody's.
        ExternalRefInvalid: a buyer is told by a name that no customer can have.
    """
    named = [one for one in told if one.buyer.customer_ref]
    found = await _resolve(ctx, named)
    # After them, as they may just have told who the same customer of the provider is.
    found |= await _resolve(ctx, [one for one in told if not one.buyer.customer_ref])
    return [found[one] for one in told]


async def _resolve(ctx: Ctx, told: Sequence[Told]) -> dict[Told, Customer]:
    if not told:
        return {}
    mapped = await find_known(ctx, told)
    ids = {one: _id(one, mapped) for one in told}
    made = await _ensure(ctx, {one.reference: one.buyer for one in told[::-1] if not ids[one]})
    held = await _held(ctx, {id_ for id_ in ids.values() if id_})
    found = {one: held[id_] if (id_ := ids[one]) else made[one.reference] for one in told}
    new = {one.name: it.id for one, it in found.items() if one.name}
    new = {name: id_ for name, id_ in new.items() if mapped.get(name) != id_}
    if new:
        await standing_store.save_customers(ctx.tx, ctx.tenant_id, new)
    return found


async def _held(ctx: Ctx, ids: Collection[str]) -> dict[str, Customer]:
    held = await tenants.customers_by_ids(ctx, sorted(ids)) if ids else {}
    if len(held) < len(ids):
        raise CustomerUnknown(field="customer")
    return held


def _id(one: Told, mapped: Mapping[tuple[Provider, str], str]) -> str | None:
    """Return the customer's id where it is known: what a checkout has told goes first."""
    told = one.buyer.customer_ref
    if not told:
        return mapped.get(one.name) if one.name else None
    return told if is_id(told, prefix=CUSTOMER_PREFIX) else None


async def find_known(ctx: Ctx, told: Sequence[Told]) -> Mapping[tuple[Provider, str], str]:
    """Return the ids of the customers that providers' customers are known to be."""
    names = {one.name for one in told if one.name}
    if not names:
        return {}
    return await standing_store.find_customers(ctx.tx, ctx.tenant_id, names)


async def _ensure(ctx: Ctx, wanted: Mapping[str, Buyer]) -> dict[str, Customer]:
    """Return customers; a name or address that we would not take does not stop a payment."""
    if not wanted:
        return {}
    details = {
        reference: CustomerDetails(email=buyer.email, name=buyer.name)
        for reference, buyer in wanted.items()
    }
    try:
        return await tenants.ensure_customers(ctx, details)
    except (EmailInvalid, NameInvalid):
        if len(wanted) > 1:
            each = [await _ensure(ctx, {reference: buyer}) for reference, buyer in wanted.items()]
            return {reference: one for found in each for reference, one in found.items()}
        return await tenants.ensure_customers(ctx, dict.fromkeys(wanted, CustomerDetails()))
