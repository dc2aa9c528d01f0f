"""How do credit, credit notes, coupons and items read as JSON?

Amounts are integers of the minor unit; shares and quantities are decimal texts.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from solvent.kernel.ledger.model import Coupon, CreditNote, CreditTo, Item, Payment, Redemption
from solvent.kit.money import plain_number


class GrantShown(BaseModel):
    """Credit that was given, and what is left of it."""

    id: str
    customer_id: str
    name: str
    source: str
    currency: str
    amount_minor: int
    left_minor: int
    priority: int
    granted_at: datetime
    expires_at: datetime | None


class CreditLineShown(BaseModel):
    """A part of a line that was taken back."""

    line: int
    description: str
    quantity: str
    amount_minor: int


class CreditNoteShown(BaseModel):
    """A correction of a final invoice."""

    id: str
    number: int
    reference: str
    invoice_id: str
    invoice_number: int
    customer_id: str
    currency: str
    reason: str
    to: CreditTo
    lines: list[CreditLineShown]
    net_minor: int
    tax_minor: int
    total_minor: int
    off_due_minor: int
    digest: str
    issued_at: datetime


class CouponShown(BaseModel):
    """A coupon as it stands."""

    code: str
    name: str
    percent: str | None
    amount_minor: int | None
    currency: str | None
    periods: int | None
    plans: list[str]
    redemptions_max: int | None
    redeem_by: datetime | None
    redeemed: int
    closed: bool
    created_at: datetime


class RedemptionShown(BaseModel):
    """A coupon that a subscription has or had, and in which periods it took something off."""

    coupon: CouponShown
    redeemed_at: datetime
    ended_at: datetime | None
    used_in: list[datetime]


class ItemShown(BaseModel):
    """Something charged once; `invoice_id` once an invoice has it."""

    id: str
    customer_id: str
    subscription_id: str | None
    source: str
    description: str
    quantity: str
    unit_minor: int
    amount_minor: int
    currency: str
    created_at: datetime
    invoice_id: str | None


def show_grant(one: Payment) -> GrantShown:
    """Return a grant's JSON form."""
    return GrantShown(
        id=one.id,
        customer_id=one.customer_id,
        name=one.description,
        source=one.provider_payment_id,
        currency=one.currency,
        amount_minor=one.amount_minor,
        left_minor=one.unapplied_minor,
        priority=one.priority,
        granted_at=one.received_at,
        expires_at=one.expires_at,
    )


def show_note(one: CreditNote) -> CreditNoteShown:
    """Return a credit note's JSON form."""
    said = one.said
    return CreditNoteShown(
        id=one.id,
        number=one.number,
        reference=one.reference,
        invoice_id=said.invoice_id,
        invoice_number=said.invoice_number,
        customer_id=said.customer_id,
        currency=said.currency,
        reason=said.reason,
        to=said.to,
        lines=[
            CreditLineShown(
                line=line.line,
                description=line.description,
                quantity=plain_number(line.quantity),
                amount_minor=line.amount_minor,
            )
            for line in said.lines
        ],
        net_minor=said.net_minor,
        tax_minor=said.tax_minor,
        total_minor=said.total_minor,
        off_due_minor=one.off_due_minor,
        digest=one.digest,
        issued_at=one.issued_at,
    )


def show_coupon(one: Coupon) -> CouponShown:
    """Return a coupon's JSON form."""
    percent = one.discount.percent
    return CouponShown(
        code=one.discount.code,
        name=one.discount.name,
        percent=None if percent is None else plain_number(percent),
        amount_minor=one.discount.amount_minor,
        currency=one.currency,
        periods=one.periods,
        plans=list(one.plan_keys),
        redemptions_max=one.redemptions_max,
        redeem_by=one.redeem_by,
        redeemed=one.redeemed,
        closed=one.closed,
        created_at=one.created_at,
    )


def show_redemption(one: Redemption) -> RedemptionShown:
    """Return a redemption's JSON form."""
    return RedemptionShown(
        coupon=show_coupon(one.coupon),
        redeemed_at=one.redeemed_at,
        ended_at=one.ended_at,
        used_in=list(one.used_in),
    )


def show_item(one: Item) -> ItemShown:
    """Return an item's JSON form."""
    return ItemShown(
        id=one.id,
        customer_id=one.customer_id,
        subscription_id=one.subscription_id,
        source=one.source,
        description=one.description,
        quantity=plain_number(one.quantity),
        unit_minor=one.unit_minor,
        amount_minor=one.amount_minor,
        currency=one.currency,
        created_at=one.created_at,
        invoice_id=one.invoice_id,
    )
