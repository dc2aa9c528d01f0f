"""On which page of a provider can a customer pay what they owe, once?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kernel.audit import service as audit
from solvent.kit.ctx import Ctx
from solvent.systems.payments.collection.errors import CollectionUnderWay, NothingDue
from solvent.systems.payments.collection.limits import LEASE_S
from solvent.systems.payments.collection.model import (
    Attempt,
    AttemptKind,
    CollectionState,
)
from solvent.systems.payments.collection.service import begin
from solvent.systems.payments.collection.service.payer import due_minor
from solvent.systems.payments.collection.store import attempts as store
from solvent.systems.payments.errors import GatewayRefused, GatewayUnavailable
from solvent.systems.payments.service.accounts import SCOPE_WRITE
from solvent.systems.payments.service.checkout import check_address


async def prepare_link(ctx: Ctx, reference: str, *, return_url: str) -> Attempt:
    """Write that a customer is to pay on a page; one that is open already is returned.

    Needs `payments:write`. What is due then is paid, and nothing else; while the page is open no
    charge is made, and before a charge is made the page is closed.

    Raises:
        CollectionNotFound, InvoiceNotFound, PayerUnknown: nobody is to pay anything.
        NothingDue: it is paid, or was taken back.
        CollectionUnderWay: a charge's outcome is not known yet.
        AddressInvalid: the address is not https.
    """
    ctx.require(SCOPE_WRITE)
    check_address(return_url, "return_url")
    held = await begin.locked(ctx, reference)
    if held.state is CollectionState.PAID or await due_minor(ctx, held) <= 0:
        raise NothingDue(field="collection")
    for one in await store.list_of(ctx.tx, ctx.tenant_id, held.id):
        if one.state.under_way and one.kind is AttemptKind.LINK:
            return one
        if one.state.under_way:
            raise CollectionUnderWay(field="collection")
    after = await begin.write_attempt(ctx, held, kind=AttemptKind.LINK, return_url=return_url)
    written = (await store.list_of(ctx.tx, ctx.tenant_id, after.id))[-1]
    await store.hold(ctx.tx, ctx.tenant_id, written.id, lease=timedelta(seconds=LEASE_S))
    data = {"attempt": written.number, "amount_minor": written.amount_minor}
    audit.record(ctx, action="payments.link_created", subject=held.id, data=data)
    return written


async def made_link(ctx: Ctx, attempt_id: str) -> Attempt:
    """Return an attempt whose page is made.

    Raises:
        GatewayRefused: the provider takes no such request. GatewayUnavailable: it is not made yet.
    """
    found = await store.find(ctx.tx, ctx.tenant_id, attempt_id)
    if found is None or not found.state.under_way:
        raise GatewayRefused(found.message if found else None)
    if found.url is None:
        raise GatewayUnavailable(found.message)
    return found
