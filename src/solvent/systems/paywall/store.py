"""Which SQL does the paywall need of its own?"""

from __future__ import annotations

from datetime import datetime

from solvent.kit.db import Tx


async def read_clock(tx: Tx) -> datetime:
    """Return the database's time now, on the clock that beats are told in."""
    return await tx.fetchval("select clock_timestamp()")
