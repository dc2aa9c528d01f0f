"""What does a test kill that stands for a house? It starts a worker as a pool does, and waits."""

import asyncio
import os
import sys
from pathlib import Path

from solvent.kit.jobs.scale.providers.local import LocalProvider


async def main(command):
    provider = LocalProvider(command, dict(os.environ), Path(os.environ["SHOP_NOTES"]).parent)
    await provider.start("w1")
    os.write(2, b"%d\n" % provider.processes["w1"].pid)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1:]))
