"""How is a dispatcher run, beside a worker or in a process of its own?"""

from __future__ import annotations

import gc
import secrets
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.dispatch.loop import Dispatcher
from solvent.kit.jobs.dispatch.ports import Scaler
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.log import LogAway
from solvent.kit.jobs.nats_log import STREAM, NatsLog
from solvent.kit.jobs.wire import Wire
from solvent.kit.limits import GC_THRESHOLDS

ASK_S: Final = 2.0


class _Told(msgspec.Struct):
    ts: datetime | None = None


_DECODER: Final = msgspec.json.Decoder(_Told)


def node_name() -> str:
    """Return what this node calls itself; a container is a node of its own."""
    return socket.gethostname()


async def ask_server_time(wire: Wire, stream: str = STREAM) -> int | None:
    """Return the time of the server that leads the stream, in nanoseconds since 1970.

    Raises:
        WireLost, LogAway: it could not be asked, or does not answer.
    """
    try:
        answer = await wire.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout_s=ASK_S)
    except TimeoutError as silent:
        raise LogAway from silent
    told = _DECODER.decode(answer.data).ts if answer.data else None
    return None if told is None else int(told.timestamp() * 1e9)


def make_dispatcher(
    log: NatsLog, *, host: str | None = None, scaler: Scaler | None = None
) -> Dispatcher:
    """Return a dispatcher on an open log, to be run."""
    return Dispatcher(
        log,
        log.wire,
        name=f"dsp_{secrets.token_hex(6)}",
        host=host or node_name(),
        ask_time=lambda: ask_server_time(log.wire),
        scaler=scaler,
    )


async def run_dispatcher(
    login: NatsLogin,
    *,
    replicas: int = 1,
    monitor_urls: Sequence[str] = (),
    host: str | None = None,
    scaler: Scaler | None = None,
) -> None:
    """Dispatch until cancelled, over a connection of its own; any number may do so.

    Raises:
        WireLost, WireRefused: the log server is not there, or lets us not in.
        LogUnsafe, LogMisconfigured: as `ensure_log`.
        LogCorrupt: the log is damaged.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    await ensure_log(login, replicas=replicas, monitor_urls=monitor_urls)
    log = await NatsLog.open(login, name="solvent-dispatcher")
    try:
        await make_dispatcher(log, host=host, scaler=scaler).run()
    finally:
        await log.close()
