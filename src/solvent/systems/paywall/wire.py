"""Where does the program meet the paywall?"""

from __future__ import annotations

from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the routes: the stream first, whose address would else be a customer's."""
    wiring.routes("solvent.systems.paywall.api:streams")
    wiring.routes("solvent.systems.paywall.api:router")
