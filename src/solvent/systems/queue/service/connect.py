"""What does an application need to know to submit and work here?"""

from __future__ import annotations

from dataclasses import dataclass

from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.jobs.access.grant import SCOPE_SUBMIT, SCOPE_WORK
from solvent.kit.jobs.link import JobsLink
from solvent.systems.queue.settings import QueueSection

KEY_NAME = "queue worker"
SUBMITTER_NAME = "queue submitter"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where to connect, as whom; `key` is shown once, empty where none was issued."""

    url: str
    space: str
    key: str = ""

    @property
    def environment(self) -> tuple[tuple[str, str], ...]:
        """The variables that `solvent-client` reads."""
        told = (("SOLVENT_QUEUE_URL", self.url), ("SOLVENT_QUEUE_SPACE", self.space))
        return (*told, ("SOLVENT_QUEUE_KEY", self.key)) if self.key else told


async def door_url(link: JobsLink, settings: QueueSection) -> str:
    """Return what applications are told to connect to: the door that is open, and no other's.

    Raises:
        DoorShut: none is open.
    """
    if settings.door_url:
        return settings.door_url
    port = await link.door_port()
    scheme = "tls" if settings.door_certificate else "nats"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.door_host, settings.door_host)  # noqa: S104 - not bound here
    return f"{scheme}://{host}:{port}"


async def connect(ctx: Ctx, url: str, *, submit_only: bool) -> Connection:
    """Issue a key for an application and return all that it must know; needs `api_keys:write`."""
    issued = await tenants.issue_key(
        ctx,
        name=SUBMITTER_NAME if submit_only else KEY_NAME,
        asked_scopes=[SCOPE_SUBMIT] if submit_only else [SCOPE_SUBMIT, SCOPE_WORK],
    )
    return Connection(url, ctx.tenant_id, issued.text)
