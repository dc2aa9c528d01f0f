"""What may an application that holds a key of a tenant publish and hear?

Subjects end where the tenant's token ends: nothing of another space, of the JetStream API or of the
system account is ever named. No answer is allowed to a reply subject (`allow_responses`): whoever
hears a subject that they can also publish to would choose what they are allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

SCOPE_SUBMIT = "queue:submit"
SCOPE_WORK = "queue:work"

SUBSCRIPTIONS_MAX = 64
PAYLOAD_BYTES_MAX = 1_048_576
SPACE = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
INBOX = "_INBOX"


@dataclass(frozen=True, slots=True)
class Grant:
    """A space of the log, and whether it may be submitted to and worked in."""

    space: str
    submit: bool
    work: bool
    key_ends_at: datetime | None = None

    @property
    def inbox(self) -> str:
        """Where answers to this space's own questions come in."""
        return f"{INBOX}.{self.space}."

    @property
    def publish(self) -> tuple[str, ...]:
        """The subjects that may be published to."""
        records = (f"job.{self.space}.*", f"cron.{self.space}.*")
        reading = tuple(f"$JS.API.DIRECT.GET.JOBS.{one}" for one in records)
        working = (f"beat.{self.space}.>",) if self.work else ()
        return (*records, *reading, "dispatch.poke", *working)

    @property
    def subscribe(self) -> tuple[str, ...]:
        """The subjects that may be heard; who submits hears in the beats how far their jobs are."""
        working = (f"work.{self.space}.>",) if self.work else ()
        submitting = (f"beat.{self.space}.>",) if self.submit else ()
        return (f"{self.inbox}>", f"job.{self.space}.>", *working, *submitting)


class Admitter(Protocol):
    """Knows which key opens which space."""

    async def __call__(self, user: str, password: str) -> Grant:
        """Return what a key (the password) opens for a tenant (the user, or `key`: the key's own).

        Raises:
            Unauthenticated: the key is none, is revoked, or is another tenant's.
            Denied: it has neither of the two scopes.
            Unavailable: it cannot be told now.
        """
        ...
