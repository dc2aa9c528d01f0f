"""May this log be trusted with jobs, and does its stream exist?

An acknowledged record must survive the loss of power of a minority of the servers, so each of them
has to write through to the disk before it answers. JetStream's default is to do so every two
minutes; https://github.com/nats-io/nats-server/issues/7564 tells what that costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx
import msgspec

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.errors import Conflict
from solvent.kit.jobs.log import (
    SUBJECT_CHECKPOINT,
    SUBJECT_JOBS,
    SUBJECT_SCALING,
    SUBJECT_SCHEDULES,
    LogAway,
)
from solvent.kit.jobs.nats_log import STREAM
from solvent.kit.jobs.wire import Wire, WireLost

SUBJECTS: Final = (
    f"{SUBJECT_JOBS}.*.*",
    f"{SUBJECT_SCHEDULES}.*.*",
    f"{SUBJECT_SCALING}.*",
    SUBJECT_CHECKPOINT,
)
VERSION_MIN: Final = (2, 12)
"""The first server that takes atomic batches."""

MONITOR_S: Final = 3.0
MAKE_S: Final = 20.0
MAKE_PAUSE_S: Final = 0.2
CALL_S: Final = 5.0
STREAM_MISSING: Final = 10059
REPLICAS: Final = (1, 3, 5)


class LogUnsafe(Conflict):
    """The log would forget acknowledged jobs when the power fails."""

    code = "kit.log_unsafe"


class LogMisconfigured(Conflict):
    """The stream of jobs is not as it must be."""

    code = "kit.log_misconfigured"


class _Config(msgspec.Struct):
    sync_always: bool = False


class _Peer(msgspec.Struct):
    name: str = ""


class _Meta(msgspec.Struct):
    replicas: list[_Peer] = []
    cluster_size: int = 1


class _JetStream(msgspec.Struct):
    config: _Config | None = None
    meta: _Meta | None = None


class _Server(msgspec.Struct):
    """What a server's /varz says that we want to know."""

    server_name: str
    version: str
    jetstream: _JetStream


class _StreamConfig(msgspec.Struct):
    subjects: list[str] = []
    num_replicas: int = 1
    storage: str = ""
    retention: str = ""
    allow_atomic: bool = False


