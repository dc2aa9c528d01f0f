"""Which workers are there, what may each of them take, and whose turn is it?"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import msgspec

from solvent.kit.jobs.dispatch.heaps import JobHeap
from solvent.kit.jobs.job import Job
from solvent.kit.limits import REDELIVER_S, WORKER_LEASE_S

BUSY_SHARE: Final = 0.70
"""A node above this share of its CPU or memory gets work only where no other may have it."""

LOCAL, IDLE, BUSY = range(3)
"""In this order a worker is chosen: on the dispatcher's own node, on another one, on a busy one."""

NO_LIMIT: Final = 1 << 62
WORKERS_MAX: Final = 1_000
"""Workers of one space that are heard; beats of further ones are not."""

LEASE_NS: Final = WORKER_LEASE_S * 1_000_000_000
MISS_EVERY_NS: Final = 250_000_000
AGAIN_NS: Final = REDELIVER_S * 1_000_000_000
DEAF_NS: Final = 60 * 1_000_000_000
"""A worker that beats and for so long does not name what is delivered to it again and again."""


class Beat(msgspec.Struct, frozen=True):
    """What a worker says of itself, each second and at changes (docs/reference/queue-protocol)."""

    worker: str
    space: str
    queues: list[str]
    host: str = ""
    pid: int = 0
    slots: int = 1
    credit: int = 0
    """How many more jobs it would take."""
    held: list[int] = []
    """The fences of the jobs that it has and whose outcome is not on the log yet."""
    running: list[tuple[int, float | None, str]] = []
    state: str = "ready"
    cpu: float = 0.0
    memory: float = 0.0
    rss: int = 0
    version: str = ""
    started_ns: int = 0


@dataclass(slots=True, eq=False)
class Space:
    """How many jobs of a tenant are assigned, and how many may be."""

    name: str
    limit: int = NO_LIMIT
    running: int = 0
    workers: int = 0
    sleeping: set[Lane] = field(default_factory=set["Lane"])
    """Lanes that wait for the limit."""

    def has_room(self, lane: Lane) -> bool:
        """Return whether one more may be assigned; if not, let the lane sleep until it may."""
        if self.running < self.limit:
            return True
        self.sleeping.add(lane)
        return False


@dataclass(slots=True, eq=False)
class Held:
    """One permission to run: asked of the log (`fence` 0), or given by it."""

    job: Job
    worker: Worker
    lane: Lane
    suspect: bool
    """Its worker was lost before: it may be what kills workers."""
    fence: int = 0
    noted: bool = False
    """Whether the assignment has been read from the log."""
    asked: bool = False
    """Whether a rate counts it as proposed."""
    orphan: bool = False
    """Nobody has it any more, though its worker's name lives on."""
    unnamed_at_ns: int = 0
    """Since when the worker's beats do not name it; 0: the last one that was looked at did."""


@dataclass(slots=True, eq=False)
class Worker:
    """One worker as its beats tell; unknown until the first one, if only the log names it."""

    space: str
    id: str
    beat: Beat | None = None
    seen_at_ns: int = 0
    """When it was last heard, by this process's monotonic clock."""
    probed: bool = False
    lost: bool = False
    tier: int = BUSY
    capacity: int = 0
    """How many jobs it takes at once, those in its hands counted."""
    held: dict[str, Held] = field(default_factory=dict[str, Held])
    suspects: int = 0
    unseen: dict[int, tuple[str, int]] = field(default_factory=dict[int, "tuple[str, int]"])
    """Fences that no beat has named yet: the job's key, and when it was last delivered."""
    lanes: list[Lane] = field(default_factory=list["Lane"])
    unseated: bool = True
    """Some lane has taken it off its list."""

    @property
    def free(self) -> int:
        """How many jobs it may be given now."""
        return self.capacity - len(self.held)

    @property
    def serves(self) -> bool:
        """Whether it may be given work at all."""
        return self.probed and not self.lost and self.beat is not None


class Seats:
    """Workers in turn; one that fell out is left out when its turn comes."""

    __slots__ = ("_members", "_turn")

    def __init__(self) -> None:
        """Begin empty."""
        self._turn: deque[Worker] = deque()
        self._members: set[Worker] = set()

    def __len__(self) -> int:
        return len(self._turn)

    def add(self, worker: Worker) -> None:
        """Let the worker have its turn."""
        if worker not in self._members:
            self._members.add(worker)
            self._turn.append(worker)

    def take(self, tier: int | None) -> Worker | None:
        """Return the next worker that may take a job; of no tier: one that holds no suspect."""
        turn = self._turn
        while turn:
            worker = turn[0]
            fits = worker.suspects == 0 if tier is None else worker.tier == tier
            if fits and worker.capacity > len(worker.held) and worker.serves:
                turn.rotate(-1)
                return worker
            turn.popleft()
            self._members.discard(worker)
            worker.unseated = True
        return None


