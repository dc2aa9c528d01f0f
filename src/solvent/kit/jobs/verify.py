"""Is the log what its writers wrote, on every server, and what was the state at any time of it?

`replay` folds the log up to a record. `verify` reads the copy of each replica by itself, compares
them record by record, and folds one: its chains, its checkpoints and its sequence.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

import msgspec

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.errors import Invalid
from solvent.kit.jobs.fold import LogCorrupt, State
from solvent.kit.jobs.log import Entry, Log, LogAway
from solvent.kit.jobs.nats_log import STREAM, NatsLog
from solvent.kit.jobs.reader import Reader
from solvent.kit.log import get_logger

SILENCE_S: Final = 15.0
"""How long a replica may take for its next records."""

SHORT_HASH_BYTES: Final = 8
"""What is kept of each record of each replica, to find the first that differs."""

VOIDS_TOLD_MAX: Final = 100

log = get_logger(__name__)


class ReplayOutOfRange(Invalid):
    """The state can be rebuilt only for records that the log still holds."""

    code = "kit.replay_out_of_range"


@dataclass(frozen=True, slots=True)
class VoidRecord:
    """A record that counted for nothing."""

    seq: int
    subject: str
    reason: str


@dataclass(slots=True)
class Replica:
    """What one server holds."""

    name: str
    records: int = 0
    digest: str = ""
    fault: str = ""
    """Why it could not be read to the end."""
    hashes: bytearray = field(default_factory=bytearray, repr=False)


@dataclass(slots=True)
class Verdict:
    """What was found; `sound` is the answer."""

    first: int
    last: int
    replicas: list[Replica] = field(default_factory=list[Replica])
    differs_at: int = 0
    """The first record that is not the same on all replicas; 0 if there is none."""
    corrupt: str = ""
    """What is wrong with the log itself, naming the record."""
    corrupt_at: int = 0
    state_digest: str = ""
    jobs: int = 0
    voids: list[VoidRecord] = field(default_factory=list[VoidRecord])

    @property
    def sound(self) -> bool:
        """Whether all replicas are the same and the log is what was written."""
        faults = any(one.fault for one in self.replicas)
        return not (self.corrupt or self.differs_at or faults)


async def replay(jobs_log: Log, *, until: int | None = None) -> State:
    """Return the exact state after the record `until`, by default the newest.

    Raises:
        ReplayOutOfRange: the log holds no such record, or has been compacted since.
        LogCorrupt: the log is damaged before it.
        LogAway: nobody could say what the log holds.
    """
    first, last = await jobs_log.bounds()
    end = last if until is None else until
    if not first <= end <= last and end:
        raise ReplayOutOfRange(
            f"the log holds the records {first} to {last}, not {end}", field="until"
        )
    state = State()
    if first <= end:
        await _fold(state, jobs_log.read(first), end)
    if not state.whole and until is None:
        raise LogCorrupt(first, "checkpoint", "the log was cut and nothing makes it whole")
    if not state.whole:
        raise ReplayOutOfRange(
            f"the log was compacted: at {end} it does not yet tell of every job", field="until"
        )
    return state


async def _fold(state: State, batches: AsyncIterator[list[Entry]], end: int) -> None:
    async for entry in _entries(batches, end):
        state.apply(*entry)


async def _entries(batches: AsyncIterator[list[Entry]], end: int) -> AsyncIterator[Entry]:
    """Give the records up to `end`.

    Raises:
        LogAway: the next ones did not come.
    """
    try:
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    batch = await anext(batches)
            except TimeoutError:
                raise LogAway from None
            for entry in batch:
                if entry.seq > end:
                    return
                yield entry
                if entry.seq == end:
                    return
    finally:
        close = getattr(batches, "aclose", None)
        if close is not None:
            await close()


async def verify(login: NatsLogin, *, stream: str = STREAM) -> Verdict:
    """Read every replica's own copy; return what was found.

    The servers must be up: one that is away is reported as a fault of its replica.

    Raises:
        LogAway: not even the leader answers.
    """
    jobs_log = await NatsLog.open(login, name="solvent-log-verify", stream=stream)
    try:
        first, last = await jobs_log.bounds()
        names = await _replicas(jobs_log, stream)
    finally:
        await jobs_log.close()
    verdict = Verdict(first, last)
    state = State()
    for place, name in enumerate(names):
        replica = Replica(name)
        verdict.replicas.append(replica)
        batches = Reader.read(login, stream, first, replica=name)
        await _read_replica(replica, batches, verdict, state if place == 0 else None)
    verdict.differs_at = _first_difference(verdict)
    verdict.jobs = len(state.jobs)
    verdict.state_digest = "" if verdict.corrupt else state.digest().hex()
    return verdict


async def _read_replica(
    replica: Replica, batches: AsyncIterator[list[Entry]], verdict: Verdict, state: State | None
) -> None:
    running = blake2b(digest_size=16)
    try:
        if verdict.first <= verdict.last:
            async for entry in _entries(batches, verdict.last):
                hashed = blake2b(
                    f"{entry.seq} {entry.subject} ".encode() + entry.data, digest_size=16
                ).digest()
                running.update(hashed)
                replica.hashes += hashed[:SHORT_HASH_BYTES]
                replica.records += 1
                if state is not None and not verdict.corrupt:
                    _fold_one(state, entry, verdict)
    except LogAway:
        replica.fault = f"it gave {replica.records} records and then no more"
    replica.digest = running.hexdigest()


def _fold_one(state: State, entry: Entry, verdict: Verdict) -> None:
    try:
        found = state.apply(*entry)
    except LogCorrupt as error:
        verdict.corrupt = str(error)
        verdict.corrupt_at = error.seq
        return
    if found.kind == "void" and len(verdict.voids) < VOIDS_TOLD_MAX:
        verdict.voids.append(VoidRecord(entry.seq, entry.subject, found.reason))


def _first_difference(verdict: Verdict) -> int:
    """Return the first sequence at which two replicas differ; 0 if they are the same."""
    readable = [one for one in verdict.replicas if not one.fault]
    if len({one.digest for one in readable}) <= 1:
        return 0
    size = SHORT_HASH_BYTES
    shortest = min(len(one.hashes) for one in readable)
    for at in range(0, shortest, size):
        if len({bytes(one.hashes[at : at + size]) for one in readable}) > 1:
            return verdict.first + at // size
    return verdict.first + shortest // size


class _Peer(msgspec.Struct):
    name: str


class _Cluster(msgspec.Struct):
    leader: str = ""
    replicas: list[_Peer] = []


class _Info(msgspec.Struct):
    cluster: _Cluster | None = None


async def _replicas(jobs_log: NatsLog, stream: str) -> list[str]:
    """Return the servers that hold the stream, the leader first; one without a name if single."""
    answer = await jobs_log.wire.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout_s=SILENCE_S)
    cluster = msgspec.json.decode(answer.data, type=_Info).cluster
    if cluster is None or not cluster.leader:
        return [""]
    return [cluster.leader, *sorted(peer.name for peer in cluster.replicas)]
