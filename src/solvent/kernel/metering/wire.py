"""Where does the program meet metering?"""

from __future__ import annotations

from solvent.kernel.metering import import_cli, overlay_cli
from solvent.kernel.metering.cli import meter, usage_commands
from solvent.kernel.metering.ports import NobodyJudges, UsageJudge
from solvent.kit.wiring import Wiring


def wire(wiring: Wiring) -> None:
    """Mount the routes and the commands; who knows invoices is looked up when one runs."""

    def judge() -> UsageJudge:
        return wiring.port(UsageJudge) if UsageJudge in wiring.ports else NobodyJudges()

    wiring.routes("solvent.kernel.metering.api:router")
    wiring.routes("solvent.kernel.metering.overlay_api:router_of", judge)
    usage = usage_commands()
    overlay_cli.extend(usage, judge)
    import_cli.extend(usage, judge)
    wiring.command(usage, name="usage")
    wiring.command(meter, name="meter")
