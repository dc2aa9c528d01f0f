"""Are changed files followed, and wrong ones told while the last good stays in force?"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from solvent.app import environment
from solvent.app.house import House
from solvent.app.housekeeping import forgetting, watch_catalogue, watch_settings
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR
from solvent.kit.http.rates import RateLimit, Rates
from solvent.kit.ids import TenantId
from solvent.kit.testing import eventually
from solvent.kit.wiring import Wiring

CATALOGUE = """
[products.logs]
name = "Logs"

[plans.pro]
product = "logs"
name = "{name}"
currency = "USD"
interval = "month"

[plans.pro.prices.base]
model = "flat"
amount = "29.00"
"""


@contextlib.asynccontextmanager
async def running(work: asyncio.Task[None]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def plan_names(house: House, tenant_id: TenantId) -> list[str]:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return [plan.name for plan in await catalogue.list_plans(ctx)]


async def test_a_changed_catalogue_is_applied_and_a_wrong_one_is_not(
    house: House, tenant_id: TenantId, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "catalogue.toml"
    file.write_text(CATALOGUE.format(name="First"))
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        slug = (await tenants.current(ctx)).slug
    section = replace(house.settings.catalogue, file=str(file), tenant=slug)
    ours = replace(house, settings=replace(house.settings, catalogue=section))

    async def names() -> list[str]:
        return await plan_names(house, tenant_id)

    with caplog.at_level(logging.WARNING):
        async with running(asyncio.create_task(watch_catalogue(ours))):
            await eventually(names, until=lambda found: found == ["First"])
            file.write_text(CATALOGUE.format(name="Broken").replace('"flat"', '"flot"'))

            async def told() -> bool:
                return "catalogue_not_reloaded" in caplog.text

            await eventually(told)
            assert await names() == ["First"]
            file.write_text(CATALOGUE.format(name="Second"))
            await eventually(names, until=lambda found: found == ["Second"])


async def test_changed_limits_are_followed_and_wrong_ones_are_not(
    house: House,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "solvent.toml"
    file.write_text("[http]\nrate_per_s = 7.5\n")
    monkeypatch.setenv("SOLVENT_CONFIG", str(file))
    assert file == environment.config_file()
    ours = replace(house, rates=Rates(RateLimit(1, 1), RateLimit(1, 1)))

    async def rate() -> float:
        return ours.rates.callers.per_s

    async with running(asyncio.create_task(watch_settings(ours))):
        await eventually(rate, until=lambda found: found == 7.5)
        file.write_text("[http]\nrate_per_s = 'fast'\n")

        async def told() -> bool:
            return "settings_not_reloaded" in caplog.text

        await eventually(told)
        assert await rate() == 7.5
        file.write_text("[http]\nrate_per_s = 9\n")
        await eventually(rate, until=lambda found: found == 9)


async def test_what_is_over_is_forgotten(house: House, tenant_id: TenantId) -> None:
    """In all tables that anybody named: one that its migration did not allow would raise."""
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(
            "insert into kit_idempotency (tenant_id, key, fingerprint, created_at) values"
            " ($1, 'old', '', now() - interval '31 days'), ($1, 'new', '', now())",
            tenant_id,
        )
    await forgetting(house.wiring).run(house.edge)
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        rows = await ctx.tx.fetch("select key from kit_idempotency where tenant_id = $1", tenant_id)
    assert [row["key"] for row in rows] == ["new"]


async def test_who_handled_an_event_is_known_while_it_can_be_replayed(
    house: House, tenant_id: TenantId
) -> None:
    """Else a replay, weeks later, would run those handlers again that had taken it."""
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(
            "insert into kit_handled (tenant_id, handler, event_id, handled_at) values"
            " ($1, 'good', 'evt_dead', now() - interval '20 days'),"
            " ($1, 'good', 'evt_done', now() - interval '20 days')",
            tenant_id,
        )
        await ctx.tx.execute(
            "insert into kit_dead_letter (tenant_id, handler, event_id, subject, envelope, reason)"
            " values ($1, 'bad', 'evt_dead', 'ev.x.y', '', 'deaf')",
            tenant_id,
        )
    await forgetting(house.wiring).run(house.edge)
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        rows = await ctx.tx.fetch(
            "select event_id from kit_handled where tenant_id = $1", tenant_id
        )
    assert [row["event_id"] for row in rows] == ["evt_dead"]


async def test_only_tables_that_their_migrations_name_forget_anything(house: House) -> None:
    wiring = Wiring()
    wiring.forget("tenants_customer", after_days=0)
    with pytest.raises(asyncpg.NoDataFoundError):
        await forgetting(wiring).run(house.edge)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with house.edge.db.transaction() as tx:
            await tx.execute("insert into kit_forgetting values ('tenants_customer', 'created_at')")