class _Error(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Info(msgspec.Struct):
    config: _StreamConfig | None = None
    error: _Error | None = None


async def ensure_log(
    login: NatsLogin,
    *,
    replicas: int = 1,
    monitor_urls: Sequence[str] = (),
    stream: str = STREAM,
) -> None:
    """Make the stream of jobs unless it is there, once it is known to be safe.

    `monitor_urls` are the monitoring addresses of all servers of the cluster; a single server of
    ours may be checked too, several must be. Once there is a stream, a minority of them may be
    away: else nothing could be started while one is down.

    Raises:
        LogUnsafe: a server does not sync always, is too old, or cannot be asked.
        LogMisconfigured: the stream exists and is another kind than we need.
        LogAway: the stream could not be made for twenty seconds.
    """
    if replicas not in REPLICAS:
        raise LogMisconfigured(f"a log has {REPLICAS} replicas, not {replicas}", field="replicas")
    wire = await Wire.open(login, name="solvent-log-guard")
    try:
        away_max = (replicas - 1) // 2 if await _is_made(wire, stream) else 0
        await check_servers(monitor_urls, replicas=replicas, away_max=away_max)
        await _make(wire, stream, replicas)
    finally:
        await wire.close()


async def _is_made(wire: Wire, stream: str) -> bool:
    """Return whether there is a stream; where nobody can say, take it for none."""
    try:
        return (await _call(wire, f"INFO.{stream}", {})).config is not None
    except (TimeoutError, WireLost):
        return False


async def check_servers(monitor_urls: Sequence[str], *, replicas: int, away_max: int = 0) -> None:
    """Ask every server whether it writes through to the disk; so many may not answer.

    Raises:
        LogUnsafe: one does not, too many cannot be asked, or one is not among those to be asked.
    """
    if len(monitor_urls) < replicas and replicas > 1:
        raise LogUnsafe(
            f"{replicas} replicas need the monitoring addresses of at least as many servers,"
            f" {len(monitor_urls)} are given: otherwise nobody knows whether all sync always",
            field="monitor_urls",
        )
    async with httpx.AsyncClient(timeout=MONITOR_S) as client:
        asked = [_ask_server(client, url) for url in monitor_urls]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    servers = [one for one in answers if isinstance(one, _Server)]
    away = [one for one in answers if isinstance(one, BaseException)]
    if len(away) > away_max:
        raise away[0]
    for server in servers:
        _check_server(server)
    if replicas > 1:
        _check_all_asked(servers, replicas, away=len(away))


async def _ask_server(client: httpx.AsyncClient, url: str) -> _Server:
    try:
        answer = await client.get(f"{url.rstrip('/')}/varz")
        return msgspec.json.decode(answer.raise_for_status().content, type=_Server)
    except (httpx.HTTPError, msgspec.DecodeError) as error:
        raise LogUnsafe(
            f"{url} does not say whether its server syncs always: {error}", field="monitor_urls"
        ) from None


def _check_server(server: _Server) -> None:
    name, config = server.server_name, server.jetstream.config
    if config is None:
        raise LogUnsafe(f"the log server {name} runs without JetStream")
    if not config.sync_always:
        raise LogUnsafe(
            f"the log server {name} does not write through to the disk:"
            " set `sync_interval: always` in its jetstream block and start it again"
        )
    if tuple(int(part) for part in server.version.split(".")[:2]) < VERSION_MIN:
        raise LogUnsafe(f"the log server {name} is {server.version}, 2.12 or newer is needed")


def _check_all_asked(servers: Sequence[_Server], replicas: int, *, away: int) -> None:
    """Refuse a cluster that has members which nobody asked; `away` were, and did not answer."""
    asked = {server.server_name for server in servers}
    known = {
        peer.name
        for server in servers
        if server.jetstream.meta is not None
        for peer in server.jetstream.meta.replicas
    }
    sizes = [s.jetstream.meta.cluster_size for s in servers if s.jetstream.meta is not None]
    size = max([replicas, *sizes])
    missing = sorted(known - asked)
    if len(missing) > away:
        raise LogUnsafe(
            f"nobody asked these servers of the cluster whether they sync always: {missing}",
            field="monitor_urls",
        )
    if len(asked) + away < size:
        raise LogUnsafe(f"the cluster needs {size} servers, {len(asked)} were asked")


async def _make(wire: Wire, stream: str, replicas: int) -> None:
    end = asyncio.get_running_loop().time() + MAKE_S
    while True:
        try:
            info = await _call(wire, f"INFO.{stream}", {})
            if info.error is not None and info.error.err_code == STREAM_MISSING:
                info = await _call(wire, f"CREATE.{stream}", stream_config(stream, replicas))
            if info.config is not None:
                _check_config(info.config, replicas)
                return
        except (TimeoutError, WireLost):
            pass
        if asyncio.get_running_loop().time() > end:
            raise LogAway
        await asyncio.sleep(MAKE_PAUSE_S)


async def _call(wire: Wire, verb: str, body: dict[str, object]) -> _Info:
    answer = await wire.request(
        f"$JS.API.STREAM.{verb}", msgspec.json.encode(body), timeout_s=CALL_S
    )
    return msgspec.json.decode(answer.data, type=_Info) if answer.data else _Info()


def stream_config(stream: str, replicas: int) -> dict[str, object]:
    """Return how the stream of jobs is made."""
    return {
        "name": stream,
        "subjects": list(SUBJECTS),
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": replicas,
        "allow_atomic": True,
        "allow_direct": True,
        "deny_delete": True,
    }


def _check_config(config: _StreamConfig, replicas: int) -> None:
    right = (
        set(config.subjects) == set(SUBJECTS)
        and config.storage == "file"
        and config.retention == "limits"
        and config.allow_atomic
    )
    if not right:
        raise LogMisconfigured(
            "there is a stream of this name that is no log of jobs:"
            f" it must keep {list(SUBJECTS)} in files, without limits, and take atomic batches"
        )
    if config.num_replicas != replicas:
        raise LogMisconfigured(
            f"the stream has {config.num_replicas} replicas, the settings say {replicas}",
            field="replicas",
        )
