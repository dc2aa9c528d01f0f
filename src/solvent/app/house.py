"""What does a running process hold: its pools, its place on the bus, its keys and its wiring?"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nats.aio.client import Client

from solvent.app.settings import Settings
from solvent.app.supervisor.access import EngineAccess, NatsAccess
from solvent.app.supervisor.private_files import write_private
from solvent.app.wire import wire_all
from solvent.kit.bus import Bus, Registry
from solvent.kit.bus.nudge import Nudger
from solvent.kit.bus.stream import SUBJECT_NUDGE, NatsLogin, connect_bus, ensure_stream
from solvent.kit.clock import Clock, SystemClock
from solvent.kit.config import ConfigInvalid
from solvent.kit.crypto import KEY_BYTES, Vault, new_master_key
from solvent.kit.ctx import Edge
from solvent.kit.db import Database
from solvent.kit.http.rates import RateLimit, Rates
from solvent.kit.ids import RandomIds
from solvent.kit.jobs.place import LogPlace
from solvent.kit.wiring import Wiring

SYSTEM_POOL = 4


@dataclass(frozen=True, slots=True)
class House:
    """Everything that a process works with; `system` sees the kit's queues of all tenants."""

    settings: Settings
    wiring: Wiring
    edge: Edge
    system: Database
    bus: Client
    registry: Registry
    rates: Rates
    log_place: LogPlace


@contextlib.asynccontextmanager
async def open_house(
    access: EngineAccess,
    settings: Settings,
    *,
    vault: Vault,
    name: str,
    clock: Clock | None = None,
) -> AsyncGenerator[House]:
    """Connect to the engines, wire the modules, and disconnect in the end.

    Raises:
        Unavailable: an engine is not there.
    """
    wiring = wire_all(settings)
    async with contextlib.AsyncExitStack() as stack:
        app = await Database.connect(access.postgres.app_dsn, name=name)
        stack.push_async_callback(app.close)
        system = await Database.connect(
            access.postgres.system_dsn, name=f"{name}-system", size_max=SYSTEM_POOL
        )
        stack.push_async_callback(system.close)
        bus = await connect_bus(nats_login(access.nats), name=name)
        stack.push_async_callback(bus.close)
        await ensure_stream(bus.jetstream(), replicas=settings.engines.nats_replicas)
        nudger = Nudger(partial(bus.publish, SUBJECT_NUDGE))
        events = Bus(wiring.reactions, nudger.nudge)
        edge = Edge(app, clock or SystemClock(), RandomIds(), vault, events)
        registry = Registry(handler.event for handler in wiring.handlers.values())
        http = settings.http
        rates = Rates(
            RateLimit(http.rate_per_s, http.rate_burst),
            RateLimit(http.failures_per_s, http.failures_burst),
        )
        place = log_place(access.nats, settings)
        yield House(settings, wiring, edge, system, bus, registry, rates, place)


def nats_login(access: NatsAccess) -> NatsLogin:
    """Return how to log in to the event log."""
    return NatsLogin(access.url, access.user or "", access.password or "")


def log_place(access: NatsAccess, settings: Settings) -> LogPlace:
    """Return where the log of jobs is, and on how many servers each of its records must stand."""
    engines = settings.engines
    return LogPlace(nats_login(access), engines.nats_replicas, engines.nats_monitor_urls)


def open_vault(settings: Settings, *, secrets_dir: Path) -> Vault:
    """Return the vault under the configured master keys, or under the one kept in the directory.

    Raises:
        ConfigInvalid: a key is not 64 hexadecimal digits.
    """
    text = settings.secrets.master_key or _kept_master_key(secrets_dir / "master.key")
    try:
        keys = tuple(bytes.fromhex(part.strip()) for part in text.split(","))
        return Vault(keys)
    except ValueError:
        message = f"expected {KEY_BYTES * 2} hexadecimal digits"
        raise ConfigInvalid(message, field="secrets.master_key") from None


def _kept_master_key(path: Path) -> str:
    """Return the key in the file; make it, for the owner's eyes only, where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, new_master_key().hex() + "\n")
    return path.read_text()
