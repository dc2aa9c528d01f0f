"""What does a dispatcher do from its start to its end?

It folds the log, proposes what its view decides, in atomic batches of which several are on their
way at once, and delivers an assignment only after the log has said that it stands. Nothing in it
must survive: another dispatcher, or the same one after a start, comes to the same state from the
log alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from solvent.kit.errors import Unavailable
from solvent.kit.jobs.checkpoint import Keeper
from solvent.kit.jobs.dispatch import post as p
from solvent.kit.jobs.dispatch.clock import LogClock
from solvent.kit.jobs.dispatch.fleet import Held, Worker
from solvent.kit.jobs.dispatch.peers import Peers
from solvent.kit.jobs.dispatch.ports import NoScaler, Scaler
from solvent.kit.jobs.dispatch.ticker import Ticker
from solvent.kit.jobs.dispatch.view import Proposal, View
from solvent.kit.jobs.fold import SCHEDULE_ROOT, LogCorrupt, State
from solvent.kit.jobs.log import BATCH_MAX, Entry, Log, append_each
from solvent.kit.jobs.record import chain_hash
from solvent.kit.log import get_logger

log = get_logger(__name__)

FLYING_MAX: Final = 4
"""Batches on their way at once."""

GATHER_NS: Final = 2_000_000
"""While a batch is on its way the next one gathers for so long."""

APPLIED_AT_ONCE: Final = 250
"""Records folded before the loop may do something else."""

TICK_S: Final = 0.5
IDLE_S: Final = 0.25
HELLO_S: Final = 0.15
"""How long a new dispatcher listens for others before it proposes."""

STALL_NS: Final = 1_000_000_000
"""After a pause of ours that was longer, workers are given that time: we could not hear them."""

CLOCK_EVERY_TICKS: Final = 20
RETRY_S: Final = 0.5
KEEP_S: Final = 5.0
CLOSE_S: Final = 5.0

AskTime = Callable[[], Awaitable[int | None]]
"""Asks the log server for its time, in nanoseconds since 1970; None if it does not know.

