"""What does the audit log add to the program?"""

from __future__ import annotations

from solvent.kernel.audit import cli, tasks
from solvent.kernel.audit.ports import HeadSigner
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount routes, commands and a check; who signs heads is looked up when a command runs."""
    wiring.routes("solvent.kernel.audit.api:router")
    wiring.command(cli.commands(lambda: wiring.port(HeadSigner)), name="audit")
    wiring.check("audit", tasks.check_chain)
