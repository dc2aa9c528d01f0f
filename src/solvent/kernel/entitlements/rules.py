"""What do a customer's subscriptions add up to, and does that allow a wish?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from solvent.kernel.catalogue.model import Feature, FeatureKind, PlanVersion
from solvent.kernel.entitlements.errors import (
    CommitTooLarge,
    QuantityMalformed,
    ReservationClosed,
    ReservationExpired,
)
from solvent.kernel.entitlements.events import (
    AccessState,
    EntitlementChanged,
    FeatureState,
    QuotaState,
    SwitchState,
)
from solvent.kernel.entitlements.model import (
    QUANTITY_DECIMALS_MAX,
    QUANTITY_MAX,
    Access,
    Code,
    Decision,
    Grant,
    Record,
    Reservation,
    ReservationState,
    Wish,
)
from solvent.kernel.metering.model import AHEAD_MAX, Period
from solvent.kernel.subscriptions.model import GRANTING, Subscription
from solvent.kit.clock import format_time
from solvent.kit.money import EXACT, plain_number

Held = Sequence[tuple[Subscription, PlanVersion]]


def access_of(held: Held) -> tuple[Access, ...]:
    """Return the accesses of the subscriptions whose status grants one, by product."""
    found = [
        Access(
            product_key=subscription.product_key,
            plan_key=subscription.plan_key,
            status=subscription.status.value,
            until=subscription.plan_expires_at,
        )
        for subscription, _ in held
        if subscription.status in GRANTING
    ]
    return tuple(sorted(found, key=lambda access: access.product_key))


def grants_of(held: Held, *, now: datetime) -> tuple[Grant, ...]:
    """Return one grant a feature, by key: of several the one that gives most. They never add up.

    A valid grant goes before a lapsed one; then no limit, overage, the greater limit, the later
    end, and the product's key decide, in this order.
    """
    best: dict[str, Grant] = {}
    for subscription, plan in held:
        if subscription.status not in GRANTING:
            continue
        for feature in plan.features:
            grant = _grant(subscription, feature)
            known = best.get(feature.key)
            if known is None or _worth(grant, now) > _worth(known, now):
                best[feature.key] = grant
    return tuple(best[key] for key in sorted(best))


def _grant(subscription: Subscription, feature: Feature) -> Grant:
    is_quota = feature.kind is FeatureKind.QUOTA
    return Grant(
        feature_key=feature.key,
        kind=feature.kind,
        on_outage=feature.on_outage,
        product_key=subscription.product_key,
        until=subscription.plan_expires_at,
        limit=_limit(subscription, feature) if is_quota else None,
        overage=feature.overage and is_quota,
        meter_key=feature.meter_key if is_quota else None,
        period=subscription.period if is_quota else None,
    )


def with_addons(
    plan: PlanVersion, quantity: int, addons: Iterable[tuple[PlanVersion, int]]
) -> PlanVersion:
    """Return a plan with what add-ons, each so many times, grant beside it.

    Quotas of one feature on one meter add up; otherwise the plan's own feature stands.
    """
    found = {one.key: _of_all(one, quantity) for one in plan.features}
    for addon, times in addons:
        for feature in addon.features:
            more = _of_all(feature, times)
            known = found.get(more.key)
            found[more.key] = more if known is None else _summed(known, more)
    return replace(plan, terms=replace(plan.terms, features=tuple(found.values())))


def _of_all(feature: Feature, quantity: int) -> Feature:
    """Return a feature whose limit is that of all seats."""
    if feature.limit is None or not feature.per_seat:
        return feature
    limit = EXACT.multiply(feature.limit, Decimal(quantity))
    return replace(feature, limit=limit, per_seat=False)


def _summed(one: Feature, more: Feature) -> Feature:
    if (one.kind, one.meter_key) != (more.kind, more.meter_key):
        return one
    unlimited = one.limit is None or more.limit is None
    limit = None if unlimited else EXACT.add(one.limit or 0, more.limit or 0)
    return replace(one, limit=limit, overage=one.overage or more.overage)


def _limit(subscription: Subscription, feature: Feature) -> Decimal | None:
    """Return a quota's limit: where the plan says so, that of each seat."""
    return _of_all(feature, subscription.quantity).limit


