"""What does the worker tidy, watch and reload beside its real work?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

from solvent.app import environment
from solvent.app.house import House
from solvent.app.settings import Settings
from solvent.kernel.catalogue import parse as catalogue_file
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.model import CatalogueSpec
from solvent.kernel.tenants import service as tenants
from solvent.kit.config import LastGood, parse
from solvent.kit.ctx import OPERATOR, Edge
from solvent.kit.errors import SolventError
from solvent.kit.log import get_logger
from solvent.kit.wiring import Periodic, Wiring

log = get_logger(__name__)

WATCH_S = 1
FORGET_EVERY = timedelta(minutes=10)
FORGOTTEN_ROWS_MAX = 10_000
"""Rows of a table that one go forgets: the next one goes on."""
KEPT_DAYS = {"kit_idempotency": 30, "kit_handled": 14}
"""How long a repeat is recognized: longer than the log keeps events and providers retry."""


def forgetting(wiring: Wiring) -> Periodic:
    """Return the periodic removal of rows whose time is over, of the kit's and systems' tables."""
    kept_days = {**KEPT_DAYS, **wiring.kept_days}
    return Periodic("app.forget_old", FORGET_EVERY, partial(_forget_old, kept_days))


async def _forget_old(kept_days: Mapping[str, int], edge: Edge) -> None:
    for table, days in kept_days.items():
        before = edge.clock.now() - timedelta(days=days)
        async with edge.db.transaction() as tx:
            forgotten = await tx.fetchval(
                "select kit_forget($1, $2, $3)", table, before, FORGOTTEN_ROWS_MAX
            )
        if forgotten:
            log.info("old_rows_forgotten", table=table, rows=forgotten)


async def watch_settings(house: House) -> None:
    """Follow changes of the settings file; a file that is wrong changes nothing.

    The log's level and the HTTP limits follow at once; what was decided at start (addresses,
    engines, keys) is told to need a restart.
    """
    path = environment.config_file()
    if path is None:
        return
    environ = dict(environment.inherited())
    read = partial(parse, Settings, source=str(path), environ=environ)
    held: LastGood[Settings] = LastGood(path, read, house.settings)
    told = ""
    while True:
        if held.refresh():
            _apply(house, held.value)
        if held.error != told:
            told = held.error
            log.warning("settings_not_reloaded", reason=told) if told else None
        await asyncio.sleep(WATCH_S)


def _apply(house: House, settings: Settings) -> None:
    logging.getLogger().setLevel(settings.log.level.upper())
    http, rates = settings.http, house.rates
    rates.callers.per_s, rates.callers.burst = http.rate_per_s, http.rate_burst
    rates.failures.per_s, rates.failures.burst = http.failures_per_s, http.failures_burst
    fixed = [
        name
        for name in ("engines", "secrets", "telemetry")
        if getattr(settings, name) != getattr(house.settings, name)
    ]
    log.info("settings_reloaded", need_restart=fixed)


async def watch_catalogue(house: House) -> None:
    """Apply the configured catalogue file at start and whenever it changes.

    What is wrong with it is logged, and the catalogue in force stays.
    """
    section = house.settings.catalogue
    if not section.file:
        return
    loaded, waiting, told = catalogue_file.Loaded(), False, ""
    while True:
        content = await asyncio.to_thread(_read, Path(section.file))
        loaded = catalogue_file.reload_if_changed(loaded, content, file=section.file)
        waiting = waiting or loaded.changed
        reason = str(loaded.error or "")
        if waiting and loaded.spec is not None:
            reason = await _apply_catalogue(house, loaded.spec)
            waiting = bool(reason)
        if reason != told:
            told = reason
            log.warning("catalogue_not_reloaded", reason=reason) if reason else None
        await asyncio.sleep(WATCH_S)


async def _apply_catalogue(house: House, spec: CatalogueSpec) -> str:
    """Apply the catalogue; return why it was refused, or an empty text."""
    try:
        tenant_id = await tenants.tenant_of(house.edge, house.settings.catalogue.tenant or None)
        async with house.edge.open(tenant_id, OPERATOR) as ctx:
            diff = await catalogue.apply(ctx, spec)
    except SolventError as refused:
        return str(refused)
    log.info("catalogue_reloaded", changes=len(diff.changes))
    return ""


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
