"""At which provider can a customer be charged, and how much is due?"""

from __future__ import annotations

from dataclasses import dataclass

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import InvoiceStatus
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import Ctx
from solvent.systems.payments.collection.model import Collection, Purpose
from solvent.systems.payments.model import Provider
from solvent.systems.payments.service.accounts import list_accounts
from solvent.systems.payments.store import standing as standing_store


@dataclass(frozen=True, slots=True)
class Payer:
    """A customer as a provider knows them; Paddle charges a subscription of theirs."""

    provider: Provider
    provider_customer_id: str
    subscription_ref: str | None = None


async def first_able(ctx: Ctx) -> Provider | None:
    """Return the first connected provider that can be asked, where anybody may pay by a link."""
    able = {one.provider for one in await list_accounts(ctx) if one.has_api_key}
    return next((one for one in Provider if one in able), None)


async def find_payer(ctx: Ctx, customer_id: str, subscription_id: str | None) -> Payer | None:
    """Return where a customer can be charged; None where nobody who has a key knows them.

    Who runs the subscription goes first, then Stripe, then Paddle.
    """
    able = {one.provider for one in await list_accounts(ctx) if one.has_api_key}
    if not able:
        return None
    held = await _held(ctx, customer_id, subscription_id)
    first = [one.provider for one in held[:1] if one.id == subscription_id]
    for provider in sorted(Provider, key=lambda one: one.value not in first):
        if provider in able and (payer := await _payer(ctx, provider, customer_id, held)):
            return payer
    return None


async def _held(ctx: Ctx, customer_id: str, subscription_id: str | None) -> list[Subscription]:
    """Return the customer's subscriptions, the one that is asked about first."""
    held = await subscriptions.list_current(ctx, customer_id)
    if subscription_id is None:
        return held
    asked = await subscriptions.get(ctx, subscription_id)
    return [asked, *(one for one in held if one.id != subscription_id)]


async def _payer(
    ctx: Ctx, provider: Provider, customer_id: str, held: list[Subscription]
) -> Payer | None:
    known = await standing_store.find_provider_customer(
        ctx.tx, ctx.tenant_id, provider, customer_id
    )
    if known is None:
        return None
    if provider is Provider.STRIPE:
        return Payer(provider, known)
    theirs = (
        one.provider_subscription_id
        for one in held
        if one.provider == provider and not one.terminal
    )
    return Payer(provider, known, next(theirs, None))


async def due_minor(ctx: Ctx, held: Collection) -> int:
    """Return what is to be paid now: what is due on the invoice, or what was agreed."""
    if held.purpose is not Purpose.INVOICE:
        return held.amount_minor or 0
    invoice = await ledger.get_invoice(ctx, held.subject_id)
    return invoice.due_minor if invoice.status is InvoiceStatus.FINAL else 0
