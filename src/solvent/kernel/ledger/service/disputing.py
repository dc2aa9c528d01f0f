"""Where is the money that a bank has taken back, until it is decided who keeps it?"""

from __future__ import annotations

from solvent.kernel.ledger import rules
from solvent.kernel.ledger.model import Posting, Source, SourceKind
from solvent.kernel.ledger.service import journal
from solvent.kernel.ledger.service.journal import SCOPE_WRITE
from solvent.kernel.ledger.service.payments import find_payment, get_payment
from solvent.kernel.ledger.store import journal as journal_store
from solvent.kit.ctx import Ctx
from solvent.kit.money import Money


async def hold_disputed(
    ctx: Ctx, provider: str, provider_dispute_id: str, *, provider_payment_id: str, amount: Money
) -> None:
    """Book money of a payment as disputed, once a dispute: as far as it had not gone back before.

    Raises:
        PaymentNotFound: the payment is not known.
    """
    ctx.require(SCOPE_WRITE)
    source = _source(provider, provider_dispute_id)
    payment = await find_payment(ctx, provider, provider_payment_id)
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, payment.customer_id)
    payment = await get_payment(ctx, payment.id)
    held_minor = min(amount.amount_minor, payment.amount_minor - payment.refunded_minor)
    if held_minor > 0 and await journal.find_by_source(ctx, source) is None:
        entries = rules.dispute_entries(payment.currency, held_minor)
        await journal.post(ctx, Posting(source, f"dispute of {payment.id}", entries))


async def release_disputed(ctx: Ctx, provider: str, provider_dispute_id: str) -> None:
    """Take back what was held for a dispute that is decided, once; what is lost is a refund."""
    ctx.require(SCOPE_WRITE)
    held = await journal.find_by_source(ctx, _source(provider, provider_dispute_id))
    if held is not None:
        await journal.reverse(ctx, held.id, reason="decided")


def _source(provider: str, provider_dispute_id: str) -> Source:
    return Source(SourceKind.DISPUTE, f"{provider}/{provider_dispute_id}")
