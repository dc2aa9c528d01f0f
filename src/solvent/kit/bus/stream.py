"""Which streams does the event log have, and what does a connection to it look like?"""

# nats-py types its keywords in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig

from solvent.kit.bus.envelope import SUBJECT_ROOT
from solvent.kit.errors import Unavailable
from solvent.kit.log import get_logger

STREAM = "EVENTS"
SUBJECT_BEAT = "relay.beat"
SUBJECT_NUDGE = "relay.nudge"
SUBJECT_METRICS = "ops.metrics.worker"
KEPT_S = 7 * 86_400
DUPLICATES_S = 600
CONNECT_ATTEMPTS = 40
CONNECT_PAUSE_S = 0.1

log = get_logger(__name__)


class BusAway(Unavailable):
    """The event log cannot be reached."""

    code = "kit.bus_away"


@dataclass(frozen=True, slots=True)
class NatsLogin:
    """Where the log is and who we are there."""

    url: str
    user: str = ""
    password: str = ""


async def connect_bus(login: NatsLogin, *, name: str) -> Client:
    """Return a connection that reconnects by itself for ever.

    Raises:
        BusAway: nobody answered for about four seconds.
    """
    options = {"user": login.user, "password": login.password} if login.user else {}
    for _ in range(CONNECT_ATTEMPTS):
        try:
            return await nats.connect(
                login.url.split(","),
                name=name,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.1,
                ping_interval=5,
                max_outstanding_pings=2,
                error_cb=_note_error,
                allow_reconnect=True,
                **options,
            )
        except (TimeoutError, OSError, nats.errors.Error):
            await asyncio.sleep(CONNECT_PAUSE_S)
    raise BusAway


async def ensure_stream(js: JetStreamContext, *, replicas: int = 1) -> None:
    """Make the event stream, or bring its limits up to date.

    It never gets fewer replicas than it has: a command that was not told of the cluster must not
    take two of three away.
    """
    config = StreamConfig(
        name=STREAM,
        subjects=[f"{SUBJECT_ROOT}.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=KEPT_S,
        duplicate_window=DUPLICATES_S,
        num_replicas=replicas,
        allow_direct=True,
    )
    try:
        await js.add_stream(config)
    except nats.js.errors.BadRequestError:
        made = (await js.stream_info(STREAM)).config
        kept = max(replicas, made.num_replicas or 1)
        await js.update_stream(config.evolve(num_replicas=kept))


async def _note_error(error: Exception) -> None:
    log.debug("bus_connection_error", reason=str(error))
