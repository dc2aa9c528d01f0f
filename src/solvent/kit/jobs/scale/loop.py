"""Who looks at a pool again and again, decides, writes it down and does it?

Each decision is appended before it is carried out, expecting the last one on the pool's subject:
of several scalers of one pool the log lets one decide, and the others wait out its cool-down.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from solvent.kit.errors import Unavailable
from solvent.kit.ids import IdSource
from solvent.kit.jobs.log import SUBJECT_SCALING, Append, Log, LogConflict, append_each
from solvent.kit.jobs.record import Expired, Scaled, encode
from solvent.kit.jobs.scale import rules
from solvent.kit.jobs.scale.model import Act, Decision, Pool, Sample, Standing
from solvent.kit.jobs.scale.ports import ProviderRefused, Watch, WorkerProvider
from solvent.kit.log import get_logger

log = get_logger(__name__)


@dataclass(slots=True)
class Scaler:
    """Keeps one pool at its right size."""

    pool: Pool
    provider: WorkerProvider
    watch: Watch
    jobs: Log
    ids: IdSource
    by: str = "scaler"
    standing: Standing = field(default_factory=Standing)
    last_seq: int | None = None
    """Of the newest decision on the pool's subject; None until it was read."""

    @property
    def subject(self) -> str:
        """Where the pool's decisions stand."""
        return f"{SUBJECT_SCALING}.{self.pool.name}"

    async def run(self) -> None:
        """Look at the pool until cancelled; what is away is waited for."""
        while True:
            try:
                await self.look()
            except Unavailable as away:
                log.warning("scaler_waits", pool=self.pool.name, reason=str(away)[:200])
            await asyncio.sleep(self.pool.sample_s)

    async def look(self) -> tuple[Decision, ...]:
        """Take one sample, decide, write and do; return what was done.

        Raises:
            Unavailable: the provider or the log is away; nothing more was done.
        """
        sample = await self._sample()
        before = self.standing
        standing, decisions = rules.step(before, self.pool, sample)
        # Should another scaler be first: as it was, but with the cool-down to wait.
        self.standing = replace(before, changed_ns=sample.at_ns) if decisions else standing
        told = rules.inputs(standing, self.pool, sample)
        for number, one in enumerate(decisions):
            if not await self._write(one, told):
                return decisions[:number]
            await self._do(one)
        self.standing = standing
        return decisions

    async def _sample(self) -> Sample:
        return Sample(
            at_ns=self.watch.now_ns(),
            workers=tuple(self.watch.workers(self.pool)),
            running=await self.provider.running(),
            pending=self.watch.pending(self.pool),
            wanting=self.watch.wanting(self.pool),
        )

    async def _write(self, one: Decision, inputs: dict[str, float | int | str]) -> bool:
        """Append a decision; False if another scaler was first."""
        told = inputs | {"space": self.pool.space}
        told |= {"worker": one.worker} if one.worker else {}
        data = encode(Scaled(self.pool.name, one.act.value, one.reason, told, self.by))
        if self.last_seq is None:
            newest = await self.jobs.last(self.subject)
            self.last_seq = newest.seq if newest else 0
        try:
            seqs = await self.jobs.append([Append(self.subject, self.last_seq, data)])
        except LogConflict:
            self.last_seq = None
            return False
        self.last_seq = seqs[0]
        log.info("scaled", pool=self.pool.name, act=one.act.value, reason=one.reason)
        return True

    async def _do(self, decision: Decision) -> None:
        """Carry a decision out; what the provider refuses shows in the next samples."""
        try:
            match decision.act:
                case Act.START:
                    await self.provider.start(self.ids.new("wrk"))
                case Act.DRAIN:
                    await self.watch.drain(self.pool, decision.worker)
                case Act.REQUEUE:
                    await self._requeue(decision.worker)
                case Act.STOP:
                    force = decision.reason == rules.DRAIN_TIMEOUT
                    await self.provider.stop(decision.worker, force=force)
                case Act.GIVE_UP:
                    await self.provider.stop(decision.worker, force=True)
                case Act.AT_MOST:
                    pass
        except ProviderRefused as refused:
            log.warning("provider_refused", pool=self.pool.name, reason=str(refused)[:200])

    async def _requeue(self, worker: str) -> None:
        """Take the jobs out of a worker's hands: it used up its time to drain."""
        back = [
            Append(
                one.subject, one.seq, encode(Expired(one.hash, one.fence, "drained", by=self.by))
            )
            for one in self.watch.in_hands(self.pool, worker)
        ]
        if back:
            await append_each(self.jobs, back)
