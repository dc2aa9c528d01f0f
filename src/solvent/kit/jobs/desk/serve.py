"""How does the desk hear questions on the log server?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from solvent.kit.jobs.desk.answers import Desk
from solvent.kit.jobs.desk.messages import GROUP, SUBJECT, Refused, decode_ask, encode
from solvent.kit.log import get_logger

ANSWERED_AT_ONCE = 4

log = get_logger(__name__)


@asynccontextmanager
async def answering(bus: Client, desk: Desk) -> AsyncGenerator[None]:
    """Answer for the length of the block; of several desks one answers each question."""
    room = asyncio.Semaphore(ANSWERED_AT_ONCE)

    async def take(message: Msg) -> None:
        async with room:
            await message.respond(await _answer(desk, message.data))

    subscription = await bus.subscribe(SUBJECT, queue=GROUP, cb=take)
    try:
        yield
    finally:
        if not bus.is_closed:
            await subscription.unsubscribe()


async def _answer(desk: Desk, data: bytes) -> bytes:
    if not desk.dispatcher.is_live:
        return encode(Refused("the log is still being read"))
    try:
        return encode(await desk.answer(decode_ask(data)))
    except msgspec.DecodeError as odd:
        return encode(Refused(f"not understood: {odd}"))
    except Exception as fault:
        log.exception("desk_failed")
        return encode(Refused(f"{type(fault).__name__}"))
