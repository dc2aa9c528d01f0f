"""How do the log's records reach a dispatcher in order, none missing, for ever?

An ordered consumer: the server pushes the stream over a connection of its own, numbering what it
sends. A hole in the numbers, silence where heartbeats were due, or a new connection mean that the
consumer is made anew from the first record that has not come.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.log import READ_BATCH_MAX, Entry
from solvent.kit.jobs.wire import Wire, WireLost
from solvent.kit.log import get_logger

HEARTBEAT_S: Final = 0.5
SILENCE_S: Final = 2.0
"""Four heartbeats missed: the consumer is gone."""

PULSE_S: Final = 2.0
CREATE_S: Final = 2.0
CREATE_PAUSE_S: Final = 0.1
INACTIVE_S: Final = 30
"""How long the server keeps a consumer whose reader has left without a word."""

BUFFERED_MAX: Final = 20_000
"""Records waiting to be taken; past them the connection is read no more until they are."""

NS: Final = 1_000_000_000
ACK_WORDS: Final = 9
ACK_AT: Final = 5
ACK_AT_DOMAIN: Final = 7
"""Where the sequence stands in `$JS.ACK.….<stream seq>.<consumer seq>.<time>.<pending>`."""

log = get_logger(__name__)


class _StreamState(msgspec.Struct):
    last_seq: int


class _Cluster(msgspec.Struct):
    leader: str = ""


class _Told(msgspec.Struct):
    """What we want to know of the answers of the stream's interface."""

    name: str | None = None
    cluster: _Cluster | None = None
    state: _StreamState | None = None


_DECODER: Final = msgspec.json.Decoder(_Told)


class Reader:
    """Reads one stream from a sequence on."""

    def __init__(self, wire: Wire, stream: str, from_seq: int, *, replica: str = "") -> None:
        """Prepare to read with a wire that nobody else uses.

        `replica` names the server whose own copy is to be read; without it any will do.
        """
        self._wire = wire
        self._replica = replica
        self._stream = stream
        self._next = from_seq
        self._inbox = b""
        self._sid = 0
        self._consumer = ""
        self._expected = 1
        self._entries: list[Entry] = []
        self._wake = asyncio.Event()
        self._lost = False
        self._paused = False

    @classmethod
    async def read(
        cls, login: NatsLogin, stream: str, from_seq: int, *, replica: str = ""
    ) -> AsyncGenerator[list[Entry]]:
        """Give the records from `from_seq` on in lists as they come, for ever."""
        wire = await Wire.open(login, name="solvent-log-reader")
        reader = cls(wire, stream, from_seq, replica=replica)
        pulse = asyncio.create_task(reader.watch())
        try:
            while True:
                yield await reader.take()
        finally:
            pulse.cancel()
            reader.stop()
            await wire.close()

    async def take(self) -> list[Entry]:
        """Return the next records, at least one."""
        while not self._entries:
            if self._lost or not self._sid:
                await self._begin()
                continue
            self._wake.clear()
            try:
                async with asyncio.timeout(SILENCE_S):
                    await self._wake.wait()
            except TimeoutError:
                self._lost = True
        return self._cut()

    def _cut(self) -> list[Entry]:
        taken, self._entries = self._entries[:READ_BATCH_MAX], self._entries[READ_BATCH_MAX:]
        if self._paused and len(self._entries) < BUFFERED_MAX // 2:
            self._paused = False
            self._wire.resume()
        return taken

    def stop(self) -> None:
        """Leave nothing of ours on the server."""
        if self._sid:
            self._wire.unsubscribe(self._sid)
            self._wire.publish(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._consumer}", b"")

    async def watch(self) -> None:
        """Leave a server that is cut off from the log's leader, though it still beats."""
        before = 0
        while True:
            await asyncio.sleep(PULSE_S)
            try:
                last = await self._ask_last()
            except (TimeoutError, WireLost):
                self._wire.reconnect()
                continue
            if before == self._next <= last:
                self._note_lost()
            before = self._next

    async def _ask_last(self) -> int:
        """Return the newest sequence by the leader's word."""
        subject = f"$JS.API.STREAM.INFO.{self._stream}"
        answer = await self._wire.request(subject, b"", timeout_s=PULSE_S)
        told = _DECODER.decode(answer.data) if answer.data else _Told()
        if told.state is None:
            raise WireLost
        return told.state.last_seq

    # ------------------------------------------------------------------------------------ arriving

    def _take(self, subject: bytes, reply: bytes, head: bytes, data: bytes) -> None:
        if subject == self._inbox:
            self._take_status(reply, head)
            return
        words = reply.split(b".")
        at = ACK_AT if len(words) == ACK_WORDS else ACK_AT_DOMAIN
        if self._lost or int(words[at + 1]) != self._expected:
            self._note_lost()
            return
        self._expected += 1
        seq = int(words[at])
        self._next = seq + 1
        self._entries.append(Entry(seq, int(words[at + 2]), subject.decode(), data))
        if len(self._entries) >= BUFFERED_MAX and not self._paused:
            self._paused = True
            self._wire.pause()
        self._wake.set()

    def _take_status(self, reply: bytes, head: bytes) -> None:
        """Hear a heartbeat, or answer the server's question whether we keep up."""
        if reply:
            self._wire.publish(reply.decode(), b"")
        last = _header(head, b"Nats-Last-Consumer")
        if last is not None and int(last) != self._expected - 1:
            self._note_lost()
        if head.startswith(b"NATS/1.0 409"):
            self._note_lost()
        self._wake.set()

    def _note_lost(self) -> None:
        self._lost = True
        self._wake.set()

    # ------------------------------------------------------------------------------------ beginning

    async def _begin(self) -> None:
        """Make the consumer anew, after what has come."""
        self.stop()
        self._sid = 0
        inbox = self._wire.new_inbox().replace("_INBOX.", "_READ.")
        self._inbox = inbox.encode()
        self._consumer = inbox.replace(".", "_")
        self._expected = 1
        self._lost = False
        generation = self._wire.generation
        self._sid = self._wire.subscribe(inbox, self._take)
        begin = self._next
        if not await self._create(inbox):
            self._lost = True
            self._next = begin  # what has come meanwhile may be of another replica
            self._entries.clear()
            await asyncio.sleep(0 if self._replica else CREATE_PAUSE_S)
        elif generation != self._wire.generation:
            self._lost = True

    async def _create(self, inbox: str) -> bool:
        config = {
            "name": self._consumer,
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._next,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "idle_heartbeat": int(HEARTBEAT_S * NS),
            "inactive_threshold": INACTIVE_S * NS,
            "flow_control": True,
            "mem_storage": True,
            "num_replicas": 1,
        }
        subject = f"$JS.API.CONSUMER.CREATE.{self._stream}.{self._consumer}"
        body = json.dumps({"stream_name": self._stream, "config": config, "action": "create"})
        try:
            answer = await self._wire.request(subject, body.encode(), timeout_s=CREATE_S)
        except (TimeoutError, WireLost):
            return False
        told = _DECODER.decode(answer.data) if answer.data else _Told()
        if told.name is None:
            log.info("log_reader_waits", reason=answer.data.decode(errors="replace")[:200])
            return False
        # The server chooses at random among the replicas; so we ask until it is the wanted one.
        return not self._replica or told.cluster is None or told.cluster.leader == self._replica


def _header(head: bytes, name: bytes) -> bytes | None:
    begin = head.find(name + b": ")
    if begin < 0:
        return None
    begin += len(name) + 2
    return head[begin : head.index(b"\r\n", begin)]
