"""How is a part of a quota held while work is under way?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from solvent.kernel.entitlements import rules, store
from solvent.kernel.entitlements.errors import KeyConflict, TimeToLiveMalformed
from solvent.kernel.entitlements.model import (
    RESERVATION_MAX,
    Held,
    Record,
    Reservation,
    ReservationState,
    Wish,
)
from solvent.kernel.entitlements.service.check import find_fresh, with_present_use
from solvent.kernel.entitlements.service.consume import (
    SCOPE_WRITE,
    check_key,
    consumable,
    refused,
    take,
)
from solvent.kernel.entitlements.service.refresh import refresh_use_of
from solvent.kit.ctx import Ctx

LIFE_MIN = timedelta(seconds=1)


async def reserve(
    ctx: Ctx, customer: str, wish: Wish, *, life: timedelta, key: str | None = None
) -> Held:
    """Hold a quantity of a quota for a time, if it is left; it counts as used until it is settled.

    The same key makes one reservation; asked again it returns that one as it stands. The hold
    lapses by itself when `life` is over in the tenant's time. Emits `entitlement_changed`.

    Raises:
        NotConsumable: the feature is no quota.
        TimeToLiveMalformed: not from 1 second to 24 hours.
        KeyConflict: the key was used before for something else.
    """
    ctx.require(SCOPE_WRITE)
    rules.check_quantity(wish.quantity)
    check_key(key)
    if not LIFE_MIN <= life <= RESERVATION_MAX:
        raise TimeToLiveMalformed(field="ttl_s")
    record = await find_fresh(ctx, customer, lock=True)
    if record is None or wish.feature is None:
        decision = rules.decide(record, wish, now=ctx.now())
        return Held(decision=refused(ctx, customer, wish, decision), reservation=None)
    record = await with_present_use(ctx, record, wish.feature)
    known = await _known(ctx, record, wish, key)
    decision = rules.decide(record, wish, now=ctx.now())
    if known:
        return Held(decision=replace(decision, allowed=True), reservation=known)
    if not decision.allowed:
        return Held(decision=refused(ctx, customer, wish, decision), reservation=None)
    return await _hold(ctx, record, wish.feature, wish.quantity, life=life, key=key)


async def _known(ctx: Ctx, record: Record, wish: Wish, key: str | None) -> Reservation | None:
    known = await store.find_reservation_by_key(ctx.tx, ctx.tenant_id, key) if key else None
    asked = (record.customer_id, wish.feature, wish.quantity)
    if known and (known.customer_id, known.feature_key, known.quantity) != asked:
        raise KeyConflict(field="key", key=key)
    return known


async def _hold(
    ctx: Ctx, record: Record, feature: str, quantity: Decimal, *, life: timedelta, key: str | None
) -> Held:
    consumable(record, feature)
    reservation = Reservation(
        id=ctx.ids.new("rsv"),
        key=key,
        customer_id=record.customer_id,
        feature_key=feature,
        quantity=quantity,
        committed=Decimal(0),
        state=ReservationState.HELD,
        expires_at=ctx.now() + life,
    )
    await store.add_reservation(ctx.tx, ctx.tenant_id, reservation, now=ctx.now())
    record = await refresh_use_of(ctx, record)
    return Held(decision=rules.as_left(record, feature, "It is held."), reservation=reservation)


async def commit_reservation(
    ctx: Ctx, reservation_id: str, *, quantity: Decimal | None = None
) -> Reservation:
    """Use up what was reserved, or less of it, and free the rest. The same again changes nothing.

    Raises:
        ReservationNotFound: there is none of this id.
        ReservationExpired: its time is over; consume afresh.
        ReservationClosed: it was settled otherwise before.
        CommitTooLarge: more than was reserved.
    """
    return await _settle(ctx, reservation_id, quantity)


async def release_reservation(ctx: Ctx, reservation_id: str) -> Reservation:
    """Free what was reserved. The same again changes nothing.

    Raises:
        ReservationNotFound, ReservationExpired, ReservationClosed: as `commit_reservation`.
    """
    return await _settle(ctx, reservation_id, Decimal(0))


async def _settle(ctx: Ctx, reservation_id: str, quantity: Decimal | None) -> Reservation:
    ctx.require(SCOPE_WRITE)
    if quantity:
        rules.check_quantity(quantity)
    found = await store.get_reservation(ctx.tx, ctx.tenant_id, reservation_id)
    record = await find_fresh(ctx, found.customer_id, lock=True)
    # Read again: who held the lock before us may have settled it.
    found = await store.get_reservation(ctx.tx, ctx.tenant_id, reservation_id)
    amount = found.quantity if quantity is None else quantity
    settled = rules.settle(found, quantity=amount, now=ctx.now())
    if settled == found or record is None:
        return settled
    await store.save_reservation(ctx.tx, ctx.tenant_id, settled)
    if amount:
        await take(ctx, record, found.feature_key, amount, key=found.id)
    await refresh_use_of(ctx, record)
    return settled
