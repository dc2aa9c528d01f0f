"""What falls due with time: renewals, ends, trials, drafts and retries, each at its moment?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from solvent.systems.payments.stripe_emulator import invoices, subscriptions
from solvent.systems.payments.stripe_emulator.plain import Json, part
from solvent.systems.payments.stripe_emulator.world import World

STEPS_MAX = 10_000
"""Things that fall due while one clock is moved once; more is a loop."""
_WARNS_S = 3 * 86_400
_INCOMPLETE_S = 23 * 3_600

Due = tuple[int, str, Callable[[World, Json], object], Json]


def live_until(world: World, target: int, *, clock: str | None) -> None:
    """Let all happen that falls due until a moment to the customers of a clock; None: of none."""
    for _ in range(STEPS_MAX):
        due = min(_due(world, clock), key=lambda one: one[:2], default=None)
        if due is None or due[0] > target:
            break
        moment, _, act, subject = due
        world.at = moment
        try:
            act(world, subject)
        finally:
            world.at = None


def _due(world: World, clock: str | None) -> Iterator[Due]:
    customers = {one["id"] for one in world.every("customer") if one.get("test_clock") == clock}
    for found in world.every(subscriptions.KIND):
        if found["customer"] in customers:
            yield from _due_of_subscription(found)
    for found in world.every(invoices.KIND):
        if found["customer"] in customers:
            yield from _due_of_invoice(found)


def _due_of_subscription(found: Json) -> Iterator[Due]:
    status, (_, end) = found["status"], subscriptions.bounds(found)
    if status == "incomplete":
        yield found["created"] + _INCOMPLETE_S, found["id"], _expire, found
    if status not in {"active", "trialing", "past_due"}:
        return
    if status == "trialing" and not found.get("_warned"):
        yield max(end - _WARNS_S, found["created"]), found["id"], _warn, found
    if found["cancel_at"] is not None and found["cancel_at"] < end:
        yield found["cancel_at"], found["id"], subscriptions.end, found
    yield end, found["id"], _renew, found


def _due_of_invoice(found: Json) -> Iterator[Due]:
    if found["status"] == "draft" and found["automatically_finalizes_at"]:
        yield found["automatically_finalizes_at"], found["id"], _collect, found
    if found["status"] == "open" and found["next_payment_attempt"]:
        yield found["next_payment_attempt"], found["id"], _collect, found


def _expire(world: World, found: Json) -> None:
    now = world.now(found["customer"])
    gone = {"status": "incomplete_expired", "ended_at": now}
    world.change(found, subscriptions.UPDATED, **gone)
    if found["latest_invoice"]:
        invoices.void(world, {}, found["latest_invoice"])


def _warn(world: World, found: Json) -> None:
    warned = world.store.save(found | {"_warned": True})
    world.tell("customer.subscription.trial_will_end", warned)


def _renew(world: World, found: Json) -> None:
    """End the subscription, or begin its next period and draft the invoice of it."""
    if found["cancel_at_period_end"] or found["cancel_at"] == subscriptions.bounds(found)[1]:
        subscriptions.end(world, found)
        return
    missing = found["trial_settings"]["end_behavior"]["missing_payment_method"]
    if (
        found["status"] == "trialing"
        and missing != "create_invoice"
        and not _has_card(world, found)
    ):
        _end_trial_without_card(world, found, missing)
        return
    ended = subscriptions.bounds(found)
    renewed = _roll(world, found)
    lines = [
        *(
            subscriptions.line_for(world, renewed, one, ended)
            for one in subscriptions.metered(found)
        ),
        *(
            subscriptions.line_for(world, renewed, one, subscriptions.bounds(renewed))
            for one in subscriptions.licensed(renewed)
        ),
    ]
    if found["pause_collection"] is None:
        at = world.now(found["customer"]) + invoices.DRAFT_FOR_S
        subscriptions.bill(
            world, renewed, lines, "subscription_cycle", automatically_finalizes_at=at
        )


def _has_card(world: World, found: Json) -> bool:
    settings = part(world.get("customer", found["customer"]), "invoice_settings")
    return bool(found["default_payment_method"] or settings.get("default_payment_method"))


def _end_trial_without_card(world: World, found: Json, behavior: str) -> None:
    if behavior == "cancel":
        subscriptions.end(world, found)
        return
    paused = world.change(found, status="paused")
    world.tell("customer.subscription.paused", paused, before={"status": found["status"]})


def _roll(world: World, found: Json) -> Json:
    start = subscriptions.bounds(found)[1]
    items = found["items"]["data"]
    end = subscriptions.next_end(items, found["billing_cycle_anchor"], start)
    period = {"current_period_start": start, "current_period_end": end}
    listed = found["items"] | {"data": [one | period for one in items]}
    status = "active" if found["status"] == "trialing" else found["status"]
    return world.change(found, subscriptions.UPDATED, items=listed, status=status)


def _collect(world: World, found: Json) -> None:
    """Take an invoice's money; give the subscription up where the last retry fails."""
    tried = invoices.try_to_pay(world, found["id"])
    out_of_tries = tried["attempt_count"] > len(invoices.RETRY_AFTER_DAYS)
    if tried["status"] != "open" or not out_of_tries:
        return
    details = tried["parent"] and tried["parent"]["subscription_details"]
    subscription = world.store.find(details["subscription"]) if details else None
    if subscription and subscription["status"] == "past_due":
        subscriptions.end(world, subscription, details={"reason": "payment_failed"})
