"""What does the key ring add to the program?"""

from __future__ import annotations

from solvent.kernel.signing import api
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the routes."""
    wiring.routes(api.router)
