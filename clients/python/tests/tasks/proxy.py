"""What stands between a client and the log, and breaks the connection when it is told to?"""

import asyncio
import contextlib
import threading
from urllib.parse import urlsplit


class Proxy:
    """A TCP proxy in a thread of its own.

    `break_on` is a text: once an answer of the server holds it, the connection is cut before the
    client sees that answer, `times` times.
    """

    def __init__(self, url):
        self._target = urlsplit(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.break_on = b""
        self.times = 0
        self.cuts = 0
        self.swallow = b""
        """Answers that hold this text never arrive."""

    def __enter__(self):
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        self.url = f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._server = server
        return self

    def __exit__(self, *fault):
        async def stop():
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def cut_on(self, text, times=1):
        self.break_on, self.times = text, times

    async def _listen(self):
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _serve(self, reader, writer):
        up_reader, up_writer = await asyncio.open_connection(
            self._target.hostname, self._target.port
        )
        there = asyncio.create_task(self._copy(reader, up_writer))
        back = asyncio.create_task(self._copy(up_reader, writer, watch=True))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            for one in (writer, up_writer):
                one.close()

    async def _copy(self, reader, writer, *, watch=False):
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                if watch and self.times > 0 and self.break_on in chunk:
                    self.times -= 1
                    self.cuts += 1
                    return
                if watch and self.swallow and self.swallow in chunk:
                    continue
                writer.write(chunk)
                await writer.drain()
