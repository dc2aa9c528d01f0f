"""Who answers when the NATS server asks whether a connection may come in?

The server asks about everybody but the house's own users, which stand in its configuration: those
come in while nobody answers here. Admitted is who comes through our door (it seals what it passes
on) with a key that opens a space; the permission ends with the token, an hour at most.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from nats.aio.client import Client
from nats.aio.msg import Msg

from solvent.kit.clock import Clock
from solvent.kit.crypto import same
from solvent.kit.errors import SolventError
from solvent.kit.jobs.access import token
from solvent.kit.jobs.access.grant import Admitter, Grant
from solvent.kit.log import get_logger
from solvent.kit.nkey import Keypair

SUBJECT = "$SYS.REQ.USER.AUTH"
GROUP = "solvent-callout"
TOKEN_S = 3_600

log = get_logger(__name__)


def seal_of(issuer: Keypair) -> str:
    """Return what our doors put on each connection, so that one past them is told from it."""
    return hmac.new(issuer.seed.encode(), b"solvent queue door", hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Callout:
    """Answers the server's questions; any number may, each question is answered by one."""

    bus: Client
    issuer: Keypair
    admitter: Admitter
    clock: Clock
    account: str = "SOLVENT"

    @asynccontextmanager
    async def answering(self) -> AsyncGenerator[None]:
        """Answer for the length of the block."""
        subscription = await self.bus.subscribe(SUBJECT, queue=GROUP, cb=self._answer)
        await self.bus.flush()
        try:
            yield
        finally:
            if not self.bus.is_closed:
                await subscription.unsubscribe()

    async def _answer(self, message: Msg) -> None:
        try:
            asked = token.read_request(message.data)
        except token.RequestUnbelievable as odd:
            log.warning("callout_request_ignored", reason=str(odd))
            return
        await message.respond(await self._decide(asked))

    async def _decide(self, asked: token.Asked) -> bytes:
        now_s = int(self.clock.now().timestamp())
        if not same(asked.seal.encode(), seal_of(self.issuer).encode()):
            log.info("callout_refused", reason="past the door", host=asked.host)
            return token.refuse(self.issuer, asked, "connect through the door", now_s=now_s)
        try:
            grant = await self.admitter(asked.user, asked.password)
        except SolventError as refused:
            log.info("callout_refused", reason=refused.code, host=asked.host)
            return token.refuse(self.issuer, asked, refused.code, now_s=now_s)
        return token.admit(
            self.issuer,
            asked,
            grant,
            account=self.account,
            now_s=now_s,
            ends_s=min(now_s + TOKEN_S, _end(grant, now_s)),
        )


def _end(grant: Grant, now_s: int) -> int:
    at: datetime | None = grant.key_ends_at
    return int(at.timestamp()) if at else now_s + TOKEN_S