def _worth(grant: Grant, now: datetime) -> tuple[bool, bool, bool, Decimal, bool, datetime, str]:
    return (
        is_valid(grant.until, now=now),
        grant.limit is None,
        grant.overage,
        grant.limit or Decimal(0),
        grant.until is None,
        grant.until or now,
        grant.product_key,
    )


def is_valid(until: datetime | None, *, now: datetime) -> bool:
    """Return whether something that ends at `until` still counts: before it, not at it."""
    return until is None or now < until


def measured_period(grant: Grant, *, now: datetime) -> Period:
    """Return the period whose usage counts against a quota.

    It is the subscription's; past its end, until the renewal is known, what is used goes on
    counting against the old quota instead of against none.
    """
    if grant.period is None:
        msg = "a switch is not measured"
        raise ValueError(msg)
    if now < grant.period.end:
        return grant.period
    return Period(grant.period.start, now + AHEAD_MAX)


def next_change(record: Record, holds: Iterable[Reservation], *, now: datetime) -> datetime | None:
    """Return the next moment at which time alone changes what a customer may use."""
    moments = [one.until for one in record.access]
    moments += [grant.until for grant in record.features]
    moments += [one.expires_at for one in holds]
    return min((moment for moment in moments if moment and moment > now), default=None)


def held_by_feature(holds: Iterable[Reservation]) -> dict[str, Decimal]:
    """Return how much of each feature the reservations hold."""
    held: dict[str, Decimal] = {}
    for one in holds:
        held[one.feature_key] = EXACT.add(held.get(one.feature_key, Decimal(0)), one.quantity)
    return held


def next_revision(old: Record, new: Record) -> Record:
    """Return the new record, under the next revision if guards would act otherwise on it."""
    same = (old.access, old.features) == (new.access, new.features)
    return replace(new, revision=old.revision if same else old.revision + 1)


def grants_the_same(old: Record, new: Record) -> bool:
    """Return whether two records differ at most in what is used."""
    unused = [
        tuple(replace(grant, used=Decimal(0)) for grant in record.features) for record in (old, new)
    ]
    return old.access == new.access and unused[0] == unused[1]


def decide(record: Record | None, wish: Wish, *, now: datetime) -> Decision:
    """Return whether the record allows the wish at this moment, and why."""
    if record is None or not record.access:
        return _refuse(Code.NO_SUBSCRIPTION, "The customer has no current subscription.")
    if wish.product is not None or wish.feature is None:
        refused = _refuse_access(record, wish, now=now)
        if refused or wish.feature is None:
            return refused or _allow_access(record, wish, now=now)
    return _decide_feature(record, wish.feature, wish, now=now)


def _matching(record: Record, wish: Wish) -> list[Access]:
    return [one for one in record.access if wish.product in {None, one.product_key}]


def _refuse_access(record: Record, wish: Wish, *, now: datetime) -> Decision | None:
    found = _matching(record, wish)
    if not found:
        return _refuse(
            Code.NO_SUBSCRIPTION, f"The customer has no current subscription of {wish.product}."
        )
    if any(is_valid(one.until, now=now) for one in found):
        return None
    until = max(one.until for one in found if one.until)
    return _refuse(Code.EXPIRED, f"The subscription ended at {_time(until)}.", until=until)


def _allow_access(record: Record, wish: Wish, *, now: datetime) -> Decision:
    valid = [one for one in _matching(record, wish) if is_valid(one.until, now=now)]
    ends = [one.until for one in valid if one.until]
    until = max(ends) if len(ends) == len(valid) else None
    return Decision(allowed=True, code=Code.OK, reason="A subscription allows it.", until=until)


