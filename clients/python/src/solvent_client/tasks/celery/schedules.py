"""When does an entry of Celery's beat schedule tick, said as a cron expression?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, TypeAlias

from solvent_client.tasks.celery.exceptions import Unsupported

Field: TypeAlias = str | int | Iterable[int | str]
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class crontab:  # noqa: N801 - Celery's name
    """Ticks at the times of a cron expression, in the application's time zone."""

    def __init__(  # noqa: PLR0917 - Celery's
        self,
        minute: Field = "*",
        hour: Field = "*",
        day_of_week: Field = "*",
        day_of_month: Field = "*",
        month_of_year: Field = "*",
    ) -> None:
        days, weekdays = _field(day_of_month), _field(day_of_week).lower()
        if days != "*" and weekdays != "*":
            raise Unsupported(
                "crontab: day_of_month and day_of_week together: Celery ticks where both hold, cron"
                " where either does; keep one, and look for the other in the task"
            )
        for number, name in enumerate(_DAYS):
            for long in (f"{name}day", "wednesday", "thursday", "saturday", "tuesday"):
                if long.startswith(name):
                    weekdays = weekdays.replace(long, str(number))
            weekdays = weekdays.replace(name, str(number))
        self.cron = f"{_field(minute)} {_field(hour)} {days} {_field(month_of_year)} {weekdays}"

    def __repr__(self) -> str:
        return f"<crontab: {self.cron}>"


class schedule:  # noqa: N801 - Celery's name
    """Ticks each time so long a time has passed."""

    def __init__(self, run_every: timedelta | float) -> None:
        self.run_every = run_every
        self.cron = cron_of(run_every)


def solar(*_args: object, **_kwargs: object) -> None:
    """Refuse a schedule by the sun."""
    raise Unsupported("solar: there are no schedules by the sun; use crontab")


def cron_of(when: object) -> str:
    """Return the cron expression of a schedule.

    Raises:
        Unsupported: it ticks at fractions of a second, or is of an unknown kind.
    """
    if isinstance(when, crontab | schedule):
        return when.cron
    if isinstance(when, timedelta | int | float):
        seconds = when.total_seconds() if isinstance(when, timedelta) else float(when)
        if seconds >= 1 and seconds == int(seconds):
            return f"@every {int(seconds)}s"
        raise Unsupported(f"schedule: expected whole seconds, 1 or more, got {seconds:g}")
    raise Unsupported(f"schedule: expected crontab, timedelta or seconds, got {when!r}")


def _field(value: Field) -> str:
    if isinstance(value, str | int):
        return str(value).replace(" ", "")
    return ",".join(str(item) for item in sorted(value, key=str)) or "*"
