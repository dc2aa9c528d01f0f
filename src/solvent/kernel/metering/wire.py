"""Where does the program meet metering?"""

from __future__ import annotations

from solvent.kernel.metering.cli import meter, usage
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the routes and the commands."""
    wiring.routes("solvent.kernel.metering.api:router")
    wiring.command(usage, name="usage")
    wiring.command(meter, name="meter")
