"""Does every change reach every guard before anything says that the guard is up to date?"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from solvent.app.testing import EPOCH
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import KeyKind
from solvent.kit.clock import format_time


async def test_the_stream_begins_with_the_whole_state(shop, guard_of) -> None:
    held = await shop.subscribe("alice")
    until = format_time(held.plan_expires_at)
    await shop.subscribe("bob")
    seen = await (await guard_of(shop)).until_ready()
    assert [event for event, _ in seen] == ["hello", "clock", "snapshot", "ready"]
    hello, clock, snapshot = (data for _, data in seen[:3])
    assert isinstance(hello.pop("at_ms"), int)
    assert hello == {"protocol": 1, "bound_ms": 1000, "beat_ms": 200, "tenant": shop.tenant_id}
    assert clock == {"now": "2026-01-15T10:00:00Z"}
    assert {one["customer"] for one in snapshot["customers"]} == {"alice", "bob"}
    record = next(one for one in snapshot["customers"] if one["customer"] == "alice")
    assert record["access"] == [
        {"product": "logs", "plan": "pro", "status": "active", "until": until}
    ]
    assert record["features"]["export"] == {
        "kind": "switch",
        "on_outage": "closed",
        "product": "logs",
        "until": until,
    }
    assert record["features"]["seats"] == {
        "kind": "quota",
        "on_outage": "closed",
        "product": "logs",
        "until": until,
        "limit": "10",
        "used": "0",
        "overage": False,
        "resets_at": "2026-02-15T10:00:00Z",
    }


async def test_a_beat_follows_every_change_before_it(shop, guard_of) -> None:
    guard = await guard_of(shop)
    await guard.until_ready()
    for turn in range(25):
        held = await shop.subscribe(f"c{turn}")
        after_ms = await shop.cancel(held)
        told: list[int] = []
        while True:
            event, data = await guard.next("change", "beat")
            if event == "change":
                told.append(data["revision"])
            elif data["at_ms"] >= after_ms:
                break
        assert told == [1, 2]


async def test_changes_carry_the_whole_record(shop, guard_of) -> None:
    guard = await guard_of(shop)
    await guard.until_ready()
    held = await shop.subscribe("alice")
    _, granted = await guard.next("change")
    assert (granted["customer"], granted["revision"]) == ("alice", 1)
    assert set(granted["features"]) == {"export", "seats", "ingest"}
    await shop.cancel(held)
    _, taken = await guard.next("change")
    assert (taken["revision"], taken["access"], taken["features"]) == (2, [], {})


async def test_the_clock_is_told(shop, guard_of) -> None:
    guard = await guard_of(shop)
    await guard.until_ready()
    async with shop.open() as ctx:
        await tenants.move_test_clock(ctx, EPOCH + timedelta(days=1))
    assert await guard.next("clock") == ("clock", {"now": "2026-01-16T10:00:00Z"})


async def test_mallory_hears_nothing_of_ours(shop, other_shop, guard_of) -> None:
    ours, theirs = await guard_of(shop), await guard_of(other_shop)
    for guard in (ours, theirs):
        await guard.until_ready()
    await shop.subscribe("alice")
    await other_shop.subscribe("mallory")
    assert (await ours.next("change"))[1]["customer"] == "alice"
    assert (await theirs.next("change"))[1]["customer"] == "mallory"


async def test_a_revoked_key_ends_its_stream(shop, server, worker, listen_to) -> None:
    from_key = await shop.issue_key()
    opened = asyncio.get_running_loop().create_future()

    async def hear() -> None:
        headers = {"authorization": f"Bearer {from_key.text}"}
        async with listen_to(server, headers) as guard:
            await guard.until_ready()
            opened.set_result(None)
            await guard.end()

    listening = asyncio.create_task(hear())
    await opened
    async with shop.open() as ctx:
        await tenants.revoke_key(ctx, from_key.key.id)
    async with asyncio.timeout(60):
        await listening


async def test_only_keys_that_may_read_listen(shop, guard_of, server, listen_to) -> None:
    publishable = await guard_of(shop, kind=KeyKind.PUBLISHABLE)
    assert publishable.response.status_code == 403
    assert publishable.response.headers["content-type"] == "application/problem+json"
    writer = await guard_of(shop, asked_scopes=["metering:write"])
    assert writer.response.status_code == 403
    reader = await guard_of(shop, asked_scopes=["entitlements:read"])
    assert (await reader.until_ready())[-1][0] == "ready"
    async with listen_to(server, {}) as nobody:
        assert nobody.response.status_code == 401
