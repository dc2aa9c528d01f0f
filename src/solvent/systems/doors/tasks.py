"""What is told of dead letters behind the requests?"""

from __future__ import annotations

from solvent.kit.ctx import Ctx
from solvent.systems.doors import service


async def check_letters(ctx: Ctx) -> list[tuple[str, str]]:
    """No usage waits that could not be counted."""
    found = await service.count_letters(ctx)
    return [(door.value, f"{many} events wait: {reason}") for door, reason, many in found]
