"""How is one server cut off from its peers, while all processes run and clients reach it?

What servers say to each other passes through a door of each, on loopback. A server that is cut
off neither gets nor gives anything through any door until it is let in again; then the stalled
connections are closed, as a network that is whole again would have them.
"""

import asyncio
import contextlib
import threading

import psutil

CHUNK = 65_536


class Doors:
    """Proxies in a thread of their own; `doors` leads from each one's port to the real one."""

    def __init__(self, doors):
        """Prepare; use as a context."""
        self.doors = doors
        self.pids = {}
        """From the real port of a server to its process, by whoever starts it."""
        self.cut = set()
        """Real ports of the servers that are cut off."""
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.pairs = []

    def __enter__(self):
        """Listen."""
        self.thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *fault):
        """Close all."""
        self._call(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    def _call(self, work):
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def isolate(self, port):
        """Cut the server off that listens for its peers at this port."""
        self.cut.add(port)

    def heal(self):
        """Let all in again."""
        self.cut.clear()
        self._call(self._drop_all())

    async def _listen(self):
        self.servers = [
            await asyncio.start_server(self._server_of(real), "127.0.0.1", door)
            for door, real in self.doors.items()
        ]

    def _server_of(self, real):
        async def serve(reader, writer):
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._pass_on(reader, writer, real)
            writer.close()

        return serve

    async def _pass_on(self, reader, writer, real):
        source = self._port_of(writer.get_extra_info("peername")[1])
        away, there = await asyncio.open_connection("127.0.0.1", real)
        pair = {source, real}
        self.pairs += [writer, there]
        copies = [
            asyncio.create_task(self._copy(reader, there, pair)),
            asyncio.create_task(self._copy(away, writer, pair)),
        ]
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in copies:
                one.cancel()
            there.close()

    def _port_of(self, port):
        """Return the real port of the server whose connection comes from this port."""
        for real, pid in self.pids.items():
            with contextlib.suppress(psutil.Error):
                if any(c.laddr.port == port for c in psutil.Process(pid).net_connections("tcp")):
                    return real
        return 0

    async def _copy(self, reader, writer, pair):
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                while pair & self.cut:
                    await asyncio.sleep(0.05)
                writer.write(data)
                await writer.drain()

    async def _drop_all(self):
        for one in self.pairs:
            one.close()
        self.pairs.clear()

    async def _close(self):
        for one in self.servers:
            one.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
