"""Where does the program meet the paywall?"""

from __future__ import annotations

from solvent.kit.wiring import Wiring
from solvent.systems.paywall import api


def wire(wiring: Wiring) -> None:
    """Mount the routes: the stream first, whose address would else be a customer's."""
    wiring.routes(api.streams)
    wiring.routes(api.router)