It raises Unavailable where the server cannot be asked.
"""


@dataclass(slots=True)
class Followed:
    """One fold of the log and what is derived from it; made anew if the log was cut under us."""

    state: State
    view: View
    ticker: Ticker
    live: bool = False


class Dispatcher:
    """One of any number; `run` it."""

    def __init__(
        self,
        log: Log,
        post: p.Post,
        *,
        name: str,
        host: str,
        ask_time: AskTime | None = None,
        scaler: Scaler | None = None,
    ) -> None:
        """Prepare; `name` is its own alone, `host` its node."""
        self._log = log
        self._post = post
        self._name = name
        self._host = host
        self._ask_time = ask_time
        self._scaler: Scaler = scaler or NoScaler()
        self._clock = LogClock()
        self._peers = Peers(name, time.time_ns())
        self._event = asyncio.Event()
        self._flying: set[asyncio.Task[None]] = set()
        self._turned_at_ns = 0
        self._awake_at_ns = time.monotonic_ns()
        self._generation = post.generation
        self._ticks = 0
        self._stopping = False
        self._gathering = False
        self.followed = self._fresh()
        self.limits: dict[str, int] = {}

    @property
    def state(self) -> State:
        """The fold of the log, as far as it has been read."""
        return self.followed.state

    @property
    def view(self) -> View:
        """What the decisions are made from."""
        return self.followed.view

    @property
    def is_live(self) -> bool:
        """Whether all that stood on the log at the start has been read."""
        return self.followed.live

    @property
    def leads(self) -> bool:
        """Whether it is this dispatcher that proposes now."""
        mono_ns = time.monotonic_ns()
        return self.is_live and self._peers.leads(mono_ns, applied=self.state.seq)

    def now_ns(self) -> int:
        """Return the time by the log server's clock."""
        return self._clock.now_ns(time.monotonic_ns())

    def limit(self, space: str, jobs_max: int | None) -> None:
        """Let at most so many jobs of a space be assigned at once; None: no bound."""
        if jobs_max is None:
            self.limits.pop(space, None)
        else:
            self.limits[space] = jobs_max
        self.view.limit(space, jobs_max)
        self._event.set()

    # ------------------------------------------------------------------------------------- running

    async def run(self) -> None:
        """Work until cancelled; faults of the log are waited out.

        Raises:
            LogCorrupt: the log is damaged, and nothing may be decided from it.
        """
        sids = [
            self._post.subscribe(p.SUBJECT_BEATS, self._on_beat),
            self._post.subscribe(p.SUBJECT_ECHOES, self._on_echo),
            self._post.subscribe(p.SUBJECT_PEERS, self._on_peer),
            self._post.subscribe(p.SUBJECT_POKE, self._on_poke),
        ]
        parts = (self._follow(), self._drive(), self._tick(), self._keep())
        work = [asyncio.create_task(one) for one in parts]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for one in work:
                if one.done():
                    one.result()
        finally:
            await self._stop(work, sids)

    async def _stop(self, work: Sequence[asyncio.Task[None]], sids: Sequence[int]) -> None:
        """Let what is on its way arrive, and tell the others to go on at once."""
        self._stopping = True
        for one in work:
            one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([*work, *self._flying], timeout=CLOSE_S)
        for sid in sids:
            self._post.unsubscribe(sid)
        self._say("bye")

    async def _drive(self) -> None:
        await self._await_live()
        while True:
            self._event.clear()
            self._turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rest_s()):
                    await self._event.wait()

    async def _await_live(self) -> None:
        while not self.is_live:
            await self._event.wait()
            self._event.clear()
        self._say("hello")
        await asyncio.sleep(HELLO_S)

    def _rest_s(self) -> float:
        """Return for how long nothing is due; what is overdue is for the one who leads."""
        next_ns = self.view.next_ns
        if next_ns is None or not self.leads:
            return IDLE_S
        return min(max((next_ns - self._clock.now_ns(self._mono_ns())) / 1e9, 0.001), IDLE_S)

    def _mono_ns(self) -> int:
        """Return the monotonic time; a time in which we stood still is given to the workers."""
        mono_ns = time.monotonic_ns()
        if mono_ns - self._awake_at_ns > STALL_NS:
            self.view.fleet.forgive(mono_ns - self._awake_at_ns)
        self._awake_at_ns = mono_ns
        return mono_ns

    # ----------------------------------------------------------------------------------- following

    def _fresh(self) -> Followed:
        state = State()
        view = View(state.jobs, host=self._host, by=self._name)
        return Followed(state, view, Ticker(self._name))

    async def _follow(self) -> None:
        """Fold the log for ever; from its beginning again if it was cut before we had read it."""
        failed_at = 0
        while True:
            try:
                await self._fold()
            except LogCorrupt as damage:
                if damage.seq == failed_at or not await self._was_cut():
                    raise
                failed_at = damage.seq
            except Unavailable as away:
                log.warning("dispatcher_waits", reason=str(away)[:200])
                await asyncio.sleep(RETRY_S)
            fleet = self.view.fleet
            self.followed = self._fresh()
            self.view.fleet.adopt(fleet)

    async def _was_cut(self) -> bool:
        """Return whether records that we have not read are gone: then others have compacted."""
        try:
            return (await self._log.bounds()).first > self.state.seq
        except Unavailable:
            return True

    async def _fold(self) -> None:
        bounds = await self._log.bounds()
        await self._learn_time()
        if bounds.last < max(bounds.first, 1):
            self._go_live()
        async with contextlib.aclosing(self._log.read(max(bounds.first, 1))) as batches:
            async for batch in batches:
                await self._take(batch)
                if not self.is_live and self.state.seq >= bounds.last and self.state.whole:
                    await self._learn_time()
                    self._go_live()

    async def _take(self, batch: Sequence[Entry]) -> None:
        if self.is_live:
            self._clock.tell(batch[-1].ts_ns, time.monotonic_ns())
        entries = iter(batch)
        while some := list(islice(entries, APPLIED_AT_ONCE)):
            self._apply(some)
            await asyncio.sleep(0)

    def _go_live(self) -> None:
        """Begin to decide: everything that stood there at the start has been read."""
        followed = self.followed
        followed.view.now_ns = self._clock.now_ns(time.monotonic_ns())
        followed.view.fleet.mono_ns = time.monotonic_ns()
        followed.view.build(followed.state.finished.values())
        followed.ticker.build(followed.state)
        for space, jobs_max in self.limits.items():
            followed.view.limit(space, jobs_max)
        followed.live = True
        self._event.set()

    def _apply(self, entries: Sequence[Entry]) -> None:
        """Fold records, and tell the view of each job that they changed."""
        state, view, live = self.followed.state, self.followed.view, self.followed.live
        if live:
            view.now_ns = max(view.now_ns, entries[-1].ts_ns)
        for seq, ts_ns, subject, data in entries:
            change = state.apply(seq, ts_ns, subject, data)
            if not live:
                continue
            if change.job is not None:
                view.note(change.job, change.kind)
                if change.header is not None:
                    view.note_group(change.header)
            elif subject.startswith(SCHEDULE_ROOT):
                self.followed.ticker.note(state, subject.removeprefix(SCHEDULE_ROOT))
        self._event.set()

    async def _learn_time(self) -> None:
        """Ask for the time until it is told: nothing can be decided without it."""
        while True:
            try:
                await self._tell_time()
            except Unavailable as away:
                log.warning("dispatcher_waits", reason=str(away)[:200])
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _tell_time(self) -> None:
        told = await self._ask_time() if self._ask_time is not None else time.time_ns()
        if told is not None:
            self._clock.tell(told, time.monotonic_ns())

    # ----------------------------------------------------------------------------------- proposing

    def _turn(self) -> None:
        """Propose what is to be written now, if it is our turn and there is room."""
        mono_ns = self._mono_ns()
        self._send_cancels()
        if self._flying and mono_ns - self._turned_at_ns < GATHER_NS:
            self._gather()
            return
        room = (FLYING_MAX - len(self._flying)) * BATCH_MAX
        if room <= 0 or self._stopping or not self.leads:
            return
        self._turned_at_ns = mono_ns
        proposals = iter(self.view.decide(self._clock.now_ns(mono_ns), mono_ns, room=room))
        while batch := list(islice(proposals, BATCH_MAX)):
            self._fly(self._propose(batch))

    def _gather(self) -> None:
        """Come back in a moment, with more."""
        if not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_later(GATHER_NS / 1e9, self._gathered)

    def _gathered(self) -> None:
        self._gathering = False
        self._event.set()

    def _fly(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._flying.add(task)
        task.add_done_callback(self._land)

    def _land(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._event.set()
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("dispatch_failed", reason=repr(fault)[:200])

    async def _propose(self, batch: Sequence[Proposal]) -> None:
        """Write proposals, and deliver the assignments among them that stand."""
        view = self.view
        try:
            seqs = await append_each(self._log, [one.append for one in batch])
        except Unavailable as away:
            log.warning("dispatcher_waits", reason=str(away)[:200])
            await asyncio.sleep(RETRY_S)
            seqs = [None] * len(batch)
        deliveries: defaultdict[Worker, list[p.Delivery]] = defaultdict(list)
        for proposal, seq in zip(batch, seqs, strict=True):
            if seq is None:
                view.refused(proposal)
            elif proposal.held is not None and view.accepted(proposal, seq):
                deliveries[proposal.held.worker].append(_first_delivery(proposal, seq))
        self._deliver(deliveries.items())

    def _deliver(self, work: Iterable[tuple[Worker, Iterable[p.Delivery]]]) -> None:
        for worker, jobs in work:
            subject = p.work_subject(worker.space, worker.id)
            for data in p.pack_deliveries(jobs):
                self._post.publish(subject, data)

    def _send_cancels(self) -> None:
        canceled = self.view.canceled
        if canceled and self.leads:
            for worker, fence in canceled:
                subject = p.work_subject(worker.space, worker.id, "control")
                self._post.publish(subject, p.encode_cancel(fence))
        canceled.clear()

    # ------------------------------------------------------------------------------------- hearing

    def _on_beat(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        del reply, head
        beat = p.decode_beat(subject, data)
        if beat is None or not self.view.fleet.hears(beat):
            return
        worker = self.view.beat(beat, self._mono_ns())
        if not worker.probed:
            self._probe(worker)
        elif self.view.has_work:
            self._event.set()

    def _probe(self, worker: Worker) -> None:
        """Ask a worker that we do not know yet whether it hears us, before it gets work."""
        subject = p.work_subject(worker.space, worker.id, "probe")
        reply = p.echo_subject(worker.space, worker.id)
        self._post.publish(subject, self._nonce(worker), reply=reply)

    def _nonce(self, worker: Worker) -> bytes:
        started_ns = worker.beat.started_ns if worker.beat else 0
        return f"{self._name}/{worker.id}/{started_ns}".encode()

    def _on_echo(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        del reply, head
        _, space, name, _ = subject.decode().split(".")
        worker = self.view.fleet.workers.get((space, name))
        if worker is not None and data == self._nonce(worker):
            worker.probed = True
            self.view.fleet.seat(worker)
            self._event.set()

    def _on_poke(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        del subject, reply, head, data
        self._event.set()

    def _on_peer(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        del subject, reply, head
        beat = p.decode_peer(data)
        if beat is None or beat.name == self._name:
            return
        self._peers.hear(beat, time.monotonic_ns())
        if beat.state == "hello":
            self._say("here")
        elif beat.state == "bye":
            self._event.set()

    # -------------------------------------------------------------------------------- now and then

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            mono_ns = self._mono_ns()
            self._ticks += 1
            if self._post.generation != self._generation:
                self._generation = self._post.generation
                self.view.fleet.forgive_all(mono_ns)
            if self._ticks % CLOCK_EVERY_TICKS == 0:
                with contextlib.suppress(Unavailable):
                    await self._tell_time()
                self.view.fleet.forget_lanes()
            self._peers.forget_silent(mono_ns)
            if self.is_live:
                self._say("here")
                self._look_around(mono_ns)

    async def _keep(self) -> None:
        """Write checkpoints and keep the log short, while it is us who propose."""
        while True:
            await asyncio.sleep(KEEP_S)
            if self.leads:
                try:
                    await Keeper(self._log, self.state, by=self._name).tend()
                except Unavailable as away:
                    log.warning("keeper_waits", reason=str(away)[:200])

    def _look_around(self, mono_ns: int) -> None:
        """Take back what is lost, deliver again, submit ticks, and ask for workers."""
        view = self.view
        if not self.leads:
            view.shadow()
            return
        view.take_back(mono_ns)
        self._deliver(
            (worker, [_again(held) for held in late if held.noted])
            for worker, late in view.fleet.unheard(mono_ns)
        )
        if view.wanting:
            self._scaler.want(list(view.wanting))
            view.wanting.clear()
        if len(self._flying) < FLYING_MAX:
            now_ns = self._clock.now_ns(mono_ns)
            for ticks in self.followed.ticker.due(self.state, now_ns):
                self._fly(self.followed.ticker.submit(self.state, self._log, ticks))
        self._event.set()

    def _say(self, state: str) -> None:
        beat = p.PeerBeat(self._name, self._peers.started_ns, self.state.seq, state)
        self._post.publish(p.SUBJECT_PEERS, p.encode_beat(beat))


def _first_delivery(proposal: Proposal, seq: int) -> p.Delivery:
    return p.delivery(
        proposal.job,
        fence=seq,
        assignment=chain_hash(proposal.append.data),
        epoch=proposal.epoch,
        deadline_ns=proposal.deadline_ns,
    )


def _again(held: Held) -> p.Delivery:
    """Deliver anew; the assignment must have been read, for the job's hash to be its own."""
    job = held.job
    return p.delivery(
        job,
        fence=held.fence,
        assignment=job.hash,
        epoch=job.attempt,
        deadline_ns=job.deadline_ns,
    )
