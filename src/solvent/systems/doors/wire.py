"""How are the doors mounted?"""

from __future__ import annotations

from solvent.kit.wiring import Wiring
from solvent.systems.doors import cli, tasks
from solvent.systems.doors.limits import KEPT_DAYS
from solvent.systems.doors.told import SHAPES


def wire(wiring: Wiring) -> None:
    """Mount routes with the errors that their clients expect, and commands; forget old letters."""
    wiring.routes("solvent.systems.doors.api:ROUTERS")
    for prefix, shape in SHAPES.items():
        wiring.shape_errors(prefix, shape)
    wiring.command(cli.dead, name="usage dead")
    wiring.command(cli.door, name="door")
    wiring.forget("doors_letter", after_days=KEPT_DAYS)
    wiring.check("usage dead letters", tasks.check_letters)
