"""Whose application is it that connects, and what may it do in the queue?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from solvent.kit.ctx import Edge, Principal
from solvent.kit.errors import Denied, SolventError, Unauthenticated
from solvent.kit.http import Authenticator, Credentials, RefusalLog
from solvent.kit.jobs.access.grant import SCOPE_SUBMIT, SCOPE_WORK, Grant
from solvent.systems.queue.errors import KeyOpensNoQueue

USER_KEY = "key"
ASKED = "queue connection"


@dataclass(frozen=True, slots=True)
class KeyAdmitter:
    """Implements `kit.jobs.access.Admitter` by the API keys of tenants."""

    edge: Edge
    authenticator: Authenticator
    refusal_log: RefusalLog

    async def __call__(self, user: str, password: str) -> Grant:
        """Return what a key opens: its own tenant's space, by the scopes `queue:submit` and `work`.

        The user is the tenant's id, or `key`.

        Raises:
            Unauthenticated: no key, one that is revoked or expired, or another tenant's.
            KeyOpensNoQueue: it has neither of the scopes.
        """
        try:
            who = await self._recognize(password)
        except Unauthenticated as refused:
            await self.refusal_log(self.edge, refused, by=None, asked=ASKED)
            raise
        try:
            return _grant(user, who)
        except SolventError as refused:
            await self.refusal_log(self.edge, refused, by=who, asked=ASKED)
            raise

    async def _recognize(self, password: str) -> Principal:
        credentials = Credentials(bearer=password, session=None, host="")
        if not password or not password.isascii():
            raise Unauthenticated
        async with self.edge.admit(partial(self.authenticator, credentials=credentials)) as ctx:
            return Principal(ctx.tenant_id, ctx.actor)


def _grant(user: str, who: Principal) -> Grant:
    if user not in {USER_KEY, who.tenant_id} or who.actor.kind != "api_key":
        raise Denied("this key is another tenant's", field="user")
    submit, work = who.actor.may(SCOPE_SUBMIT), who.actor.may(SCOPE_WORK)
    if not submit and not work:
        raise KeyOpensNoQueue
    return Grant(who.tenant_id, submit=submit, work=work)
