"""Does a dispatcher outlive what its surroundings do not answer?"""

from __future__ import annotations

import asyncio

from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.dispatch.run import ask_server_time
from solvent.kit.jobs.log import MemoryLog
from solvent.kit.testing import eventually

NOW_NS = 1_000_000_000_000


class Mute:
    """A post over which nobody is heard, and a wire that answers nothing."""

    generation = 1

    def publish(self, subject, data, *, reply="") -> None:
        """Say nothing."""

    def subscribe(self, subject, take) -> int:
        return 1

    def unsubscribe(self, sid) -> None:
        """Hear nothing."""

    async def request(self, subject, data, *, timeout_s):
        raise TimeoutError


async def test_a_log_server_that_does_not_tell_the_time_is_asked_again() -> None:
    """It does not while a leader is elected; a dispatcher that starts just then must live on."""
    answers = [ask_server_time(Mute()), asyncio.sleep(0, NOW_NS)]
    dispatcher = Dispatcher(
        MemoryLog(lambda: NOW_NS), Mute(), name="d", host="h", ask_time=lambda: answers.pop(0)
    )
    running = asyncio.create_task(dispatcher.run())
    await eventually(
        lambda: asyncio.sleep(0, dispatcher.is_live or running.done()), until=bool, within_s=20
    )
    assert dispatcher.is_live
    assert not running.done()
    assert NOW_NS <= dispatcher.now_ns() < NOW_NS + 20 * 10**9
    running.cancel()
    await asyncio.wait({running})
