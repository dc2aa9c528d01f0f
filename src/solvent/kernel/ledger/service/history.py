"""What does a report over the whole ledger need to read?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from solvent.kernel.ledger.errors import InvoiceNotFound
from solvent.kernel.ledger.model import Invoice, Payment, PaymentId, Purpose
from solvent.kernel.ledger.model.history import GivenBack, LastingDiscount
from solvent.kernel.ledger.service.journal import SCOPE_READ
from solvent.kernel.ledger.store import history as store
from solvent.kernel.ledger.store import invoices as invoice_store
from solvent.kernel.ledger.store import payments as payment_store
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX


async def list_lasting(ctx: Ctx, subscription_ids: Collection[str]) -> list[LastingDiscount]:
    """Return the coupons without an end that these subscriptions have or had."""
    ctx.require(SCOPE_READ)
    return await store.list_lasting(ctx.tx, ctx.tenant_id, subscription_ids)


async def list_given_back(
    ctx: Ctx,
    *,
    payment_ids: Collection[str] | None = None,
    after: str = "",
    limit: int = PAGE_SIZE_MAX,
) -> list[GivenBack]:
    """Return refunds of money that had been used, of these payments or all, by id after `after`.

    What each invoice had used is told as of the refund's moment, so that it never changes.
    """
    ctx.require(SCOPE_READ)
    return await store.list_given_back(
        ctx.tx, ctx.tenant_id, payment_ids=payment_ids, after=after, limit=limit
    )


async def list_invoice_ids(ctx: Ctx, *, after: str = "", limit: int = PAGE_SIZE_MAX) -> list[str]:
    """Return the ids of invoices that have a number, void ones too, in order, after `after`."""
    ctx.require(SCOPE_READ)
    return await store.list_invoice_ids(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def invoices_of(ctx: Ctx, invoice_ids: Sequence[str]) -> list[Invoice]:
    """Return these invoices, in their order.

    Raises:
        InvoiceNotFound: there is none of an id.
    """
    ctx.require(SCOPE_READ)
    found = await invoice_store.find_many(ctx.tx, ctx.tenant_id, invoice_ids)
    for id_ in invoice_ids:
        if id_ not in found:
            raise InvoiceNotFound(field="invoice_id", given=id_[:64])
    return [found[id_] for id_ in invoice_ids]


async def list_purchase_ids(ctx: Ctx, *, after: str = "", limit: int = PAGE_SIZE_MAX) -> list[str]:
    """Return the ids of payments for things sold once, in order, after `after`."""
    ctx.require(SCOPE_READ)
    return await store.list_purchase_ids(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def purchases_of(ctx: Ctx, payment_ids: Collection[str]) -> list[Payment]:
    """Return those of these payments that were for something sold once, outside of invoices."""
    ctx.require(SCOPE_READ)
    ids = [PaymentId(one) for one in payment_ids]
    found = await payment_store.find_all(ctx.tx, ctx.tenant_id, ids)
    return [one for one in found.values() if one.purpose is Purpose.PURCHASE]
