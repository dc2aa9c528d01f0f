"""What does a network do at its worst? A TCP proxy that can freeze silently or cut off."""

import asyncio
import contextlib


class Proxy:
    """Passes bytes both ways until it is frozen (nothing moves or closes) or cut (all closes)."""

    def __init__(self, port):
        self.port = port
        self.flows = asyncio.Event()
        self.flows.set()
        self.refusing = False
        self.writers = set()

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        if self.refusing:
            writer.transport.abort()
            return
        await self.flows.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self.writers -= {writer, far_writer}

    async def _pump(self, reader, writer):
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                await self.flows.wait()
                writer.write(piece)
                await writer.drain()
        writer.close()

    def freeze(self):
        self.flows.clear()

    def cut(self):
        self.refusing = True
        for writer in self.writers:
            writer.transport.abort()

    def heal(self):
        self.refusing = False
        self.flows.set()

    async def stop(self):
        self.heal()
        self.cut()
        self.server.close()
