"""What runs the real dispatcher beside the tests? `python dispatching.py nats://…`."""

import asyncio
import signal
import sys

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.log import Append
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.jobs.record import Scaled, encode


async def main(url: str) -> None:
    login = NatsLogin(url)
    await ensure_log(login)
    log = await NatsLog.open(login, name="test-dispatcher")
    if (await log.bounds()).last == 0:
        await log.append(
            [Append("scaling.test", None, encode(Scaled("test", "none", "begin", {})))]
        )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    dispatcher = Dispatcher(log, log.wire, name="test-dispatcher", host="elsewhere")
    work = asyncio.create_task(dispatcher.run())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.wait({work, asyncio.create_task(stop.wait())}, return_when="FIRST_COMPLETED")
    work.cancel()
    await asyncio.wait({work})
    await log.close()
    if not work.cancelled():
        work.result()  # it has failed: say how


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
