"""What does an application need to know to submit and work here?"""

from __future__ import annotations

from dataclasses import dataclass

from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.jobs.access.grant import SCOPE_SUBMIT, SCOPE_WORK

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


async def connect(ctx: Ctx, url: str, *, submit_only: bool) -> Connection:
    """Issue a key for an application and return all that it must know; needs `api_keys:write`."""
    issued = await tenants.issue_key(
        ctx,
        name=SUBMITTER_NAME if submit_only else KEY_NAME,
        asked_scopes=[SCOPE_SUBMIT] if submit_only else [SCOPE_SUBMIT, SCOPE_WORK],
    )
    return Connection(url, ctx.tenant_id, issued.text)
