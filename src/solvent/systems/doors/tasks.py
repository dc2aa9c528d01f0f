"""What happens to dead letters behind the requests: forgetting, and being told of?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kit.ctx import Ctx, Edge
from solvent.kit.log import get_logger
from solvent.systems.doors import service
from solvent.systems.doors.limits import FORGET_BATCH, KEPT_DAYS
from solvent.systems.doors.store import letters as store

log = get_logger(__name__)


async def forget_old(edge: Edge) -> None:
    """Forget letters that are older than letters are kept, whatever became of them."""
    before = edge.clock.now() - timedelta(days=KEPT_DAYS)
    async with edge.db.transaction() as tx:
        forgotten = await store.forget(tx, before=before, limit=FORGET_BATCH)
    if forgotten:
        log.warning("usage_dead_letters_forgotten", count=forgotten)


async def check_letters(ctx: Ctx) -> list[tuple[str, str]]:
    """No usage waits that could not be counted."""
    found = await service.count_letters(ctx)
    return [(door.value, f"{many} events wait: {reason}") for door, reason, many in found]
