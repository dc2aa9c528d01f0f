"""Who carries committed events from the outbox to the log, and proves that none is left behind?"""

# nats-py types its keywords in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from solvent.kit.bus.outbox import Pending, forget_published, read_pending
from solvent.kit.bus.stream import STREAM, SUBJECT_BEAT, SUBJECT_NUDGE
from solvent.kit.clock import monotonic_ms
from solvent.kit.db import Database, Tx
from solvent.kit.errors import Unavailable
from solvent.kit.limits import BEAT_MS, OUTBOX_BATCH, OUTBOX_POLL_MS, RELAY_EVERY_MS
from solvent.kit.log import get_logger
from solvent.kit.telemetry import EVENTS_PUBLISHED

log = get_logger(__name__)

PUBLISH_TIMEOUT_S = 3
RETRY_S = 0.5
LOCK_KEY = 0x501FE47


@dataclass(slots=True)
class Relay:
    """Publishes outbox rows in order; one relay works at a time, the others stand by."""

    db: Database
    bus: Client
    _nudged: asyncio.Event = field(default_factory=asyncio.Event)
    _beat_at_ms: float = 0
    _js: JetStreamContext = field(init=False)

    def __post_init__(self) -> None:
        """Keep one context: each subscribes for its acknowledgements, and never unsubscribes."""
        self._js = self.bus.jetstream(timeout=PUBLISH_TIMEOUT_S)

    async def run(self) -> None:
        """Work until cancelled; faults of database and log are waited out."""
        await self.bus.subscribe(SUBJECT_NUDGE, cb=self._on_nudge)
        while True:
            try:
                await self._pass()
            except (Unavailable, nats.errors.Error, TimeoutError, OSError) as fault:
                log.warning("relay_waits", reason=str(fault)[:200])
                await asyncio.sleep(RETRY_S)

    async def _on_nudge(self, message: Msg) -> None:
        del message
        self._nudged.set()

    async def _pass(self) -> None:
        """Publish a batch, then rest until nudged or for a poll interval if nothing is left.

        A lone event is published at once; under load passes begin some ms apart, each with more.
        """
        self._nudged.clear()
        next_ms = monotonic_ms() + RELAY_EVERY_MS
        async with self.db.transaction() as tx:
            drained_at = await self._drain(tx)
        if drained_at:
            await self._beat(drained_at)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(OUTBOX_POLL_MS / 1000):  # not wait_for: see runtime
                    await self._nudged.wait()
            await asyncio.sleep(max(0.0, next_ms - monotonic_ms()) / 1000)

    async def _drain(self, tx: Tx) -> datetime | None:
        """Publish what is pending; return the database's time before looking if nothing is left.

        None also where another relay holds the lock: then its beats count and not ours.
        """
        looked_at = await tx.fetchval(
            "select clock_timestamp() where pg_try_advisory_xact_lock($1)", LOCK_KEY
        )
        if looked_at is None:
            await asyncio.sleep(RETRY_S)
            return None
        pending = await read_pending(tx, limit=OUTBOX_BATCH)
        await self._publish(pending)
        if pending:
            await forget_published(tx, [row.position for row in pending])
        return looked_at if len(pending) < OUTBOX_BATCH else None

    async def _publish(self, pending: Sequence[Pending]) -> None:
        """Publish and wait for every acknowledgement; on error all rows wait for the next pass."""
        acks = [
            await self._js.publish_async(
                row.subject, row.envelope, stream=STREAM, headers={"Nats-Msg-Id": row.id}
            )
            for row in pending
        ]
        async with asyncio.timeout(PUBLISH_TIMEOUT_S):
            await asyncio.gather(*acks)
        EVENTS_PUBLISHED.inc(len(pending))

    async def _beat(self, drained_at: datetime) -> None:
        """Say that everything committed before this database time is on the log."""
        if monotonic_ms() - self._beat_at_ms >= BEAT_MS / 2:
            self._beat_at_ms = monotonic_ms()
            at_ms = int(drained_at.timestamp() * 1000)
            await self.bus.publish(SUBJECT_BEAT, json.dumps({"at_ms": at_ms}).encode())
