"""How do dispatchers and workers talk beside the log: beats, deliveries, probes, control?

Nothing here is kept: what is lost is said again. docs/reference/queue-protocol.md lists the
messages. Whose a beat is stands in its subject, which the server guards, and never in its body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

import msgspec

from solvent.kit.jobs.dispatch.fleet import Beat
from solvent.kit.jobs.job import Job

SUBJECT_PEERS: Final = "dispatch.beat"
SUBJECT_POKE: Final = "dispatch.poke"
SUBJECT_BEATS: Final = "beat.*.*"
SUBJECT_ECHOES: Final = "beat.*.*.echo"

DELIVERED_AT_ONCE: Final = 256
DELIVERY_BYTES: Final = 512 * 1024
"""A message is closed once it has so many jobs, or so many bytes; one job may be larger."""

CREDIT_MAX: Final = 10_000
QUEUES_MAX: Final = 100
HELD_MAX: Final = 20_000
"""What a worker may say of itself; beyond, its beat is not heard."""

Take = Callable[[bytes, bytes, bytes, bytes], None]


class Post(Protocol):
    """Messages that are not kept; `wire.Wire` is one."""

    generation: int
    """Grows whenever messages may have been missed."""

    def publish(self, subject: str, data: bytes, *, reply: str = "") -> None:
        """Send a message to whoever listens."""
        ...

    def subscribe(self, subject: str, take: Take) -> int:
        """Be given a subject's messages: subject, reply subject, headers, body."""
        ...

    def unsubscribe(self, sid: int) -> None:
        """Be given them no more."""
        ...


class PeerBeat(msgspec.Struct, frozen=True):
    """What a dispatcher says of itself."""

    name: str
    started_ns: int
    applied: int
    """The last record that it has folded."""
    state: str = "here"
    """`here`, `hello` (answer at once) or `bye`."""


_ENCODER: Final = msgspec.msgpack.Encoder()
_BEATS: Final = msgspec.msgpack.Decoder(Beat)
_PEERS: Final = msgspec.msgpack.Decoder(PeerBeat)


def encode_beat(beat: Beat | PeerBeat) -> bytes:
    """Return a beat's bytes."""
    return _ENCODER.encode(beat)


def decode_peer(data: bytes) -> PeerBeat | None:
    """Return what another dispatcher says; None if it is nothing that we know."""
    try:
        return _PEERS.decode(data)
    except msgspec.DecodeError:
        return None


def decode_beat(subject: bytes, data: bytes) -> Beat | None:
    """Return what a worker says, as the worker that the subject names; None if it is no beat."""
    _, space, worker = subject.decode().split(".")
    try:
        told = _BEATS.decode(data)
    except msgspec.DecodeError:
        return None
    if len(told.queues) > QUEUES_MAX or len(told.held) > HELD_MAX:
        return None
    credit = min(max(told.credit, 0), CREDIT_MAX)
    return msgspec.structs.replace(told, space=space, worker=worker, credit=credit)


def work_subject(space: str, worker: str, what: str = "") -> str:
    """Return where a worker hears: its deliveries, or `probe` or `control`."""
    return f"work.{space}.{worker}.{what}" if what else f"work.{space}.{worker}"


def echo_subject(space: str, worker: str) -> str:
    """Return where a worker answers a probe: within what it may publish to."""
    return f"beat.{space}.{worker}.echo"


def encode_cancel(fence: int) -> bytes:
    """Return the control message: the job of this fence is no longer yours."""
    return _ENCODER.encode({"cancel": fence})


Delivery = tuple[str, int, bytes, int, int, bytes]
"""A job's id, fence, the hash of its assignment, attempt, deadline, and spec."""


def delivery(job: Job, *, fence: int, assignment: bytes, epoch: int, deadline_ns: int) -> Delivery:
    """Return what a worker is given of a job; `assignment` is the hash of that record."""
    return (job.task_id, fence, assignment, epoch, deadline_ns, _ENCODER.encode(job.spec))


def pack_deliveries(jobs: Iterable[Delivery]) -> Iterator[bytes]:
    """Return the messages that carry these jobs."""
    batch: list[Delivery] = []
    size = 0
    for one in jobs:
        if batch and (len(batch) >= DELIVERED_AT_ONCE or size + len(one[5]) > DELIVERY_BYTES):
            yield _ENCODER.encode(batch)
            batch, size = [], 0
        batch.append(one)
        size += len(one[5]) + 120
    if batch:
        yield _ENCODER.encode(batch)
