"""What does a change of plan, of seats or to a pause make of a subscription?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.errors import QuantityRefused, TransitionRefused
from solvent.kernel.subscriptions.model import (
    PlannedChange,
    PlannedKind,
    PlanRef,
    Status,
    Subscription,
)
from solvent.kernel.subscriptions.rules.calendar import Recurrence, boundary
from solvent.kernel.subscriptions.rules.states import Move, moved
from solvent.kernel.subscriptions.rules.turning import Cycle, CycleOf, Turn, end_of, turned

NEXT_PLAN, CANCEL, RESUME = "next_plan", "cancel", "resume"
"""What the changes that a subscription's own fields plan are called."""


def plan_changed(
    held: Subscription, plan: PlanRef, *, quantity: int, at: datetime, cycles: tuple[Cycle, Cycle]
) -> Turn:
    """Return the subscription on another plan from a moment on; `cycles` are the old and the new.

    A plan of another length begins a period of its own; of the same one the period goes on.

    Raises:
        TransitionRefused: it has ended.
        QuantityRefused: the plan does not sell so many seats.
    """
    moved(held.status, Move.CHANGE)
    old, new = cycles
    must_sell(new, quantity)
    after = replace(
        held,
        plan_key=plan.plan_key,
        plan_version=plan.version,
        quantity=quantity,
        next_plan=None,
    )
    ended = None
    renewing = held.status in {Status.ACTIVE, Status.PAST_DUE}
    if renewing and new.months != old.months and at > held.period.start:
        ended = end_of(held, at)
        end = boundary(Recurrence(at, new.months, held.time_zone), 1)
        after = replace(after, anchor_at=at, period=Period(at, end), paid_through=end)
    return turned(held, after, at=at, why="plan_changed", cycle=new, ended=ended)


def quantity_changed(held: Subscription, quantity: int, *, at: datetime, cycle: Cycle) -> Turn:
    """Return the subscription with another number of seats from a moment on.

    Raises:
        TransitionRefused: it has ended.
        QuantityRefused: the plan does not sell so many.
    """
    moved(held.status, Move.CHANGE)
    must_sell(cycle, quantity)
    after = replace(held, quantity=quantity)
    return turned(held, after, at=at, why="quantity_changed", cycle=cycle)


def carried_quantity(held: Subscription, cycles: tuple[Cycle, Cycle]) -> int:
    """Return how many seats go from one plan to another where nobody says: as many as are held.

    Between a plan that sells seats and one that does not, as few as the new one sells.
    """
    both_sell = all(cycle.seats.maximum != 1 for cycle in cycles)
    return held.quantity if both_sell else cycles[1].seats.minimum


def must_sell(cycle: Cycle, quantity: int) -> None:
    """Let pass a number of seats that a plan sells.

    Raises:
        QuantityRefused: it does not; says how many it sells.
    """
    seats = cycle.seats
    if not seats.allow(quantity):
        most = "without limit" if seats.maximum is None else str(seats.maximum)
        message = f"the plan sells from {seats.minimum} seats to {most}"
        if seats.maximum == 1:
            message = "the plan sells no seats"
        raise QuantityRefused(message, field="quantity", given=quantity)


def paused(held: Subscription, *, at: datetime, resume_at: datetime | None, cycle: Cycle) -> Turn:
    """Return the subscription at rest from a moment on; its boundaries do not move.

    Raises:
        TransitionRefused: it is not active.
    """
    status = moved(held.status, Move.PAUSE)
    after = replace(held, status=status, paused_at=at, resume_at=resume_at)
    return turned(held, after, at=at, why=Move.PAUSE.value, cycle=cycle)


def carried_out(held: Subscription, planned: PlannedChange, cycle_of: CycleOf) -> Turn:
    """Return the subscription after a planned change, at its moment; the plan is used up by it.

    What has become impossible meanwhile changes nothing and says so: a pause of one that is past
    due, seats that another plan does not sell.
    """
    left = replace(held, planned=tuple(one for one in held.planned if one.id != planned.id))
    cycle = cycle_of(held.plan)
    try:
        return _carried_out(left, planned, cycle, cycle_of)
    except (QuantityRefused, TransitionRefused):
        why = f"planned_{planned.kind.value}_refused"
        return turned(left, left, at=planned.at, why=why, cycle=cycle)


def _carried_out(
    left: Subscription, planned: PlannedChange, cycle: Cycle, cycle_of: CycleOf
) -> Turn:
    at, quantity = planned.at, planned.quantity
    if planned.kind is PlannedKind.PAUSE:
        return paused(left, at=at, resume_at=planned.resume_at, cycle=cycle)
    if planned.plan is None:
        return quantity_changed(left, quantity or left.quantity, at=at, cycle=cycle)
    new = cycle_of(planned.plan)
    quantity = quantity or new.seats.fitted(left.quantity)
    return plan_changed(left, planned.plan, quantity=quantity, at=at, cycles=(cycle, new))


def planned_for(held: Subscription, planned: PlannedChange) -> Subscription:
    """Return the subscription with one more planned change, instead of one like it."""
    others = [one for one in held.planned if (one.kind, one.at) != (planned.kind, planned.at)]
    in_order = sorted([*others, planned], key=lambda one: one.at)
    return replace(held, planned=tuple(in_order))


def resume_planned(held: Subscription, until: datetime) -> Subscription:
    """Return the subscription with the end of its pause, or of the last that is planned before.

    Raises:
        TransitionRefused: there is no pause that could end then.
    """
    pauses = [one for one in held.planned if one.kind is PlannedKind.PAUSE and one.at < until]
    if pauses:
        last = pauses[-1]
        changed = replace(last, resume_at=until)
        planned = tuple(changed if one is last else one for one in held.planned)
        return replace(held, planned=planned)
    moved(held.status, Move.RESUME)
    return replace(held, resume_at=until)


def all_planned(held: Subscription) -> tuple[PlannedChange, ...]:
    """Return all that is to become of a subscription, the soonest first, however it was planned."""
    own = [*held.planned]
    if held.next_plan is not None:
        kind = PlannedKind.CHANGE_PLAN
        own.append(PlannedChange(NEXT_PLAN, kind, held.period.end, plan=held.next_plan))
    if held.resume_at is not None:
        own.append(PlannedChange(RESUME, PlannedKind.RESUME, held.resume_at))
    if held.cancel_at is not None:
        own.append(PlannedChange(CANCEL, PlannedKind.CANCEL, held.cancel_at))
    return tuple(sorted(own, key=lambda one: one.at))


def without(held: Subscription, change_id: str) -> Subscription:
    """Return the subscription without a planned change; as it is where there is none of this id."""
    match change_id:
        case "next_plan":
            return replace(held, next_plan=None)
        case "cancel":
            return replace(held, cancel_at=None)
        case "resume":
            return replace(held, resume_at=None)
        case _:
            return replace(held, planned=tuple(one for one in held.planned if one.id != change_id))
