"""What state do the records of the log add up to?

A pure function of the log: no clock, no chance, no I/O. Every dispatcher, `replay` and `verify`
come to the same `State` from the same records, whether they began with the first one or at the
checkpoint that a compacted log begins with.

Whoever may write about a job can write nonsense about it. Such a record is *void*: it takes its
place in the chain and changes nothing. Bytes that are no record and a broken chain are void in a
tenant's space too; in the house's own, and wherever only dispatchers may write, they mean that the
log is damaged, and the fold refuses it.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec

from solvent.kit.errors import Conflict
from solvent.kit.jobs import record as r
from solvent.kit.jobs.job import LIVE, REVIVABLE, Job, Schedule, mark_of, pack_job, unpack_job
from solvent.kit.jobs.log import SUBJECT_CHECKPOINT, SUBJECT_SCALING, SUBJECT_SCHEDULES
from solvent.kit.jobs.table import (
    DEAD_KEPT_MAX,
    DIGEST_BYTES,
    Broken,
    Kind,
    Seen,
    Table,
    Transition,
    Void,
    decode,
    misplaced,
)

HOUSE: Final = "solvent"
"""The space whose writers are ours alone."""

HOUSE_KEYS: Final = f"{HOUSE}."
JOB_ROOT: Final = "job."
SCHEDULE_ROOT: Final = f"{SUBJECT_SCHEDULES}."


class LogCorrupt(Conflict):
    """The log of jobs is damaged."""

    code = "kit.log_corrupt"

    def __init__(self, seq: int, subject: str, reason: str) -> None:
        """Name the record at which the damage was noticed."""
        self.seq = seq
        self.subject = subject
        self.reason = reason
        super().__init__(
            f"The log of jobs is damaged at record {seq} ({subject}): {reason}",
            seq=seq,
            subject=subject,
        )


class State(Table):
    """The fold: give it every record of the log in order."""

    def __init__(self) -> None:
        """Begin before the first record."""
        super().__init__()
        self.seq = 0
        """Of the last record applied."""
        self.clock_ns = 0
        """The latest time of the log's clock that was seen."""
        self.schedules: dict[str, Schedule] = {}
        """By `<space>.<name>`; no part of the digest: each is its last record."""
        self.voids = 0
        """How many records counted for nothing."""
        self.checkpoint_seq = 0
        """Of the newest checkpoint; 0 if there is none."""
        self.own_seq = 0
        """Of the newest record on the subject of checkpoints."""
        self._base = 0
        self._segment = blake2b(digest_size=16)
        self._log_digest: bytes | None = r.CHAIN_START
        self._state_digest: bytes | None = bytes(DIGEST_BYTES)
        self._live = 0
        self._vouched = 0
        """How many of the next records are carried by ourselves."""
        self.change[r.Carried] = self._carried

    # ------------------------------------------------------------------------------------ records

    def apply(self, seq: int, ts_ns: int, subject: str, data: bytes) -> Transition:
        """Take in the next record; return what it changed.

        Raises:
            LogCorrupt: the record before it is missing, or it cannot stand where it does.
        """
        if seq != self.seq + 1:
            self._begin(seq, subject)
        self.seq = seq
        self.clock_ns = max(self.clock_ns, ts_ns)
        if subject.startswith(JOB_ROOT):
            return self._apply_job(seq, ts_ns, subject[4:], data)
        if subject.startswith(SCHEDULE_ROOT):
            return self._apply_schedule(seq, ts_ns, subject[5:], data)
        return self._apply_own(seq, subject, data)

    def _begin(self, seq: int, subject: str) -> None:
        """Let a log begin in its midst, if with a checkpoint; nothing else may be missing."""
        if self.seq:
            missing = f"the records from {self.seq + 1} to {seq - 1} are missing"
            raise LogCorrupt(seq, subject, missing)
        if subject != SUBJECT_CHECKPOINT:
            raise LogCorrupt(seq, subject, "a compacted log begins with a checkpoint")
        self.whole = False
        self._base = seq
        self._log_digest = None
        self._state_digest = None

    def _apply_job(self, seq: int, ts_ns: int, key: str, data: bytes) -> Transition:
        hashed = blake2b(data, digest_size=16).digest()
        self._segment.update(seq.to_bytes(8, "big") + hashed)
        job = self.jobs.get(key)
        seen = Seen(seq, ts_ns, key, data, hashed)
        record = None
        try:
            record = decode(data)
            if self._vouched and type(record) is not r.Carried:
                raise LogCorrupt(
                    seq, f"job.{key}", f"{self._vouched} records before it are missing"
                )
            return self.change.get(type(record), misplaced)(job, record, seen)
        except Void as why:
            return self._void(job, record, seen, why)

    def _void(self, job: Job | None, record: r.Record | None, seen: Seen, why: Void) -> Transition:
        """Let a record take its place in the chain and change nothing else."""
        if isinstance(why, Broken) and seen.key.startswith(HOUSE_KEYS):
            raise LogCorrupt(seen.seq, f"job.{seen.key}", str(why))
        self.voids += 1
        if job is not None or type(record) is r.Replayed:
            self.voided[seen.key] = seen.seq
        if job is not None:
            self._advance(job, seen)
            job.origin = 0
        return Transition("void", seen.seq, record, job, job and job.phase, reason=str(why))

    # --------------------------------------------------------------------------------- compaction

    def _carried(self, job: Job | None, record: r.Carried, seen: Seen) -> Transition:
        """Take a job's state as its own, if it was announced."""
        if not self._vouched:
            raise Void("nobody vouched for it")
        self._vouched -= 1
        before = job.phase if job is not None else None
        if self.whole:
            job = self._confirm(job, record, seen)
        else:
            if job is not None:
                self._drop(job)
            job = self._adopt(record, seen) if record.state else None
        return Transition("carried", seen.seq, record, job, before)

    def _confirm(self, job: Job | None, record: r.Carried, seen: Seen) -> Job | None:
        """Compare the state with ours, which it must be."""
        held = b"" if job is None else pack_job(job)
        same = held == record.state and (job is None or job.hash == record.prev)
        if not same and (job is None or job.group is None):
            raise LogCorrupt(seen.seq, f"job.{seen.key}", "it carries another state than ours")
        if same:  # else a member of the group has moved meanwhile, and the header is carried again
            self.voided.pop(seen.key, None)
        if job is not None:
            self._advance(job, seen)
            job.origin = seen.seq if same else job.origin
        return job

    def _adopt(self, record: r.Carried, seen: Seen) -> Job:
        try:
            job = unpack_job(record.state, key=seen.key, seq=seen.seq)
        except msgspec.DecodeError as error:
            raise LogCorrupt(seen.seq, f"job.{seen.key}", f"it carries no state: {error}") from None
        job.hash = seen.hash
        self.jobs[job.key] = job
        self._dirty.add(job)
        if job.phase in REVIVABLE:
            self._keep_dead(job)
        elif job.phase in LIVE:
            self._enter(job)
        return job

    # ---------------------------------------------------------------------------------- schedules

    def _apply_schedule(self, seq: int, ts_ns: int, key: str, data: bytes) -> Transition:
        """Keep what a schedule's last record says; what does not follow from it is void."""
        hashed = blake2b(data, digest_size=16).digest()
        self._segment.update(seq.to_bytes(8, "big") + hashed)
        if self._vouched:
            raise LogCorrupt(seq, f"{SCHEDULE_ROOT}{key}", "carried records before it are missing")
        known = self.schedules.get(key)
        try:
            record = decode(data)
            if known is not None and getattr(record, "prev", b"") != known.hash:
                raise Broken(f"it does not follow record {known.seq}, the last on its subject")
            self._take_schedule(known, record, Seen(seq, ts_ns, key, data, hashed))
        except Void as why:
            if isinstance(why, Broken) and key.startswith(HOUSE_KEYS):
                raise LogCorrupt(seq, f"{SCHEDULE_ROOT}{key}", str(why)) from None
            self.voids += 1
            if known is not None:
                known.seq, known.hash = seq, hashed
            return Transition("void", seq, None, reason=str(why))
        return Transition("scheduled", seq, record)

    def _take_schedule(self, known: Schedule | None, record: r.Record, seen: Seen) -> None:
        if type(record) is r.Canceled:
            self.schedules.pop(seen.key, None)
        elif type(record) is r.Scheduled:
            first_ns = seen.ts_ns if known is None else known.after_ns
            after_ns = max(record.after_ns, first_ns) if known else record.after_ns or first_ns
            self.schedules[seen.key] = Schedule(seen.key, record, seen.seq, seen.hash, after_ns)
        else:
            raise Void("a schedule is declared or canceled, nothing else")

    # -------------------------------------------------------------------- what only we may write

    def _apply_own(self, seq: int, subject: str, data: bytes) -> Transition:
        hashed = blake2b(data, digest_size=16).digest()
        if self._vouched:
            raise LogCorrupt(seq, subject, f"{self._vouched} records before it are missing")
        try:
            record = r.decode(data)
        except msgspec.DecodeError as error:
            raise LogCorrupt(seq, subject, f"it is no record: {error}") from None
        place = subject.partition(".")[0]
        if place == SUBJECT_SCALING and type(record) is r.Scaled:
            kind: Kind = "scaled"
        elif place == SUBJECT_CHECKPOINT and type(record) is r.Vouched:
            self._vouched = record.count
            self.own_seq, kind = seq, "vouched"
        elif place == SUBJECT_CHECKPOINT and type(record) is r.Checkpoint:
            self._checkpoint(record, seq)
            self.own_seq, kind = seq, "checkpoint"
        else:
            raise LogCorrupt(seq, subject, f"a record of this kind does not belong there: {record}")
        self._segment.update(seq.to_bytes(8, "big") + hashed)
        return Transition(kind, seq, record)

    def _checkpoint(self, record: r.Checkpoint, seq: int) -> None:
        if self.checkpoint_seq or self.whole:
            self._compare(record, seq)
        if not self.whole and record.base == self._base:
            self._become_whole()
        for key in [key for key, at in self.voided.items() if at < record.base]:
            del self.voided[key]
        if self._log_digest is not None:
            self._log_digest = self.log_digest()
        self._segment = blake2b(digest_size=16)
        self._state_digest = self.digest() if self.whole else None
        self._live = len(self.jobs)
        self.checkpoint_seq = seq

    def _compare(self, record: r.Checkpoint, seq: int) -> None:
        if record.upto != self.checkpoint_seq:
            raise LogCorrupt(
                seq, SUBJECT_CHECKPOINT, f"it follows {record.upto}, we {self.checkpoint_seq}"
            )
        if self._log_digest is None:
            self._log_digest = record.log_digest
        if record.log_digest != self._log_digest:
            raise LogCorrupt(
                seq, SUBJECT_CHECKPOINT, f"some record before {record.upto} is not what it was"
            )
        if self._state_digest not in {None, record.state_digest} or (
            self._state_digest is not None and record.live != self._live
        ):
            raise LogCorrupt(seq, SUBJECT_CHECKPOINT, f"at {record.upto} the state was another")

    def _become_whole(self) -> None:
        self.whole = True
        ended = sorted(self.dead.values(), key=lambda job: job.ended_seq)
        self.dead = OrderedDict((job.key, job) for job in ended)
        for job in ended[: max(len(ended) - DEAD_KEPT_MAX, 0)]:
            self._drop(job)

    def next_checkpoint(self, *, base: int = 0, by: str = "") -> r.Checkpoint:
        """Return the checkpoint that may be appended now, where `own_seq` is the last of its kind.

        `base` closes a compaction: an older checkpoint since which every job was carried.
        """
        return r.Checkpoint(
            upto=self.checkpoint_seq,
            log_digest=self._log_digest or r.CHAIN_START,
            state_digest=self._state_digest or bytes(DIGEST_BYTES),
            live=self._live,
            base=base,
            by=by,
        )

    # -------------------------------------------------------------------------------------- digests

    def digest(self) -> bytes:
        """Return 32 bytes that any fold with the same jobs in the same state comes to.

        It costs time for each job touched since the last call and still held, about 5 us.
        """
        for job in self._dirty:
            self._sum -= job.mark
            job.mark = mark_of(job)
            self._sum += job.mark
        self._dirty.clear()
        return (self._sum % (1 << (8 * DIGEST_BYTES))).to_bytes(DIGEST_BYTES, "big")

    def log_digest(self) -> bytes:
        """Return 16 bytes over all records applied.

        Before the second checkpoint of a compacted log it is only over those since its first.
        """
        before = self._log_digest or r.CHAIN_START
        return blake2b(before + self._segment.digest(), digest_size=16).digest()
