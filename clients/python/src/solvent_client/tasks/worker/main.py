"""How is a worker started from the command line?"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from solvent_client.tasks.errors import OptionInvalid, QueueUnreachable
from solvent_client.tasks.worker import lifeline
from solvent_client.tasks.worker.worker import Worker, WorkerOptions

if TYPE_CHECKING:
    from solvent_client.tasks.app import Tasks

log = logging.getLogger("solvent_client.tasks")

USAGE: Final = 2
AWAY: Final = 75
"""The log cannot be reached: EX_TEMPFAIL of sysexits.h."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker, or several; return the exit code: 2 for a wrong command line, 75 for no log."""
    told = _parser().parse_args(arguments)
    logging.basicConfig(
        level=told.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if told.processes > 1:
        from solvent_client.tasks.worker.processes import Pool

        given = list(sys.argv[1:] if arguments is None else arguments)
        return Pool(given, told.processes, drain=told.drain, name=told.name).run()
    try:
        app = load_app(told.app)
        options = WorkerOptions(
            concurrency=told.concurrency,
            queues=tuple(part for part in told.queues.split(",") if part),
            drain=told.drain,
            name=told.name,
        )
        asyncio.run(_work(app, options))
    except OptionInvalid as error:
        print(f"solvent-worker: {error}", file=sys.stderr)  # noqa: T201 - a command says so
        return USAGE
    except QueueUnreachable as error:
        print(f"solvent-worker: the queue cannot be reached: {error}", file=sys.stderr)  # noqa: T201
        return AWAY
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="solvent-worker", description="Run the tasks of an application."
    )
    parser.add_argument("app", help="where the application is: package.module:app")
    parser.add_argument(
        "-c", "--concurrency", type=int, default=10, help="jobs at once in a process (10)"
    )
    parser.add_argument(
        "-p", "--processes", type=int, default=1, help="processes, for work that holds the CPU (1)"
    )
    parser.add_argument(
        "-Q", "--queues", default="default", help="what it takes jobs from, with commas (default)"
    )
    parser.add_argument(
        "--drain", type=float, default=25.0, help="seconds for running jobs to end at a stop (25)"
    )
    parser.add_argument("--name", default="", help="the worker's name; it must be unique")
    parser.add_argument(
        "-l",
        "--log-level",
        "--loglevel",
        default="info",
        choices=["debug", "info", "warning", "error"],
        type=str.lower,
        help="what is logged (info)",
    )
    return parser


def load_app(place: str) -> Tasks:
    """Return the application at `package.module:name`.

    Raises:
        OptionInvalid: there is none.
    """
    module, _, name = place.partition(":")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a path entry is text
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise OptionInvalid(f"app: there is no module {module!r} here") from error
    for part in (name or "app").split("."):
        found = getattr(found, part, None)
    made = getattr(found, "solvent", found)
    if not hasattr(made, "tasks") or not hasattr(made, "engine"):
        raise OptionInvalid(f"app: expected module:app, an application of tasks, got {place!r}")
    return made


async def _work(app: Tasks, options: WorkerOptions) -> None:
    worker = Worker(app, options)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)

    def orphaned() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(worker.stop)

    lifeline.watch(orphaned, patience_s=options.drain + lifeline.GRACE_S)
    await worker.run()
