"""How is a customer given credit, and what becomes of credit that nobody uses?"""

from __future__ import annotations

from datetime import datetime

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import rules
from solvent.kernel.ledger.errors import GrantMalformed, GrantNotFound
from solvent.kernel.ledger.events import CreditExpired, CreditGranted
from solvent.kernel.ledger.model import (
    Payment,
    PaymentId,
    Posting,
    Purpose,
    Source,
    SourceKind,
)
from solvent.kernel.ledger.service import journal, payments
from solvent.kernel.ledger.service.journal import SCOPE_READ, SCOPE_WRITE
from solvent.kernel.ledger.store import journal as journal_store
from solvent.kernel.ledger.store import payments as store
from solvent.kit.clock import as_utc
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import enqueue
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import Money

PROVIDER = "solvent"
"""Under whose name a grant stands among the payments."""

JOB_GRANT_EXPIRED = "ledger.grant_expired"
PRIORITY_MAX = 9
NAME_LENGTH_MAX = 100
SOURCE_LENGTH_MAX = 200


async def grant_credit(
    ctx: Ctx,
    *,
    customer_id: str,
    amount: Money,
    name: str,
    source: str,
    priority: int = 5,
    expires_at: datetime | None = None,
    subscription_id: str | None = None,
    covers_from: datetime | None = None,
) -> Payment:
    """Give a customer credit, once per `source`; open invoices use it at once, later ones first.

    With `subscription_id` and `covers_from` it waits for that subscription's invoice of the period
    that contains the moment, and is free for others after it.

    Of several grants the one of the lowest priority number is used first, then what expires
    soonest. What is left at `expires_at`, in the tenant's time, is taken back. Emits
    `credit_granted`.

    Raises:
        AmountNotPositive: nothing is given.
        GrantMalformed: names the field.
        PaymentChanged: the source is known with another amount, currency or customer.
    """
    ctx.require(SCOPE_WRITE)
    expires_at = None if expires_at is None else as_utc(expires_at, field="expires_at")
    _check(ctx, name=name, source=source, priority=priority, expires_at=expires_at)
    grant = Payment(
        id=PaymentId(ctx.ids.new("pay")),
        provider=PROVIDER,
        provider_payment_id=source,
        purpose=Purpose.GRANT,
        customer_id=customer_id,
        currency=amount.currency,
        amount_minor=amount.amount_minor,
        unapplied_minor=amount.amount_minor,
        refunded_minor=0,
        received_at=ctx.now(),
        subscription_id=subscription_id,
        covers_from=covers_from,
        description=name,
        priority=priority,
        expires_at=expires_at,
    )
    kept = await payments.receive(ctx, grant, tell=_tell_granted)
    if kept.id == grant.id and expires_at is not None:
        await enqueue(ctx, JOB_GRANT_EXPIRED, {"grant_id": grant.id}, run_at=expires_at)
    return kept


def _check(ctx: Ctx, *, name: str, source: str, priority: int, expires_at: datetime | None) -> None:
    for field, text, most in (
        ("name", name, NAME_LENGTH_MAX),
        ("source", source, SOURCE_LENGTH_MAX),
    ):
        if not 0 < len(text) <= most or not text.isprintable() or text.isspace():
            message = f"expected 1 to {most} printable characters"
            raise GrantMalformed(message, field=field)
    if not 0 <= priority <= PRIORITY_MAX:
        message = f"expected a priority from 0 (used first) to {PRIORITY_MAX}"
        raise GrantMalformed(message, field="priority")
    if expires_at is not None and expires_at <= ctx.now():
        raise GrantMalformed("expected a moment in the future", field="expires_at")


async def _tell_granted(ctx: Ctx, grant: Payment) -> None:
    audit.record(
        ctx,
        action="ledger.credit_granted",
        subject=grant.id,
        data={
            "customer_id": grant.customer_id,
            "name": grant.description,
            "amount_minor": grant.amount_minor,
            "currency": grant.currency,
        },
    )
    event = CreditGranted(
        grant_id=grant.id,
        customer_id=grant.customer_id,
        currency=grant.currency,
        amount_minor=grant.amount_minor,
        expires_at=grant.expires_at,
    )
    await ctx.bus.emit(ctx, event)


async def expire_grant(ctx: Ctx, grant_id: str) -> int:
    """Take back what is left of a grant whose time is over; return the minor units, 0 if none.

    Raises:
        GrantNotFound: there is no such grant.
    """
    grant = await get_grant(ctx, grant_id)
    over = grant.expires_at is not None and grant.expires_at <= ctx.now()
    return await take_back(ctx, grant_id) if over else 0


async def take_back(ctx: Ctx, grant_id: str) -> int:
    """Take back what is left of a grant, whenever; return the minor units. Emits `credit_expired`.

    What invoices have used stays used. Raises `GrantNotFound`.
    """
    ctx.require(SCOPE_WRITE)
    grant = await get_grant(ctx, grant_id)
    await journal_store.lock_customer(ctx.tx, ctx.tenant_id, grant.customer_id)
    grant = await get_grant(ctx, grant_id)
    left_minor = grant.unapplied_minor
    if left_minor:
        await _write_expiry(ctx, grant)
    return left_minor


async def _write_expiry(ctx: Ctx, grant: Payment) -> None:
    expiry_id = ctx.ids.new("rfd")
    await store.add_refund(
        ctx.tx,
        ctx.tenant_id,
        refund_id=expiry_id,
        payment_id=grant.id,
        provider=PROVIDER,
        provider_refund_id=expiry_id,
        amount_minor=grant.unapplied_minor,
        from_credit_minor=grant.unapplied_minor,
        at=ctx.now(),
    )
    entries = rules.expiry_entries(grant)
    source = Source(SourceKind.EXPIRY, expiry_id)
    await journal.post(ctx, Posting(source, f"rest of {grant.id}", entries))
    data = {"amount_minor": grant.unapplied_minor, "currency": grant.currency}
    audit.record(ctx, action="ledger.credit_expired", subject=grant.id, data=data)
    event = CreditExpired(
        grant_id=grant.id,
        customer_id=grant.customer_id,
        currency=grant.currency,
        amount_minor=grant.unapplied_minor,
    )
    await ctx.bus.emit(ctx, event)


async def get_grant(ctx: Ctx, grant_id: str) -> Payment:
    """Return a grant. Raises `GrantNotFound`."""
    ctx.require(SCOPE_READ)
    found = await store.find(ctx.tx, ctx.tenant_id, grant_id)
    if found is None or found.purpose is not Purpose.GRANT:
        raise GrantNotFound(field="grant_id", given=grant_id[:64])
    return found


async def list_grants(
    ctx: Ctx, customer_id: str, *, after: str | None = None, limit: int = PAGE_SIZE
) -> list[Payment]:
    """Return a customer's grants, the newest first, beginning after the id `after`."""
    ctx.require(SCOPE_READ)
    return await store.list_grants(
        ctx.tx, ctx.tenant_id, customer_id=customer_id, after=after, limit=limit
    )
