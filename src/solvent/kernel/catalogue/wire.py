"""Where does the program meet the catalogue?"""

from __future__ import annotations

from solvent.kernel.catalogue.ports import LatestVersion, PriceChooser
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Offer everybody the latest version while nothing else is bound."""
    wiring.bind(PriceChooser, LatestVersion())
