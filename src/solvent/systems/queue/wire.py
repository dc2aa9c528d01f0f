"""Where does the program meet the queue?"""

from __future__ import annotations

from solvent.kit.http import Authenticator, RefusalLog
from solvent.kit.wiring import Wiring
from solvent.systems.queue import cli, tasks
from solvent.systems.queue.service.limits import LimitsBook
from solvent.systems.queue.settings import QueueSection


def wire(wiring: Wiring) -> None:
    """Mount routes and commands; run the door, the desk, metering and the scaler by the worker."""
    section = wiring.settings.get(QueueSection)
    settings = section if isinstance(section, QueueSection) else QueueSection()
    book = LimitsBook(settings.sold_by)
    wiring.routes("solvent.systems.queue.api:router", settings, book)
    wiring.command(cli.app, name="queue")
    runner = tasks.Runner(settings, wiring.port(Authenticator), wiring.port(RefusalLog), book)
    wiring.beside("queue", runner.run)
