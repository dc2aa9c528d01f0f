"""What can be seen of what is being collected?"""

from __future__ import annotations

from dataclasses import dataclass

from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.payments.collection.errors import CollectionNotFound
from solvent.systems.payments.collection.model import (
    Attempt,
    Collection,
    CollectionState,
    Purpose,
)
from solvent.systems.payments.collection.service.begin import find_invoice
from solvent.systems.payments.collection.store import attempts as attempt_store
from solvent.systems.payments.collection.store import collections as store
from solvent.systems.payments.service.accounts import SCOPE_READ


@dataclass(frozen=True, slots=True)
class Story:
    """A collection with its attempts, the first one first."""

    collection: Collection
    attempts: tuple[Attempt, ...]

    @property
    def under_way(self) -> Attempt | None:
        """Return the attempt whose outcome is open."""
        return next((one for one in self.attempts if one.state.under_way), None)


async def get_story(ctx: Ctx, reference: str) -> Story:
    """Return a collection by its id, or by its invoice's id or number; needs `payments:read`.

    Raises:
        CollectionNotFound, InvoiceNotFound: there is no such thing.
    """
    ctx.require(SCOPE_READ)
    if is_id(reference, prefix="col"):
        found = await store.find(ctx.tx, ctx.tenant_id, reference)
    else:
        invoice = await find_invoice(ctx, reference)
        found = await store.find_of(ctx.tx, ctx.tenant_id, Purpose.INVOICE, invoice.id)
    if found is None:
        raise CollectionNotFound(field="collection", given=reference[:64])
    return Story(found, tuple(await attempt_store.list_of(ctx.tx, ctx.tenant_id, found.id)))


async def list_collections(
    ctx: Ctx,
    *,
    state: CollectionState | None = None,
    customer: str | None = None,
    after: str | None = None,
    limit: int = PAGE_SIZE,
) -> list[Collection]:
    """Return collections, the newest first; needs `payments:read`. Raises CustomerUnknown."""
    ctx.require(SCOPE_READ)
    known = await tenants.get_customer(ctx, customer) if customer else None
    return await store.list_page(
        ctx.tx,
        ctx.tenant_id,
        state=state,
        customer_id=known.id if known else None,
        after=after,
        limit=limit,
    )
