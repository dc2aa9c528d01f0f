"""What does the ledger mount?"""

from __future__ import annotations

from solvent.kernel.ledger import service, tasks
from solvent.kernel.ledger.cli import app
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the commands and what time makes due; routes and the cycle are `systems/billing`'s."""
    wiring.command(app, name="ledger")
    wiring.job(service.JOB_GRANT_EXPIRED, tasks.run_grant_expired)
    wiring.check("books", tasks.check_books)
