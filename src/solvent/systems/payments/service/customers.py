"""Which of the tenant's customers is the buyer that a provider tells of?"""

from __future__ import annotations

from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import EmailInvalid, NameInvalid
from solvent.kernel.tenants.model import CUSTOMER_PREFIX, Customer
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.systems.payments.model import (
    Buyer,
    Provider,
)
from solvent.systems.payments.store import standing as standing_store


async def resolve(ctx: Ctx, provider: Provider, buyer: Buyer) -> Customer:
    """Return the tenant's customer who this buyer is; made where there is none."""
    mapped = await find_known(ctx, provider, buyer)
    if mapped is not None and not buyer.customer_ref:
        return await tenants.get_customer(ctx, mapped)
    reference = buyer.customer_ref or f"{provider}:{buyer.provider_customer_id or 'unknown'}"
    customer = await _ensure(ctx, reference, buyer)
    if buyer.provider_customer_id and mapped != customer.id:
        await standing_store.save_customer(
            ctx.tx,
            ctx.tenant_id,
            provider=provider,
            provider_customer_id=buyer.provider_customer_id,
            customer_id=customer.id,
        )
    return customer


async def find_known(ctx: Ctx, provider: Provider, buyer: Buyer) -> str | None:
    """Return the id of the customer that this customer of the provider is known to be."""
    if not buyer.provider_customer_id:
        return None
    return await standing_store.find_customer(
        ctx.tx, ctx.tenant_id, provider, buyer.provider_customer_id
    )


async def _ensure(ctx: Ctx, reference: str, buyer: Buyer) -> Customer:
    """Return the customer; a name or address that we would not take does not stop a payment."""
    if is_id(reference, prefix=CUSTOMER_PREFIX):
        return await tenants.get_customer(ctx, reference)
    try:
        return await tenants.ensure_customer(ctx, reference, email=buyer.email, name=buyer.name)
    except (EmailInvalid, NameInvalid):
        return await tenants.ensure_customer(ctx, reference)