def _decide_feature(record: Record, feature: str, wish: Wish, *, now: datetime) -> Decision:
    grant = record.feature(feature)
    if grant is None or wish.product not in {None, grant.product_key}:
        refused = _refuse_access(record, wish, now=now)
        return refused or _refuse(
            Code.FEATURE_MISSING, f"The plan does not include the feature {feature}."
        )
    if not is_valid(grant.until, now=now):
        ended = f"The subscription ended at {_time(grant.until)}."
        return _refuse(Code.EXPIRED, ended, until=grant.until)
    if grant.bounded and (grant.remaining or Decimal(0)) < wish.quantity:
        return _refuse(
            Code.QUOTA_EXHAUSTED,
            f"{plain_number(grant.used)} of {plain_number(grant.limit or Decimal(0))} of {feature}"
            f" is used; {plain_number(wish.quantity)} more is not left.",
            until=grant.until,
            remaining=grant.remaining,
        )
    return Decision(
        allowed=True,
        code=Code.OK,
        reason=f"The plan includes {feature}.",
        until=grant.until,
        remaining=grant.remaining,
    )


def _refuse(
    code: Code, reason: str, *, until: datetime | None = None, remaining: Decimal | None = None
) -> Decision:
    return Decision(allowed=False, code=code, reason=reason, until=until, remaining=remaining)


def as_left(record: Record, feature: str, reason: str) -> Decision:
    """Return that something was allowed, and what is left of it now."""
    grant = record.feature(feature)
    return Decision(
        allowed=True,
        code=Code.OK,
        reason=reason,
        until=grant.until if grant else None,
        remaining=grant.remaining if grant else None,
    )


def with_used(record: Record, used: Mapping[str, Decimal]) -> Record:
    """Return the record with what is used of each quota as given by feature; others as they are."""
    features = tuple(
        replace(grant, used=used.get(grant.feature_key, grant.used)) for grant in record.features
    )
    return replace(record, features=features)


def check_quantity(quantity: Decimal, *, field: str = "quantity") -> Decimal:
    """Return the quantity if it can be used.

    Raises:
        QuantityMalformed: not finite, not above 0, too large or too fine.
    """
    if not quantity.is_finite() or not 0 < quantity < QUANTITY_MAX:
        raise QuantityMalformed(field=field)
    if int(quantity.as_tuple().exponent) < -QUANTITY_DECIMALS_MAX:
        raise QuantityMalformed(field=field)
    return quantity


def settle(reservation: Reservation, *, quantity: Decimal, now: datetime) -> Reservation:
    """Return the reservation committed with a quantity, 0 releasing it; repeats change nothing.

    Raises:
        ReservationExpired: its time is over.
        ReservationClosed: it was settled before with another quantity.
        CommitTooLarge: more than was reserved.
    """
    if quantity > reservation.quantity:
        raise CommitTooLarge(field="quantity", reserved=plain_number(reservation.quantity))
    wanted = ReservationState.COMMITTED if quantity else ReservationState.RELEASED
    state = reservation.state_at(now)
    if state is ReservationState.EXPIRED:
        raise ReservationExpired(reservation=reservation.id)
    if state is not ReservationState.HELD and (state, reservation.committed) != (wanted, quantity):
        raise ReservationClosed(reservation=reservation.id, state=state.value)
    return replace(reservation, state=wanted, committed=quantity)


def describe(record: Record) -> EntitlementChanged:
    """Return the record as guards are told of it."""
    return EntitlementChanged(
        customer=record.customer_ref,
        customer_id=record.customer_id,
        revision=record.revision,
        access=tuple(
            AccessState(
                product=one.product_key, plan=one.plan_key, status=one.status, until=one.until
            )
            for one in record.access
        ),
        features={grant.feature_key: _state(grant) for grant in record.features},
    )


def _state(grant: Grant) -> FeatureState:
    if grant.kind is FeatureKind.SWITCH:
        return SwitchState(
            on_outage=grant.on_outage.value, product=grant.product_key, until=grant.until
        )
    return QuotaState(
        on_outage=grant.on_outage.value,
        product=grant.product_key,
        until=grant.until,
        limit=None if grant.limit is None else plain_number(grant.limit),
        used=plain_number(grant.used),
        overage=grant.overage,
        resets_at=grant.period.end if grant.period else None,
    )


def _time(moment: datetime | None) -> str:
    return "no known time" if moment is None else format_time(moment)
