"""How are the doors mounted?"""

from __future__ import annotations

from datetime import timedelta

from solvent.kit.wiring import Wiring
from solvent.systems.doors import cli, tasks
from solvent.systems.doors.told import SHAPES

FORGET_EVERY = timedelta(hours=1)


def wire(wiring: Wiring) -> None:
    """Mount routes with the errors that their clients expect, and commands; forget old letters."""
    wiring.routes("solvent.systems.doors.api:ROUTERS")
    for prefix, shape in SHAPES.items():
        wiring.shape_errors(prefix, shape)
    wiring.command(cli.dead, name="usage dead")
    wiring.command(cli.door, name="door")
    wiring.periodic("doors.forget_old", every=FORGET_EVERY, run=tasks.forget_old)
    wiring.check("usage dead letters", tasks.check_letters)
