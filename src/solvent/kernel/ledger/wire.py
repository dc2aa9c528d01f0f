"""What does the ledger mount?"""

from __future__ import annotations

from solvent.kernel.ledger.cli import app
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the commands; routes and the cycle that draws invoices are `systems/billing`'s."""
    wiring.command(app, name="ledger")
