"""How does a command reach the engines that `solvent up` runs?"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from solvent.app import environment
from solvent.app.house import open_house, open_vault
from solvent.app.running import read_running
from solvent.kit.ctx import Edge


@contextlib.asynccontextmanager
async def open_engines() -> AsyncGenerator[Edge]:
    """Yield the way into transactions on the engines of SOLVENT_DATA_DIR.

    Raises:
        NotRunning: there are none.
    """
    data_dir, settings = environment.data_dir(), environment.settings()
    access = read_running(data_dir)  # before the vault, which makes its key where there is none
    vault = open_vault(settings, secrets_dir=data_dir / "secrets")
    async with open_house(access, settings, vault=vault, name="solvent-cli") as house:
        yield house.edge