class Lane:
    """One queue of one space: the jobs that are ready there, and the workers that serve it."""

    __slots__ = ("active", "clean", "gates", "queue", "ready", "space", "suspects", "tiers")

    def __init__(self, space: Space, queue: str) -> None:
        """Begin empty."""
        self.space = space
        self.queue = queue
        self.ready = JobHeap()
        self.suspects = JobHeap()
        """Jobs whose worker was lost: at most one of them at a time goes to a worker."""
        self.tiers = (Seats(), Seats(), Seats())
        self.clean = Seats()
        self.active = False
        """Whether it takes part in the round."""
        self.gates: set[object] = set()
        """Where jobs of this lane are parked."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits here and nobody serves it."""
        seated = any(len(seats) for seats in (*self.tiers, self.clean))
        return not (seated or self.backlog or self.active or self.gates)

    @property
    def backlog(self) -> int:
        """About how many jobs wait here for a worker (never fewer than do)."""
        return len(self.ready) + len(self.suspects)

    def seat(self, worker: Worker) -> None:
        """Let a worker take its turns here."""
        self.tiers[worker.tier].add(worker)
        self.clean.add(worker)

    def next_for_suspects(self) -> Worker | None:
        """Return a worker that holds no suspect."""
        return self.clean.take(None)

    def next_worker(self) -> Worker | None:
        """Return whose turn it is, the local ones first and the busy ones last."""
        for tier, seats in enumerate(self.tiers):
            worker = seats.take(tier)
            if worker is not None:
                return worker
        return None

    def push(self, job: Job) -> None:
        """Let a job wait here: by priority, then in the order of the log."""
        heap = self.suspects if job.lost else self.ready
        heap.push(rank_of(job), job)


def rank_of(job: Job) -> int:
    """Return a job's place in a lane: lower goes first."""
    return (9 - job.spec.priority << 48) + job.submitted_seq


