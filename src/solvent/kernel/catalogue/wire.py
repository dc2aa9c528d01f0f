"""Where does the program meet the catalogue?"""

from __future__ import annotations

from solvent.kernel.catalogue.cli import catalogue
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the routes and commands."""
    wiring.routes("solvent.kernel.catalogue.api:router")
    wiring.command(catalogue, name="catalogue")
