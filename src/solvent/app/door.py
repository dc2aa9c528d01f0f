"""How does a command reach the engines that `solvent up` runs?"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from solvent.app import environment
from solvent.app.house import House, open_house, open_vault
from solvent.app.running import read_running, told_away
from solvent.kit.ctx import Edge
from solvent.kit.errors import Unavailable


@contextlib.asynccontextmanager
async def open_engines() -> AsyncGenerator[Edge]:
    """Yield the way into transactions on the engines of SOLVENT_DATA_DIR; raises as `open_here`."""
    async with open_here() as house:
        yield house.edge


@contextlib.asynccontextmanager
async def open_here() -> AsyncGenerator[House]:
    """Yield the house on the engines of SOLVENT_DATA_DIR.

    Raises:
        NotRunning: there are none, or those that were there are gone.
        Unavailable: an engine that was given by URL cannot be reached.
    """
    data_dir, settings = environment.data_dir(), environment.settings()
    access = read_running(data_dir)  # before the vault, which makes its key where there is none
    vault = open_vault(settings, secrets_dir=data_dir / "secrets")
    async with contextlib.AsyncExitStack() as stack:
        opening = open_house(access, settings, vault=vault, name="solvent-cli")
        try:
            house = await stack.enter_async_context(opening)
        except Unavailable as away:
            raise told_away(away, data_dir, settings.engines) from away
        yield house