class Fleet:
    """All workers and lanes, and the round of the lanes that have work."""

    def __init__(self, host: str) -> None:
        """Begin with none; `host` is the dispatcher's own node."""
        self.host = host
        self.mono_ns = 0
        """This process's monotonic clock when it was last told."""
        self.workers: dict[tuple[str, str], Worker] = {}
        self.round: deque[Lane] = deque()
        """Lanes that may have a job and a worker for it; each has one turn after the other."""
        self.lanes: dict[tuple[str, str], Lane] = {}
        self._spaces: dict[str, Space] = {}
        self._missed_at_ns = 0

    def space(self, name: str) -> Space:
        """Return a space, made if need be."""
        space = self._spaces.get(name)
        if space is None:
            space = self._spaces[name] = Space(name)
        return space

    def limit(self, space: str, jobs_max: int | None) -> None:
        """Bound how many jobs of a space are assigned at once; None: no bound."""
        found = self.space(space)
        found.limit = NO_LIMIT if jobs_max is None else jobs_max
        self._rouse(found)

    def lane(self, space: str, queue: str) -> Lane:
        """Return a lane, made if need be."""
        lane = self.lanes.get((space, queue))
        if lane is None:
            lane = self.lanes[space, queue] = Lane(self.space(space), queue)
        return lane

    def wake(self, lane: Lane) -> None:
        """Let the lane take part in the round."""
        if not lane.active:
            lane.active = True
            self.round.append(lane)

    def worker(self, space: str, name: str) -> Worker:
        """Return a worker; one that the log names and nobody has heard has a lease from now on."""
        worker = self.workers.get((space, name))
        if worker is None:
            worker = Worker(space, name, seen_at_ns=self.mono_ns)
            self.workers[space, name] = worker
            self.space(space).workers += 1
        return worker

    def hears(self, beat: Beat) -> bool:
        """Return whether a beat is to be heard: of a worker we know, or of one too few."""
        known = (beat.space, beat.worker) in self.workers
        return known or self.space(beat.space).workers < WORKERS_MAX

    def beat(self, beat: Beat, mono_ns: int) -> tuple[Worker, list[Held]]:
        """Take in a beat; return the worker and what an earlier process of its name took along."""
        self.mono_ns = mono_ns
        worker = self.worker(beat.space, beat.worker)
        before = worker.beat
        if before is not None and beat.started_ns < before.started_ns:
            return worker, []  # a process that has a successor
        gone: list[Held] = []
        if before is not None and beat.started_ns > before.started_ns:
            gone = _orphans(worker, beat)
            worker.probed = False
        if before is None or before.queues != beat.queues:
            worker.lanes = [self.lane(beat.space, queue) for queue in dict.fromkeys(beat.queues)]
            worker.unseated = True
        self._take_in(worker, beat)
        return worker, gone

    def _take_in(self, worker: Worker, beat: Beat) -> None:
        worker.beat = beat
        worker.seen_at_ns = self.mono_ns
        worker.lost = False
        worker.capacity = len(beat.held) + beat.credit if beat.state == "ready" else 0
        tier = self._tier_of(beat)
        worker.unseated |= tier != worker.tier
        worker.tier = tier
        if worker.unseen:
            for fence in beat.held:
                worker.unseen.pop(fence, None)
        self.seat(worker)

    def _tier_of(self, beat: Beat) -> int:
        if beat.cpu >= BUSY_SHARE or beat.memory >= BUSY_SHARE:
            return BUSY
        return LOCAL if beat.host == self.host else IDLE

    def seat(self, worker: Worker) -> None:
        """Give a worker that may take more its place in all its lanes."""
        if worker.unseated and worker.free > 0 and worker.serves:
            worker.unseated = False
            for lane in worker.lanes:
                lane.seat(worker)
                if lane.backlog:
                    self.wake(lane)

    def release(self, held: Held) -> None:
        """Take a job out of its worker's hands."""
        worker, space = held.worker, held.lane.space
        worker.held.pop(held.job.key, None)
        if held.fence:
            worker.unseen.pop(held.fence, None)
        if held.suspect:
            worker.suspects -= 1
            worker.unseated = True
        space.running -= 1
        if space.sleeping:
            self._rouse(space)
        if worker.unseated:
            self.seat(worker)

    def _rouse(self, space: Space) -> None:
        if space.running < space.limit:
            for lane in space.sleeping:
                self.wake(lane)
            space.sleeping.clear()

    def miss(self, mono_ns: int) -> list[Held]:
        """Return what is held by workers whose lease has ended just now."""
        self.mono_ns = mono_ns
        if mono_ns - self._missed_at_ns < MISS_EVERY_NS:
            return []
        self._missed_at_ns = mono_ns
        gone = [one for one in self.workers.values() if mono_ns - one.seen_at_ns > LEASE_NS]
        found: list[Held] = []
        for worker in gone:
            if not worker.held:
                del self.workers[worker.space, worker.id]
                self.space(worker.space).workers -= 1
            elif not worker.lost:
                found.extend(worker.held.values())
            worker.lost = True
        return found

    def forget_lanes(self) -> None:
        """Drop the lanes that nothing waits in and nobody serves; they are made again at need."""
        served = {lane for worker in self.workers.values() for lane in worker.lanes}
        idle = [at for at, lane in self.lanes.items() if lane.is_idle and lane not in served]
        for at in idle:
            del self.lanes[at]

    def adopt(self, other: Fleet) -> None:
        """Know whom another fleet knows, holding nothing; their next beats say the rest."""
        for worker in other.workers.values():
            if worker.beat is not None and not worker.lost:
                known = self.worker(worker.space, worker.id)
                known.probed = worker.probed
                known.seen_at_ns = worker.seen_at_ns

    def forgive_all(self, mono_ns: int) -> None:
        """Begin all leases anew: what was said meanwhile cannot have reached us."""
        for worker in self.workers.values():
            worker.seen_at_ns = mono_ns

    def forgive(self, pause_ns: int) -> None:
        """Add a time to all leases in which this process itself could hear nobody."""
        for worker in self.workers.values():
            worker.seen_at_ns += pause_ns

    def unnamed(self, mono_ns: int) -> list[Held]:
        """Return what living workers do not name: they have let go of it, or never heard of it.

        Who has not heard gets nothing more before it has answered a probe.
        """
        found: list[Held] = []
        for worker in self.workers.values():
            if worker.held and worker.beat is not None and not worker.lost:
                named = frozenset(worker.beat.held)
                found += [one for one in worker.held.values() if _is_let_go(one, named, mono_ns)]
        for held in found:
            held.orphan = True
            if held.fence in held.worker.unseen:
                held.worker.probed = False
        return found

    def unheard(self, mono_ns: int) -> list[tuple[Worker, list[Held]]]:
        """Return what was delivered and is named by no beat since, to be delivered again."""
        found: list[tuple[Worker, list[Held]]] = []
        for worker in self.workers.values():
            if worker.unseen and worker.serves:
                late = [
                    (fence, worker.held[key])
                    for fence, (key, sent_at_ns) in worker.unseen.items()
                    if mono_ns - sent_at_ns > AGAIN_NS and key in worker.held
                ]
                for fence, held in late:
                    worker.unseen[fence] = (held.job.key, mono_ns)
                if late:
                    found.append((worker, [held for _, held in late]))
        return found


def _is_let_go(held: Held, named: frozenset[int], mono_ns: int) -> bool:
    if not held.noted or held.fence in named:
        held.unnamed_at_ns = 0
        return False
    if not held.unnamed_at_ns:
        held.unnamed_at_ns = mono_ns
    patience_ns = DEAF_NS if held.fence in held.worker.unseen else LEASE_NS
    return mono_ns - held.unnamed_at_ns > patience_ns


def _orphans(worker: Worker, beat: Beat) -> list[Held]:
    kept = frozenset(beat.held)
    gone = [held for held in worker.held.values() if held.fence and held.fence not in kept]
    for held in gone:
        held.orphan = True
    return gone
