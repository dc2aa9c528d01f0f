"""How is each finished run counted once, and each death told once?

From the log: a run is the record that ends it, known for ever by its job and its sequence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from solvent.contracts.queue import JobDied
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Aggregation, MeterSpec, UsageEvent
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import record as r
from solvent.kit.jobs.log import Entry
from solvent.systems.queue import store
from solvent.systems.queue.limits import METER_BATCH
from solvent.systems.queue.model import HOUSE_SPACE, METER_RUNS

NS = 1_000_000_000
RUNS = MeterSpec(
    key=METER_RUNS, name="Finished runs of the queue", aggregation=Aggregation.COUNT, unit="run"
)
KIND_RUNS, KIND_DEATHS = "runs", "deaths"


@dataclass(frozen=True, slots=True)
class Ending:
    """A record that ends a job: done, or dead."""

    seq: int
    at_ns: int
    space: str
    task_id: str
    reason: str | None
    """Why it is dead; None: it is done."""

    @property
    def at(self) -> datetime:
        """When, by the log's clock."""
        return datetime.fromtimestamp(self.at_ns // NS, UTC)


def endings_of(entries: Iterable[Entry]) -> dict[str, list[Ending]]:
    """Return the endings among records, by space; those of the house are left out."""
    found: dict[str, list[Ending]] = defaultdict(list)
    for entry in entries:
        root, _, key = entry.subject.partition(".")
        space, _, task_id = key.partition(".")
        if root != "job" or space == HOUSE_SPACE:
            continue
        try:
            told = r.decode(entry.data)
        except msgspec.DecodeError:
            continue  # void: it counts for nothing
        if isinstance(told, r.Done | r.Dead):
            reason = told.reason if isinstance(told, r.Dead) else None
            found[space].append(Ending(entry.seq, entry.ts_ns, space, task_id, reason))
    return found


async def count_runs(ctx: Ctx, customer: str, endings: Sequence[Ending]) -> int:
    """Record the done runs of a customer in the seller's books; return how many are new.

    A run that was counted before counts no more, whoever brings it again.
    """
    runs = [one for one in endings if one.reason is None]
    new = 0
    for begin in range(0, len(runs), METER_BATCH):
        events = [
            UsageEvent(
                id=f"queue:{one.space}:{one.task_id}:{one.seq}",
                customer_ref=customer,
                meter_key=METER_RUNS,
                at=min(one.at, ctx.now()),
            )
            for one in runs[begin : begin + METER_BATCH]
        ]
        new += (await metering.record(ctx, events)).accepted
    return new


async def tell_deaths(ctx: Ctx, endings: Sequence[Ending]) -> int:
    """Emit an event for each dead job of a tenant, once; return how many."""
    dead = [one for one in endings if one.reason is not None]
    if not dead:
        return 0
    before = await store.advance(ctx.tx, ctx.tenant_id, KIND_DEATHS, seq=dead[-1].seq)
    new = [one for one in dead if one.seq > before]
    for one in new:
        event = JobDied(task_id=one.task_id, reason=one.reason or "", seq=one.seq, died_at=one.at)
        await ctx.bus.emit(ctx, event)
    return len(new)
