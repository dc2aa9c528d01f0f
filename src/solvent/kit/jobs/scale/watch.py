"""How does a scaler see the workers, and what waits for them? Through a dispatcher beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from nats.aio.client import Client

from solvent.kit.jobs.dispatch.fleet import Lane, Worker
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.dispatch.post import work_subject
from solvent.kit.jobs.scale.model import Pool, S, Seen
from solvent.kit.jobs.scale.ports import InHand

DRAIN: Final = msgspec.msgpack.encode({"drain": True})
WANTED_S: Final = 2.0
"""A dispatcher says twice a second what is wanting; what it says no more is wanting no more."""


@dataclass(slots=True)
class DispatcherWatch:
    """Implements `Watch` for scalers, and the port by which a dispatcher says what is wanting."""

    bus: Client
    dispatcher: Callable[[], Dispatcher | None]
    """Returns the dispatcher of this process, once there is one."""
    wanted: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def want(self, lanes: Sequence[Lane]) -> None:
        """Note which queues have jobs and no worker below the bounds; does not wait."""
        at = self.now_ns()
        self.wanted |= {(lane.space.name, lane.queue): at for lane in lanes}

    def now_ns(self) -> int:
        """Return a time that only grows: the rules look at durations alone."""
        return time.monotonic_ns()

    def workers(self, pool: Pool) -> Sequence[Seen]:
        """Return the pool's workers that are heard."""
        return [_seen(one) for one in self._of(pool) if one.beat is not None and not one.lost]

    def pending(self, pool: Pool) -> int:
        """Return about how many jobs of the pool's queues wait for a worker; never fewer."""
        dispatcher = self.dispatcher()
        if dispatcher is None:
            return 0
        lanes = dispatcher.view.fleet.lanes
        found = [lanes.get((pool.space, queue)) for queue in pool.queues]
        return sum(lane.backlog for lane in found if lane is not None)

    def wanting(self, pool: Pool) -> bool:
        """Return whether a queue of the pool was said to want a worker just now."""
        recent = self.now_ns() - round(WANTED_S * S)
        self.wanted = {lane: at for lane, at in self.wanted.items() if at >= recent}
        return any((pool.space, queue) in self.wanted for queue in pool.queues)

    def in_hands(self, pool: Pool, worker: str) -> Sequence[InHand]:
        """Return the jobs that the log has assigned to a worker."""
        dispatcher = self.dispatcher()
        if dispatcher is None:
            return []
        found = dispatcher.view.fleet.workers.get((pool.space, worker))
        held = found.held.values() if found is not None else ()
        return [
            InHand(one.job.subject, one.job.seq, one.job.hash, one.fence)
            for one in held
            if one.fence and one.job.fence == one.fence
        ]

    async def drain(self, pool: Pool, worker: str) -> None:
        """Tell a worker to finish what it has and take no more."""
        await self.bus.publish(work_subject(pool.space, worker, "control"), DRAIN)

    def _of(self, pool: Pool) -> list[Worker]:
        dispatcher = self.dispatcher()
        if dispatcher is None:
            return []
        return [
            worker
            for worker in dispatcher.view.fleet.workers.values()
            if worker.space == pool.space
            and worker.beat is not None
            and not pool.queues.isdisjoint(worker.beat.queues)
        ]


def _seen(worker: Worker) -> Seen:
    beat = worker.beat
    return Seen(
        name=worker.id,
        serves=worker.probed and beat is not None and beat.state == "ready",
        held=len(worker.held),
        cpu=beat.cpu if beat else 0.0,
        memory=beat.memory if beat else 0.0,
    )
