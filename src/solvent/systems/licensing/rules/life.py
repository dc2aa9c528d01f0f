"""How long does a license live, and what becomes of it when its payments change?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from solvent.kernel.ledger.model import Payment
from solvent.kernel.subscriptions.model import Subscription
from solvent.systems.licensing.errors import LicenseExpired, LicenseRevoked, LicenseSuspended
from solvent.systems.licensing.model import License, Policy, State

SECOND = timedelta(seconds=1)
REFUNDED = "refunded"
_STATUS = {State.SUSPENDED: "SUSPENDED", State.REVOKED: "BANNED"}


def begin(new: License, now: datetime) -> License:
    """Return a new license with the ends that its policy gives it."""
    policy = new.policy
    return replace(
        new,
        expires_at=_later(now, policy.days),
        maintenance_until=_later(now, policy.maintenance_days),
    )


def _later(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now + timedelta(days=days)


def is_expired(held: License, now: datetime) -> bool:
    """Return whether its last second is over."""
    return held.expires_at is not None and now.replace(microsecond=0) > held.expires_at


def status(held: License, now: datetime) -> str:
    """Return where a license stands, in Keygen's words, which files use."""
    if held.state is State.ACTIVE:
        return "EXPIRED" if is_expired(held, now) else "ACTIVE"
    return _STATUS[held.state]


def check_usable(held: License, now: datetime) -> None:
    """Let only a license pass that may be used now.

    Raises:
        LicenseRevoked, LicenseSuspended, LicenseExpired.
    """
    if held.state is State.REVOKED:
        raise LicenseRevoked(reason=held.reason)
    if held.state is State.SUSPENDED:
        raise LicenseSuspended(reason=held.reason)
    if is_expired(held, now):
        raise LicenseExpired(expires_at=held.expires_at.isoformat() if held.expires_at else None)


def file_end(held: License, now: datetime) -> datetime:
    """Return the last second of a file made now: no later than the license's own."""
    end = now.replace(microsecond=0) + held.policy.file_life
    return end if held.expires_at is None else min(end, held.expires_at)


def follow(held: License, paid: Subscription, policy: Policy | None, now: datetime) -> License:
    """Return the license as its subscription has it now.

    Grace, pauses and plans that change are all in `plan_expires_at`. A plan without a policy needs
    no license. With a fall-back, what came out while it was paid for may run on after its end. What
    was refunded comes back with the next period that is paid.
    """
    if held.state is State.REVOKED or _is_refunded(held, paid):
        return held
    end = paid.plan_expires_at - SECOND
    if held.state is State.SUSPENDED and held.reason == REFUNDED:
        held = replace(held, state=State.ACTIVE, reason=None)
    if policy is None:
        return replace(held, expires_at=min(end, now - SECOND))
    if paid.terminal and policy.fallback and paid.paid_through is not None:
        return replace(held, policy=policy, expires_at=None, maintenance_until=end)
    return replace(held, policy=policy, expires_at=end, maintenance_until=None)


def refund(held: License, payment: Payment, paid: Subscription | None, now: datetime) -> License:
    """Return the license after money went back: unchanged for a part of it, or of a past period.

    What was bought once is revoked for good; what follows a subscription rests until it is paid
    again. `expires_at` of such a one is the moment of the refund.
    """
    if payment.refunded_minor < payment.amount_minor:
        return held
    if paid is None:
        return replace(held, state=State.REVOKED, reason=REFUNDED)
    if payment.covers_from is not None and payment.covers_from < paid.period.start:
        return held
    return replace(held, state=State.SUSPENDED, reason=REFUNDED, expires_at=now)


def _is_refunded(held: License, paid: Subscription) -> bool:
    """Return whether the period that was refunded is still the present one."""
    refunded = held.state is State.SUSPENDED and held.reason == REFUNDED
    return refunded and held.expires_at is not None and paid.period.start <= held.expires_at
