"""May this job start now, as far as its concurrency key and its rate go?

A job that may not is parked with its gate, off the lane's heap, and comes back to its lane when
the gate has room, so that it costs O(log n) however long it waits.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from solvent.kit.jobs.dispatch.fleet import rank_of
from solvent.kit.jobs.dispatch.heaps import JobHeap
from solvent.kit.jobs.job import Job

if TYPE_CHECKING:
    from solvent.kit.jobs.dispatch.fleet import Lane
    from solvent.kit.jobs.record import Rate


class Gate:
    """Jobs that wait for room, by lane: one lane without workers must not hold up another."""

    __slots__ = ("parked",)

    def __init__(self) -> None:
        """Begin empty."""
        self.parked: dict[Lane, JobHeap] = {}

    def park(self, job: Job, lane: Lane) -> None:
        """Let the job wait here."""
        heap = self.parked.get(lane)
        if heap is None:
            heap = self.parked[lane] = JobHeap()
            lane.gates.add(self)
        heap.push(rank_of(job), job)

    def unpark(self, room: int) -> list[tuple[Lane, Job]]:
        """Take out the first jobs of each lane, as many as have room."""
        freed: list[tuple[Lane, Job]] = []
        for lane, heap in list(self.parked.items()):
            for _ in range(room):
                job = heap.pop()
                if job is None:
                    del self.parked[lane]
                    lane.gates.discard(self)
                    break
                freed.append((lane, job))
        return freed


class KeyGate(Gate):
    """At most so many jobs of a key are assigned at once; those in order, one after another."""

    __slots__ = ("admitted", "line", "running")

    def __init__(self) -> None:
        """Begin with room for all."""
        super().__init__()
        self.running = 0
        self.line = JobHeap()
        """Jobs in order that have not had their turn, in the order of the log."""
        self.admitted: set[str] = set()
        """The keys of those whose turn it is, until they have ended."""

    @property
    def idle(self) -> bool:
        """Whether nobody needs it."""
        return not (self.running or self.admitted or len(self.line) or self.parked)

    def has_room(self, job: Job) -> bool:
        """Return whether one more may be assigned."""
        return self.running < max(job.spec.key_limit, 1)

    def queue_up(self, job: Job) -> None:
        """Let a job in order wait for its turn."""
        self.line.push(job.submitted_seq, job)

    def admit(self) -> Job | None:
        """Return the next job in order if its turn has come; it keeps it until it has ended."""
        job = self.line.peek()
        if job is None or len(self.admitted) >= max(job.spec.key_limit, 1):
            return None
        self.line.pop()
        self.admitted.add(job.key)
        return job


class RateGate(Gate):
    """At most `count` starts in any `per_ns` of the log's clock."""

    __slots__ = ("armed", "asked", "count", "per_ns", "starts")

    def __init__(self) -> None:
        """Begin with no start."""
        super().__init__()
        self.count = 1
        self.per_ns = 0
        self.starts: deque[int] = deque()
        """Those that the log has taken, within the window."""
        self.asked = 0
        """Those that are proposed: their time is not known yet, so they all count."""
        self.armed = False

    def room(self, rate: Rate, now_ns: int) -> int:
        """Return how many more may start now."""
        self.count, self.per_ns = max(rate.count, 1), rate.per_ns
        return self.room_now(now_ns)

    def room_now(self, now_ns: int) -> int:
        """Return how many more may start now, by the rate that was named last."""
        starts = self.starts
        while starts and starts[0] <= now_ns - self.per_ns:
            starts.popleft()
        return self.count - len(starts) - self.asked
