"""What do tenants add to the program?"""

from __future__ import annotations

from solvent.kernel.audit.ports import HeadSigner
from solvent.kernel.signing.events import KeyMade, KeyRevoked
from solvent.kernel.tenants import cli, tasks
from solvent.kernel.tenants.proof import TenantHeadSigner
from solvent.kernel.tenants.service import KeyAuthenticator, RefusedRequests
from solvent.kit.clock import SystemClock
from solvent.kit.http import Authenticator, RefusalLog
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount routes and commands; let requests in or record why not; sign audit proofs."""
    wiring.routes("solvent.kernel.tenants.api:ROUTERS")
    for name, command in cli.COMMANDS.items():
        wiring.command(command, name=name)
    wiring.bind(Authenticator, KeyAuthenticator(SystemClock()))
    wiring.bind(RefusalLog, RefusedRequests())
    wiring.bind(HeadSigner, TenantHeadSigner())
    wiring.react(KeyMade, tasks.on_keys_made)
    wiring.react(KeyRevoked, tasks.on_keys_revoked)
