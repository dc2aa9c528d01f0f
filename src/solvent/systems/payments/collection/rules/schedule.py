"""When is a failed collection tried again, and when is it given up?

Everything is counted in days from the first failure, in the tenant's time. A step whose time passed
while nobody looked is taken once and not made up for: after three months of silence there is one
retry and, if that fails, the final step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from solvent.systems.payments.collection.errors import PolicyMalformed
from solvent.systems.payments.collection.limits import (
    DAYS_MAX,
    QUIET_S,
    RETRIES_MAX,
    UNKNOWN_WAITS_S,
)
from solvent.systems.payments.collection.model import (
    Decline,
    FinalStep,
    NextStep,
    Policy,
)
from solvent.systems.payments.model import Provider


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next, and when."""

    kind: NextStep
    at: datetime


def after_failure(
    policy: Policy, decline: Decline, *, first_failed_at: datetime, now: datetime
) -> Step | None:
    """Return what follows a failure of this class; None where only a human can help.

    A refusal of the provider is nothing that time or the customer mends, so nothing follows it.
    """
    if decline is Decline.REFUSED:
        return None
    gives_up = first_failed_at + timedelta(days=policy.give_up_days)
    for days in policy.retries.get(decline, ()):
        at = first_failed_at + timedelta(days=days)
        if now < at <= gives_up:
            return Step(NextStep.RETRY, at)
    return Step(NextStep.GIVE_UP, max(gives_up, now))


def wait_for_outcome(provider: Provider, tries: int) -> timedelta:
    """Return how long to wait, in real time, before a provider is asked for the unknown again."""
    wait_s = UNKNOWN_WAITS_S[min(tries, len(UNKNOWN_WAITS_S) - 1)]
    return timedelta(seconds=max(wait_s, QUIET_S) if provider is Provider.PADDLE else wait_s)


def check(policy: Policy) -> Policy:
    """Return a policy that can be followed.

    Raises:
        PolicyMalformed: names the field.
    """
    if not 0 <= policy.give_up_days <= DAYS_MAX:
        message = f"expected 0 to {DAYS_MAX} days"
        raise PolicyMalformed(message, field="give_up_days")
    for decline, days in policy.retries.items():
        _check_days(decline, days, policy.give_up_days)
    if policy.retries.get(Decline.HARD):
        message = "what failed for good is never tried again with the same card"
        raise PolicyMalformed(message, field="retries.hard")
    if policy.retries.get(Decline.REFUSED):
        message = "what the provider refuses is tried again by hand only"
        raise PolicyMalformed(message, field="retries.refused")
    return policy


def _check_days(decline: Decline, days: Sequence[int], give_up_days: int) -> None:
    rising = all(before < after for before, after in zip((0, *days), days, strict=False))
    if not rising or len(days) > RETRIES_MAX or (days and days[-1] > give_up_days):
        message = (
            f"expected at most {RETRIES_MAX} days in rising order, from 1 to {give_up_days},"
            " the day to give up"
        )
        raise PolicyMalformed(message, field=f"retries.{decline}")


def read(document: Mapping[str, object]) -> Policy:
    """Return the policy that a JSON document says; what it leaves out is as without it.

    Raises:
        PolicyMalformed: names the field.
    """
    base = Policy()
    retries = dict(base.retries)
    for name, days in _table(document.get("retries")).items():
        retries[_decline(name)] = _days(name, days)
    return check(
        Policy(
            automatic=_flag(document.get("automatic", base.automatic)),
            retries=retries,
            give_up_days=_whole(document.get("give_up_days", base.give_up_days), "give_up_days"),
            final=_final(document.get("final", base.final)),
        )
    )


def written(policy: Policy) -> dict[str, object]:
    """Return the JSON document that says a policy."""
    return {
        "automatic": policy.automatic,
        "retries": {name.value: list(days) for name, days in policy.retries.items()},
        "give_up_days": policy.give_up_days,
        "final": policy.final.value,
    }


def _table(value: object) -> Mapping[str, object]:
    """Return an object; what is left out, or empty, is one without fields."""
    if not value:
        return {}
    if not isinstance(value, Mapping):
        raise PolicyMalformed("expected an object of lists of days", field="retries")
    return cast("Mapping[str, object]", value)


def _decline(name: object) -> Decline:
    try:
        return Decline(str(name))
    except ValueError:
        message = "expected one of " + ", ".join(Decline)
        raise PolicyMalformed(message, field="retries", given=str(name)[:64]) from None


def _days(name: object, days: object) -> tuple[int, ...]:
    if not isinstance(days, list | tuple):
        raise PolicyMalformed("expected a list of days", field=f"retries.{name}")
    return tuple(_whole(one, f"retries.{name}") for one in cast("Sequence[object]", days))


def _whole(value: object, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PolicyMalformed("expected a whole number of days", field=field)
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise PolicyMalformed("expected true or false", field="automatic")
    return value


def _final(value: object) -> FinalStep:
    try:
        return FinalStep(str(value))
    except ValueError:
        message = "expected one of " + ", ".join(FinalStep)
        raise PolicyMalformed(message, field="final") from None
