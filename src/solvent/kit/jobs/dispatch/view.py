"""Which records should be written next, given the log so far, the workers' beats and the time?

No I/O, no clock and no chance: the same records, beats and times lead to the same proposals. Each
event costs O(log n) of the jobs that wait, and a job that waits costs one entry in one heap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from itertools import count
from typing import Final, NamedTuple

import msgspec

from solvent.kit.jobs import record as r
from solvent.kit.jobs.dispatch.fleet import BUSY, Beat, Fleet, Held, Lane, Worker
from solvent.kit.jobs.dispatch.gates import KeyGate, RateGate
from solvent.kit.jobs.dispatch.heaps import JobHeap
from solvent.kit.jobs.job import ASSIGNED, GATHERING, WAITING, Job
from solvent.kit.jobs.log import Append
from solvent.kit.limits import LOST_WORKERS_MAX

MS: Final = 1_000_000
GRACE_NS: Final = 1_000 * MS
"""Past its deadline a worker has this long to say itself how the job ended."""
REFUSED_AGAIN_NS: Final = 1_000 * MS
"""A proposal that was refused for no reason that the log shows is made again after this."""
LOOKED_AT_ONCE: Final = 5_000

SPOKEN: Final = frozenset(("done", "failed"))
"""After these the worker knows itself that the job is no longer its own."""


class Proposal(NamedTuple):
    """A record to be written; with `held`, an assignment, which is delivered once it stands."""

    job: Job
    append: Append
    held: Held | None = None
    epoch: int = 0
    deadline_ns: int = 0


class View:
    """What a dispatcher knows: feed it what happens, ask it what to propose."""

    def __init__(self, jobs: Mapping[str, Job], *, host: str = "", by: str = "") -> None:
        """Begin with no job noted; `jobs` are those that the fold holds, alive."""
        self.fleet = Fleet(host)
        self.held: dict[str, Held] = {}
        self.now_ns = 0
        self.canceled: list[tuple[Worker, int]] = []
        """Fences to tell a worker of, whose job is no longer its own; whoever sends empties it."""
        self.wanting: set[Lane] = set()
        """Lanes that had work and no worker for it below the bounds; whoever reads empties it."""
        self._jobs = jobs
        self._by = by
        self._keys: dict[tuple[str, str], KeyGate] = {}
        self._rates: dict[tuple[str, str], RateGate] = {}
        self._timers = JobHeap()
        self._rates_due: list[tuple[int, int, RateGate]] = []
        self._ticket = count()
        self._to_end: deque[Job] = deque()
        self._ending: dict[str, int] = {}
        """Jobs that a proposed record ends or expires -> the record that it follows."""

    def build(self, finished: Iterable[Job] = ()) -> None:
        """Note all that the fold holds now; `finished` jobs count for the rates alone."""
        jobs = sorted(self._jobs.values(), key=lambda job: job.submitted_seq)
        self._recall_starts([*finished, *jobs])
        for job in jobs:
            if job.phase == ASSIGNED:
                self.note(job)
        for job in jobs:
            if job.phase != ASSIGNED:
                self.note(job)

    def _recall_starts(self, jobs: Iterable[Job]) -> None:
        rated = [job for job in jobs if job.spec.rate is not None and job.assigned_ns]
        for job in sorted(rated, key=lambda job: job.assigned_ns):
            if job.phase != ASSIGNED and job.spec.rate is not None:
                gate = self._rate_gate(job, job.spec.rate)
                gate.room(job.spec.rate, job.assigned_ns)
                gate.starts.append(job.assigned_ns)

    # ------------------------------------------------------------------------------- what happens

    def note(self, job: Job, kind: str = "") -> None:
        """Take in that a record of this kind has changed the job."""
        if self._ending:
            self._ending.pop(job.key, None)
        held = self.held.get(job.key)
        if job.phase == ASSIGNED:
            self._note_assigned(job, held)
            return
        if held is not None:
            if held.fence and kind not in SPOKEN:
                self.canceled.append((held.worker, held.fence))
            self._release(held)
        if job.phase == WAITING:
            self._place(job)
        elif job.phase == GATHERING:
            self.note_group(job)
        elif job.spec.in_order and job.spec.key:
            self._leave_line(job)

    def _note_assigned(self, job: Job, held: Held | None) -> None:
        if held is not None and held.worker.id != job.worker:
            self._release(held)
            held = None
        if held is None:
            worker = self.fleet.worker(job.space, job.worker)
            held = self._hold(job, self.fleet.lane(job.space, job.spec.queue), worker)
        held.fence = job.fence
        if not held.noted:
            held.noted = True
            held.worker.unseen.setdefault(job.fence, (job.key, self.fleet.mono_ns))
            if job.spec.rate is not None:
                self._note_start(job, job.spec.rate, held)
        self._timers.push(job.deadline_ns + GRACE_NS, job)
        if held.worker.lost or held.orphan:
            self._to_end.append(job)

    def note_group(self, header: Job) -> None:
        """Take in that the counts of a group have changed."""
        group = header.group
        if group is not None and (group.is_complete or group.broken):
            self._to_end.append(header)

    def beat(self, beat: Beat, mono_ns: int) -> Worker:
        """Take in what a worker says of itself; return the worker."""
        worker, gone = self.fleet.beat(beat, mono_ns)
        self._to_end.extend(held.job for held in gone)
        return worker

    def take_back(self, mono_ns: int) -> None:
        """Take back what living workers have let go of without a word on the log."""
        self._to_end.extend(held.job for held in self.fleet.unnamed(mono_ns))

    def accepted(self, proposal: Proposal, seq: int) -> bool:
        """Take in that the log took a proposal; return whether it is an assignment to deliver."""
        held = proposal.held
        if held is None or self.held.get(proposal.job.key) is not held:
            return False
        if held.fence not in {0, seq}:
            return False
        held.fence = seq
        held.worker.unseen[seq] = (proposal.job.key, self.fleet.mono_ns)
        return True

    def refused(self, proposal: Proposal) -> None:
        """Take in that a proposal does not stand, or that nobody could say whether it does."""
        job, held = proposal.job, proposal.held
        if held is None:
            self._ending.pop(job.key, None)
        elif self.held.get(job.key) is held and not held.fence:
            self._release(held)
        if job.seq == proposal.append.expected:
            self._timers.push(self.now_ns + REFUSED_AGAIN_NS, job)

    def limit(self, space: str, jobs_max: int | None) -> None:
        """Let at most so many jobs of a space be assigned at once; None: as many as there are."""
        self.fleet.limit(space, jobs_max)

    # ---------------------------------------------------------------------------- what is proposed

    @property
    def next_ns(self) -> int | None:
        """When to decide again at the latest, by the log's clock."""
        times = [self._timers.first, self._rates_due[0][0] if self._rates_due else None]
        return min((at for at in times if at is not None), default=None)

    @property
    def has_work(self) -> bool:
        """Whether `decide` has something to look at now, whatever the time."""
        return bool(self._to_end or self.fleet.round)

    def decide(self, now_ns: int, mono_ns: int, *, room: int) -> list[Proposal]:
        """Return at most `room` records to write now, each on a subject of its own.

        Each is taken for under way until `accepted`, `refused` or a record of its job says more.
        """
        self.now_ns = now_ns
        self._to_end.extend(held.job for held in self.fleet.miss(mono_ns))
        for job in self._timers.pop_until(now_ns, limit=LOOKED_AT_ONCE):
            self._look(job)
        self._open_rates()
        made = self._end_some(room)
        self._assign_some(made, room)
        return made

    def _look(self, job: Job) -> None:
        """See to a job whose moment has come."""
        if job.phase == WAITING:
            self._stand(job)
        else:
            self._to_end.append(job)

    def shadow(self) -> None:
        """Keep only what still needs a record, where another dispatcher writes them."""
        needed = [job for job in self._to_end if self._jobs.get(job.key) is job]
        self._to_end = deque(job for job in needed if self._end_of(job, self.held.get(job.key)))
        self.wanting.clear()

    # ------------------------------------------------------------------------------------- endings

    def _end_some(self, room: int) -> list[Proposal]:
        made: list[Proposal] = []
        while self._to_end and len(made) < room:
            job = self._to_end.popleft()
            if self._jobs.get(job.key) is not job or self._ending.get(job.key) == job.seq:
                continue
            held = self.held.get(job.key)
            if held is not None and not held.fence:  # its assignment is under way
                self._timers.push(self.now_ns + REFUSED_AGAIN_NS, job)
                continue
            record = self._end_of(job, held)
            if record is not None:
                self._ending[job.key] = job.seq
                append = Append(job.subject, job.seq, r.encode(record))
                made.append(Proposal(job, append))
        return made

    def _end_of(self, job: Job, held: Held | None) -> r.Record | None:
        if job.phase == WAITING:
            return self._end_of_waiting(job)
        if job.phase == ASSIGNED and held is not None:
            return self._end_of_assigned(job, held)
        if job.phase == GATHERING:
            return _end_of_group(job, self._by)
        return None

    def _is_over(self, job: Job) -> bool:
        if job.attempt and _is_spent(job):
            return True
        return 0 < job.spec.expires_ns <= self.now_ns

    def _end_of_waiting(self, job: Job) -> r.Record | None:
        if not self._is_over(job):
            return None
        reason = "attempts" if _is_spent(job) else "expired"
        return r.Dead(job.hash, reason, detail=job.error, by=self._by)

    def _end_of_assigned(self, job: Job, held: Held) -> r.Record | None:
        prev, fence, by, spec = job.hash, job.fence, self._by, job.spec
        late_ns = self.now_ns - GRACE_NS
        if 0 < spec.expires_ns <= late_ns:
            return r.Dead(prev, "expired", fence, by=by)
        if job.deadline_ns <= late_ns:
            if _is_spent(job):
                return r.Dead(prev, "timeout", fence, by=by)
            return r.Expired(prev, fence, "timeout", pause_ns(job), by)
        if held.worker.lost or held.orphan:
            if job.lost + 1 >= LOST_WORKERS_MAX:
                return r.Dead(prev, "worker_lost", fence, by=by)
            return r.Expired(prev, fence, "worker_lost", 0, by)
        self._timers.push(job.deadline_ns + GRACE_NS, job)
        return None

    # --------------------------------------------------------------------------------- assignments

    def _assign_some(self, made: list[Proposal], room: int) -> None:
        """Go round the lanes that have work, one job each, until all are served or room is out."""
        turn = self.fleet.round
        while turn and len(made) < room:
            lane = turn[0]
            proposal = self._next_of(lane)
            if proposal is None:
                turn.popleft()
                lane.active = False
            else:
                made.append(proposal)
                turn.rotate(-1)

    def _next_of(self, lane: Lane) -> Proposal | None:
        if not lane.space.has_room(lane):
            return None
        if len(lane.suspects):
            proposal = self._next_from(lane, lane.suspects, lane.next_for_suspects)
            if proposal is not None:
                return proposal
        return self._next_from(lane, lane.ready, lane.next_worker)

    def _next_from(
        self, lane: Lane, heap: JobHeap, next_worker: Callable[[], Worker | None]
    ) -> Proposal | None:
        while len(heap):
            worker = next_worker()
            if worker is None or worker.tier == BUSY:
                self.wanting.add(lane)
            job = heap.pop() if worker is not None else None
            if worker is None or job is None:
                break
            if job.key not in self.held and self._may_start(job, lane):
                return self._assign(job, lane, worker)
        return None

    def _may_start(self, job: Job, lane: Lane) -> bool:
        """Return whether nothing but a worker is missing; if not, park the job where it waits."""
        spec = job.spec
        if self._ending and self._ending.get(job.key) == job.seq:
            return False
        if spec.key:
            gate = self._key_gate(job)
            if not gate.has_room(job):
                gate.park(job, lane)
                return False
        if spec.rate is not None:
            rate = self._rate_gate(job, spec.rate)
            if rate.room(spec.rate, self.now_ns) <= 0:
                rate.park(job, lane)
                self._arm(rate)
                return False
        return True

    def _assign(self, job: Job, lane: Lane, worker: Worker) -> Proposal:
        spec = job.spec
        deadline_ns = self.now_ns + spec.timeout_ns
        if spec.expires_ns:
            deadline_ns = min(deadline_ns, spec.expires_ns)
        epoch = job.attempt + 1
        data = r.encode(r.Assigned(job.hash, worker.id, epoch, deadline_ns, self._by))
        held = self._hold(job, lane, worker)
        if spec.rate is not None:
            self._rate_gate(job, spec.rate).asked += 1
            held.asked = True
        return Proposal(job, Append(f"job.{job.key}", job.seq, data), held, epoch, deadline_ns)

    def _hold(self, job: Job, lane: Lane, worker: Worker) -> Held:
        held = Held(job, worker, lane, suspect=job.lost > 0)
        self.held[job.key] = worker.held[job.key] = held
        worker.suspects += held.suspect
        lane.space.running += 1
        if job.spec.key:
            gate = self._key_gate(job)
            gate.running += 1
            if job.spec.in_order:
                gate.admitted.add(job.key)
        return held

    def _release(self, held: Held) -> None:
        """Take back a permission, and let others have what it took up."""
        job = held.job
        del self.held[job.key]
        self.fleet.release(held)
        if job.spec.key:
            gate = self._key_gate(job)
            gate.running -= 1
            self._push_all(gate.unpark(1))
            self._forget_idle(job, gate)
        if held.asked and job.spec.rate is not None:
            rate = self._rate_gate(job, job.spec.rate)
            rate.asked -= 1
            self._push_all(rate.unpark(1))

    # --------------------------------------------------------------------------- jobs that wait

    def _place(self, job: Job) -> None:
        """Let a job wait where it belongs; one in order joins the line until its turn has come."""
        if job.spec.in_order and job.spec.key:
            gate = self._key_gate(job)
            if job.key not in gate.admitted:
                gate.queue_up(job)
                if job.spec.expires_ns:
                    self._timers.push(job.spec.expires_ns, job)
                self._admit(gate)
                return
        self._stand(job)

    def _admit(self, gate: KeyGate) -> None:
        while (job := gate.admit()) is not None:
            self._stand(job)

    def _leave_line(self, job: Job) -> None:
        gate = self._key_gate(job)
        gate.admitted.discard(job.key)
        self._admit(gate)
        self._forget_idle(job, gate)

    def _stand(self, job: Job) -> None:
        """Let a job wait for its time, or if it has come for a worker."""
        spec = job.spec
        if self._is_over(job):
            self._to_end.append(job)
        elif job.due_ns > self.now_ns:
            at_ns = min(job.due_ns, spec.expires_ns) if spec.expires_ns else job.due_ns
            self._timers.push(at_ns, job)
        elif not self._waits_in_line(job):
            lane = self.fleet.lane(job.space, spec.queue)
            lane.push(job)
            self.fleet.wake(lane)
            if spec.expires_ns:
                self._timers.push(spec.expires_ns, job)

    def _waits_in_line(self, job: Job) -> bool:
        if not (job.spec.in_order and job.spec.key):
            return False
        return job.key not in self._key_gate(job).admitted

    # --------------------------------------------------------------------------------------- gates

    def _key_gate(self, job: Job) -> KeyGate:
        name = (job.space, job.spec.key)
        gate = self._keys.get(name)
        if gate is None:
            gate = self._keys[name] = KeyGate()
        return gate

    def _forget_idle(self, job: Job, gate: KeyGate) -> None:
        if gate.idle:
            self._keys.pop((job.space, job.spec.key), None)

    def _rate_gate(self, job: Job, rate: r.Rate) -> RateGate:
        name = (job.space, rate.key)
        gate = self._rates.get(name)
        if gate is None:
            gate = self._rates[name] = RateGate()
        return gate

    def _note_start(self, job: Job, rate: r.Rate, held: Held) -> None:
        gate = self._rate_gate(job, rate)
        if held.asked:
            held.asked = False
            gate.asked -= 1
        gate.room(rate, job.assigned_ns)
        gate.starts.append(job.assigned_ns)
        if gate.parked:
            self._arm(gate)

    def _arm(self, gate: RateGate) -> None:
        """Look at the gate again when its oldest start leaves the window."""
        if not gate.armed and gate.starts:
            gate.armed = True
            entry = (gate.starts[0] + gate.per_ns, next(self._ticket), gate)
            heappush(self._rates_due, entry)

    def _open_rates(self) -> None:
        while self._rates_due and self._rates_due[0][0] <= self.now_ns:
            gate = heappop(self._rates_due)[2]
            gate.armed = False
            self._push_all(gate.unpark(max(gate.room_now(self.now_ns), 0)))
            if gate.parked:
                self._arm(gate)

    def _push_all(self, freed: Iterable[tuple[Lane, Job]]) -> None:
        for lane, job in freed:
            lane.push(job)
            self.fleet.wake(lane)


def _is_spent(job: Job) -> bool:
    """Return whether a job has used up its attempts; those that took its worker do not count."""
    return job.attempt - job.lost >= max(job.spec.max_attempts, 1)


def pause_ns(job: Job) -> int:
    """Return how long a job rests after a failed attempt, by its own back-off without jitter."""
    rule = job.spec.backoff
    steps = min(max(job.attempt - job.lost - 1, 0), 64)
    return int(min(rule.base_ms * max(rule.factor, 1.0) ** steps, rule.max_ms)) * MS


def _end_of_group(header: Job, by: str) -> r.Record | None:
    group = header.group
    if group is None or not (group.is_complete or group.broken):
        return None
    if group.broken:
        return r.Dead(header.hash, "member_failed", by=by)
    if group.callback is None:
        return r.Done(header.hash, 0, by=by)
    spec = msgspec.structs.replace(group.callback, gather=group.size)
    return r.Submitted(header.hash, spec, by)
