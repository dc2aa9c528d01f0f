"""Who does the work that nobody waits for: relaying events, handling them, running jobs?"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

from nats.aio.msg import Msg

from solvent.app import environment, process
from solvent.app.doctor import examining
from solvent.app.house import House, open_house
from solvent.app.housekeeping import forgetting, watch_catalogue, watch_settings
from solvent.app.process import Surroundings, surroundings
from solvent.kit.bus.consume import Consumer
from solvent.kit.bus.relay import Relay
from solvent.kit.bus.stream import SUBJECT_METRICS, SUBJECT_NUDGE
from solvent.kit.jobs.beside import Beside
from solvent.kit.jobs.link import JobsLink
from solvent.kit.jobs.runtime import JobRuntime
from solvent.kit.jobs.scale.watch import DispatcherWatch
from solvent.kit.log import get_logger
from solvent.kit.telemetry import metrics_text

log = get_logger(__name__)


async def work(house: House, *, data_dir: Path | None = None) -> None:
    """Run the relay, every handler and the jobs until cancelled.

    With a data directory also what systems run beside the worker: listeners, scalers.
    """
    own = {one.name: one for one in (forgetting(house.wiring), examining(house.wiring))}
    periodics = {**house.wiring.periodics, **own}
    jobs = JobRuntime(house.system, house.edge, house.log_place, house.wiring.jobs, periodics)
    jobs.scaler = watch = DispatcherWatch(house.bus, lambda: jobs.dispatcher)

    async def wake_jobs(message: object) -> None:
        del message
        jobs.nudged.set()

    async def tell_metrics(message: Msg) -> None:
        await message.respond(metrics_text())

    await house.bus.subscribe(SUBJECT_NUDGE, cb=wake_jobs)
    await house.bus.subscribe(SUBJECT_METRICS, cb=tell_metrics)
    async with asyncio.TaskGroup() as group:
        group.create_task(Relay(house.system, house.bus).run())
        group.create_task(jobs.run())
        group.create_task(watch_settings(house))
        group.create_task(watch_catalogue(house))
        for handler in house.wiring.handlers.values():
            consumer = Consumer(handler, house.edge, house.bus, house.registry)
            group.create_task(consumer.run())
        if data_dir is not None:
            around = _beside(house, watch, data_dir)
            for run_beside in house.wiring.besides.values():
                group.create_task(run_beside(around))


def _beside(house: House, watch: DispatcherWatch, data_dir: Path) -> Beside:
    link = JobsLink()
    link.connect(house.log_place.login, house.bus)
    return Beside(
        house.edge,
        house.system,
        house.bus,
        link,
        watch,
        secrets_dir=data_dir / "secrets",
        log_dir=data_dir / "log",
        environment=environment.inherited(),
    )


async def run(around: Surroundings) -> None:
    """Work until told to stop."""
    async with open_house(
        around.access, around.settings, vault=around.vault, name="solvent-worker"
    ) as house:
        task = asyncio.create_task(work(house, data_dir=around.data_dir))
        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, task.cancel)
        process.settle()
        log.info("worker_ready", handlers=len(house.wiring.handlers))
        with contextlib.suppress(asyncio.CancelledError):
            await task


def main() -> None:
    """Run the worker process."""
    asyncio.run(run(surroundings("worker")))


if __name__ == "__main__":
    main()
