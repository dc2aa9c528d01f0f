"""How is a quota used up exactly as often as it is left?"""

from __future__ import annotations

from decimal import Decimal

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue.model import FeatureKind
from solvent.kernel.entitlements import rules, store
from solvent.kernel.entitlements.errors import KeyConflict, KeyMalformed, NotConsumable
from solvent.kernel.entitlements.model import KEY_LENGTH_MAX, Code, Decision, Grant, Record, Wish
from solvent.kernel.entitlements.service.check import find_fresh, with_present_use
from solvent.kernel.entitlements.service.refresh import inside, refresh_use_of
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Aggregation, UsageEvent
from solvent.kit.ctx import Ctx

SCOPE_WRITE = "entitlements:write"


async def consume(
    ctx: Ctx, customer: str, wish: Wish, *, key: str | None = None, enforce: bool = True
) -> Decision:
    """Use up a quantity of a quota if it is left.

    The customer's record is locked from reading to commit. The same key consumes once; asked
    again it is allowed and consumes no more. On a quota with a meter the quantity is recorded as
    the usage event `consume:KEY`. `enforce=False` takes it past the limit too: for what was used
    while nobody could be asked. Emits `entitlement_changed`; a refusal is audited.

    Raises:
        NotConsumable: the feature is no quota, or its meter does not add quantities up.
        KeyConflict: the key was used before for something else.
        QuantityMalformed, KeyMalformed: the input is none.
    """
    ctx.require(SCOPE_WRITE)
    rules.check_quantity(wish.quantity)
    check_key(key)
    record = await find_fresh(ctx, customer, lock=True)
    if record is None or wish.feature is None:
        return refused(ctx, customer, wish, rules.decide(record, wish, now=ctx.now()))
    record = await with_present_use(ctx, record, wish.feature)
    if key and await _was_consumed(ctx, record, wish, key):
        return rules.as_left(record, wish.feature, "It was consumed before under this key.")
    decision = rules.decide(record, wish, now=ctx.now())
    overdrawn = decision.code is Code.QUOTA_EXHAUSTED and not enforce
    if not decision.allowed and not overdrawn:
        return refused(ctx, customer, wish, decision)
    await take(ctx, record, wish.feature, wish.quantity, key=key or ctx.ids.new("con"))
    record = await refresh_use_of(ctx, record)
    return rules.as_left(record, wish.feature, "It is consumed.")


def check_key(key: str | None) -> None:
    """Let only usable idempotency keys pass. Raises `KeyMalformed`."""
    if key is not None and not (0 < len(key) <= KEY_LENGTH_MAX and key.isprintable()):
        raise KeyMalformed(field="key")


async def _was_consumed(ctx: Ctx, record: Record, wish: Wish, key: str) -> bool:
    known = await store.find_consumption(ctx.tx, ctx.tenant_id, key)
    if known and known != (record.customer_id, wish.feature, wish.quantity):
        raise KeyConflict(field="key", key=key)
    return known is not None


def refused(ctx: Ctx, customer: str, wish: Wish, decision: Decision) -> Decision:
    """Return the decision; audit it if it refuses to use up something."""
    if not decision.allowed:
        audit.record(
            ctx,
            action="entitlements.use_refused",
            subject=wish.feature or wish.product or "any",
            data={"customer": customer, "code": decision.code.value},
        )
    return decision


async def take(ctx: Ctx, record: Record, feature: str, quantity: Decimal, *, key: str) -> None:
    """Count a quantity as used, on the quota's meter or its own counter; the record is locked.

    Raises:
        NotConsumable: the feature is no quota, or its meter does not add quantities up.
        KeyConflict: another customer's consumption has the key.
    """
    grant = consumable(record, feature)
    await store.add_consumption(
        ctx.tx,
        ctx.tenant_id,
        key=key,
        customer_id=record.customer_id,
        feature_key=feature,
        quantity=quantity,
        now=ctx.now(),
    )
    if grant.meter_key is None:
        customer_id = record.customer_id
        await store.add_consumed(ctx.tx, ctx.tenant_id, customer_id, grant, quantity=quantity)
    else:
        event = await _usage_event(ctx, record, grant, quantity, key=key)
        await metering.record_one(inside(ctx), event)


def consumable(record: Record, feature: str) -> Grant:
    """Return the grant of a feature that can be used up. Raises `NotConsumable`."""
    grant = record.feature(feature)
    if grant is None or grant.kind is not FeatureKind.QUOTA:
        raise NotConsumable(field="feature", feature=feature)
    return grant


async def _usage_event(
    ctx: Ctx, record: Record, grant: Grant, quantity: Decimal, *, key: str
) -> UsageEvent:
    """Return the usage that tells the quota's meter of the quantity.

    Raises:
        NotConsumable: one more event on this meter would not mean that much more.
    """
    meter = await metering.get_meter(inside(ctx), grant.meter_key or "")
    one_event = meter.aggregation is Aggregation.COUNT and quantity == 1
    if meter.aggregation is not Aggregation.SUM and not one_event:
        raise NotConsumable(field="feature", feature=grant.feature_key, meter=meter.key)
    named = meter.value_property
    return UsageEvent(
        id=f"consume:{key}",
        customer_ref=record.customer_ref,
        meter_key=meter.key,
        at=ctx.now(),
        value=None if one_event or named else quantity,
        properties={named: quantity} if named else {},
    )
