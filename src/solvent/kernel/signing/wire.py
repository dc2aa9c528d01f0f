"""What does the key ring add to the program?"""

from __future__ import annotations

from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the routes."""
    wiring.routes("solvent.kernel.signing.api:router")
