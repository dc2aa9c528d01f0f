"""Which discounts are there, who has them, and what do they take off an invoice?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger import events
from solvent.kernel.ledger.errors import (
    CouponExists,
    CouponMalformed,
    CouponNotForThis,
    CouponNotFound,
    CouponRedeemed,
    CouponSpent,
)
from solvent.kernel.ledger.model import (
    Coupon,
    Discount,
    Invoice,
    InvoiceDraft,
    LineKind,
    Redemption,
)
from solvent.kernel.ledger.service.journal import SCOPE_READ, SCOPE_WRITE
from solvent.kernel.ledger.store import coupons as store
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.kit.money import AMOUNT_MINOR_MAX, exponent

CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,39}\Z")
NAME_LENGTH_MAX = 100
PERIODS_MAX = 120
PERCENT_MAX = 100


async def make_coupon(
    ctx: Ctx,
    discount: Discount,
    *,
    currency: str | None = None,
    periods: int | None = None,
    plan_keys: tuple[str, ...] = (),
    redemptions_max: int | None = None,
    redeem_by: datetime | None = None,
) -> Coupon:
    """Make a coupon: a share, or an amount of a currency, off so many periods (None: for ever).

    Raises:
        CouponMalformed: names the field.
        CouponExists: there is one of this code; codes are not used again.
    """
    ctx.require(SCOPE_WRITE)
    coupon = Coupon(
        discount=discount,
        currency=currency,
        periods=periods,
        plan_keys=plan_keys,
        redemptions_max=redemptions_max,
        redeem_by=redeem_by,
        redeemed=0,
        closed=False,
        created_at=ctx.now(),
    )
    _check(coupon)
    if not await store.insert(ctx.tx, ctx.tenant_id, coupon):
        raise CouponExists(field="code", given=discount.code)
    audit.record(ctx, action="ledger.coupon_made", subject=discount.code, data={})
    return coupon


def _check(coupon: Coupon) -> None:
    """Refuse a coupon that could not be redeemed or would give away what it should not."""
    one = coupon.discount
    if not CODE.match(one.code):
        raise CouponMalformed("expected 1 to 40 of A-Z, 0-9, _ and -", field="code")
    if not 0 < len(one.name) <= NAME_LENGTH_MAX or not one.name.isprintable():
        raise CouponMalformed(f"expected 1 to {NAME_LENGTH_MAX} characters", field="name")
    if (one.percent is None) == (one.amount_minor is None):
        raise CouponMalformed("expected either a percent or an amount", field="percent")
    if one.percent is not None and not 0 < one.percent <= PERCENT_MAX:
        raise CouponMalformed("expected a number above 0, at most 100", field="percent")
    if one.amount_minor is not None and not 0 < one.amount_minor <= AMOUNT_MINOR_MAX:
        raise CouponMalformed("expected an amount above 0", field="amount_minor")
    if (coupon.currency is None) != (one.amount_minor is None):
        raise CouponMalformed("expected a currency with an amount only", field="currency")
    if coupon.currency is not None:
        exponent(coupon.currency)
    if coupon.periods is not None and not 1 <= coupon.periods <= PERIODS_MAX:
        raise CouponMalformed(f"expected 1 to {PERIODS_MAX}, or none", field="periods")
    if coupon.redemptions_max is not None and coupon.redemptions_max < 1:
        raise CouponMalformed("expected 1 or more, or none", field="redemptions_max")


async def get_coupon(ctx: Ctx, code: str) -> Coupon:
    """Return a coupon; letters may be small. Raises `CouponNotFound`."""
    ctx.require(SCOPE_READ)
    found = await store.find(ctx.tx, ctx.tenant_id, code.upper()[:64])
    if found is None:
        raise CouponNotFound(field="code", given=code[:64])
    return found


async def list_coupons(ctx: Ctx, *, after: str = "", limit: int = PAGE_SIZE) -> list[Coupon]:
    """Return coupons by their codes, beginning after the code `after`."""
    ctx.require(SCOPE_READ)
    return await store.list_page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def close_coupon(ctx: Ctx, code: str) -> Coupon:
    """Let nobody redeem a coupon any more; who has it keeps it. Raises `CouponNotFound`."""
    ctx.require(SCOPE_WRITE)
    coupon = await get_coupon(ctx, code)
    await store.close(ctx.tx, ctx.tenant_id, coupon.discount.code)
    audit.record(ctx, action="ledger.coupon_closed", subject=coupon.discount.code, data={})
    return replace(coupon, closed=True)


async def redeem_coupon(ctx: Ctx, code: str, subscription_id: str) -> Redemption:
    """Give a subscription a coupon, from the next invoice that is drawn; once for each of them.

    Emits `coupon_redeemed`.

    Raises:
        CouponNotFound, SubscriptionNotFound: there is none.
        CouponSpent: it is closed, past its time, or all of its redemptions are taken.
        CouponNotForThis: it is for other plans.
        CouponRedeemed: the subscription has it, or had it.
    """
    ctx.require(SCOPE_WRITE)
    coupon = await get_coupon(ctx, code)
    held = await subscriptions.get(ctx, subscription_id)
    late = coupon.redeem_by is not None and ctx.now() >= coupon.redeem_by
    if coupon.closed or late:
        raise CouponSpent(field="code")
    if coupon.plan_keys and held.plan_key not in coupon.plan_keys:
        raise CouponNotForThis(field="code", plans=list(coupon.plan_keys))
    await _take(ctx, coupon, held.id)
    told = events.CouponRedeemed(coupon.discount.code, held.id, held.customer_id)
    await ctx.bus.emit(ctx, told)
    found = await store.list_redemptions(ctx.tx, ctx.tenant_id, held.id)
    return next(one for one in found if one.coupon.discount.code == coupon.discount.code)


async def _take(ctx: Ctx, coupon: Coupon, subscription_id: str) -> None:
    code = coupon.discount.code
    if not await store.take(ctx.tx, ctx.tenant_id, code):
        raise CouponSpent(field="code")
    new = await store.add_redemption(
        ctx.tx,
        ctx.tenant_id,
        id_=ctx.ids.new("red"),
        code=code,
        subscription_id=subscription_id,
        at=ctx.now(),
    )
    if not new:
        raise CouponRedeemed(field="code")
    data = {"subscription_id": subscription_id}
    audit.record(ctx, action="ledger.coupon_redeemed", subject=code, data=data)


async def end_redemption(ctx: Ctx, code: str, subscription_id: str) -> None:
    """Let a coupon take nothing more off a subscription; emits `coupon_ended`.

    Raises:
        CouponNotFound: the subscription does not have it.
    """
    ctx.require(SCOPE_WRITE)
    for one in await store.list_redemptions(ctx.tx, ctx.tenant_id, subscription_id):
        if one.coupon.discount.code == code.upper() and one.ended_at is None:
            await store.end_redemption(ctx.tx, ctx.tenant_id, one.id, ctx.now())
            data = {"subscription_id": subscription_id}
            audit.record(ctx, action="ledger.coupon_ended", subject=code.upper(), data=data)
            held = await subscriptions.get(ctx, subscription_id)
            told = events.CouponEnded(code.upper(), held.id, held.customer_id)
            await ctx.bus.emit(ctx, told)
            return
    raise CouponNotFound(field="code", given=code[:64])


async def list_redemptions(ctx: Ctx, subscription_id: str) -> list[Redemption]:
    """Return the coupons that a subscription has or had."""
    ctx.require(SCOPE_READ)
    return await store.list_redemptions(ctx.tx, ctx.tenant_id, subscription_id)


def discounts_of(
    held: Sequence[Redemption],
    *,
    period_start: datetime,
    plan_key: str,
    currency: str,
    beside: InvoiceDraft | None,
) -> tuple[Discount, ...]:
    """Return what a subscription's coupons take off an invoice of the period that begins then.

    `beside` is the other invoice of that period: an amount is taken off once for both.
    """
    return tuple(
        left
        for one in held
        if counts(one, period_start, plan_key=plan_key, currency=currency)
        for left in [_left(one.coupon.discount, beside)]
        if left.amount_minor != 0
    )


def counts(one: Redemption, period_start: datetime, *, plan_key: str, currency: str) -> bool:
    """Return whether a redemption takes something off an invoice of this period."""
    coupon = one.coupon
    known = period_start in one.used_in
    running = known or (
        one.ended_at is None and (coupon.periods is None or len(one.used_in) < coupon.periods)
    )
    fits = not coupon.plan_keys or plan_key in coupon.plan_keys
    return running and fits and coupon.currency in {None, currency}


def _left(discount: Discount, beside: InvoiceDraft | None) -> Discount:
    if discount.amount_minor is None or beside is None:
        return discount
    used_minor = sum(
        -line.amount_minor
        for line in beside.lines
        if line.kind is LineKind.DISCOUNT and line.price_key == discount.code
    )
    return replace(discount, amount_minor=max(discount.amount_minor - used_minor, 0))


async def note_uses(ctx: Ctx, invoice: Invoice) -> None:
    """Count the period of a final invoice for each coupon that took something off it."""
    codes = {line.price_key for line in invoice.draft.lines if line.kind is LineKind.DISCOUNT}
    if not codes:
        return
    said = invoice.draft
    for one in await store.list_redemptions(ctx.tx, ctx.tenant_id, said.subscription_id):
        if one.coupon.discount.code in codes:
            await store.note_use(ctx.tx, ctx.tenant_id, one.id, period_start=said.period_start)
