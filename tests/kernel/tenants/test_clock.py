"""Does a test tenant's time go where it is sent, forward only, and a live one's never?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.cli.clock import SpanInvalid, parse_span
from solvent.kernel.tenants.errors import ClockGoesBack, ClockTooFar, NotInTestMode
from solvent.kernel.tenants.events import ClockMoved
from solvent.kit.bus.envelope import decode
from solvent.kit.clock import TimeWithoutZone
from solvent.kit.ctx import OPERATOR, Actor, ScopeMissing

EPOCH = datetime(2026, 1, 15, 10, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)


async def move(edge, tenant_id, to: datetime) -> datetime:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return await tenants.move_test_clock(ctx, to)


async def stands_at(edge, tenant_id) -> datetime:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        assert (await tenants.test_clock(ctx) or ctx.now()) == ctx.now()
        return ctx.now()


async def test_everything_after_sees_the_new_time(edge, tenant_id) -> None:
    await move(edge, tenant_id, EPOCH + DAY)
    assert await stands_at(edge, tenant_id) == EPOCH + DAY


async def test_clock_moves_forward_only(edge, tenant_id) -> None:
    """Also when two move it at once: it ends at the later moment."""
    with pytest.raises(ClockGoesBack):
        await move(edge, tenant_id, EPOCH - timedelta(microseconds=1))
    await move(edge, tenant_id, EPOCH)
    ended = await asyncio.gather(
        *(move(edge, tenant_id, EPOCH + days * DAY) for days in (5, 1, 4, 2, 3)),
        return_exceptions=True,
    )
    assert all(isinstance(end, (datetime, ClockGoesBack)) for end in ended)
    assert await stands_at(edge, tenant_id) == EPOCH + 5 * DAY


async def test_a_move_has_an_end_and_a_zone(edge, tenant_id) -> None:
    with pytest.raises(ClockTooFar):
        await move(edge, tenant_id, EPOCH + timedelta(days=3661))
    with pytest.raises(TimeWithoutZone):
        await move(edge, tenant_id, datetime(2027, 1, 1))  # noqa: DTZ001 - the point


async def test_a_live_tenants_time_is_real(edge, business) -> None:
    async with edge.open(business.live.id, OPERATOR) as ctx:
        with pytest.raises(NotInTestMode):
            await tenants.move_test_clock(ctx, ctx.now() + DAY)
        with pytest.raises(NotInTestMode):
            await tenants.release_test_clock(ctx)
        assert await tenants.test_clock(ctx) is None


async def test_release_never_goes_back(edge, tenant_id) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    await move(edge, tenant_id, EPOCH + DAY)
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await tenants.release_test_clock(ctx)
    async with edge.open(tenant_id, OPERATOR) as ctx:
        assert await tenants.test_clock(ctx) is None
        await tenants.release_test_clock(ctx)
    await move(edge, tenant_id, ahead)
    with pytest.raises(ClockGoesBack):
        async with edge.open(tenant_id, OPERATOR) as ctx:
            await tenants.release_test_clock(ctx)
    assert await stands_at(edge, tenant_id) == ahead


async def test_a_move_is_told_and_recorded(edge, tenant_id) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await tenants.move_test_clock(ctx, EPOCH + DAY)
        (_, _, encoded) = ctx.tx._collected["kit.outbox"].items[0]
    envelope = decode(encoded)
    assert envelope.name == ClockMoved.NAME
    assert datetime.fromisoformat(envelope.payload["now"]) == EPOCH + DAY
    async with edge.open(tenant_id, OPERATOR) as ctx:
        record = (await audit.list_records(ctx, action="tenants.test_clock_moved"))[0]
    assert record.entry.data == {
        "before": "2026-01-15T10:00:00.000000Z",
        "now": "2026-01-16T10:00:00.000000Z",
    }


async def test_moving_needs_the_scope(edge, tenant_id) -> None:
    viewer = Actor("member", "charlie", frozenset({"test_clock:read"}))
    async with edge.open(tenant_id, viewer) as ctx:
        assert await tenants.test_clock(ctx) == EPOCH
        for use_case in (
            tenants.move_test_clock(ctx, EPOCH + DAY),
            tenants.release_test_clock(ctx),
        ):
            with pytest.raises(ScopeMissing):
                await use_case


async def test_mallorys_time_is_her_own(edge, tenant_id, mallory_id) -> None:
    await move(edge, mallory_id, EPOCH + DAY)
    assert await stands_at(edge, tenant_id) == EPOCH


async def test_the_clock_over_http(tester, owner) -> None:
    assert (await tester("GET", "/test-clock")).json() == {"now": None}
    assert (
        await tester("POST", "/test-clock", json={"now": "2035-01-31T00:00:00+02:00"})
    ).is_success
    assert (await tester("GET", "/test-clock")).json() == {"now": "2035-01-30T22:00:00Z"}
    back = await tester("POST", "/test-clock", json={"now": "2030-01-01T00:00:00Z"})
    assert (back.status_code, back.json()["code"]) == (409, "tenants.clock_goes_back")
    back = await tester("DELETE", "/test-clock")
    assert (back.status_code, back.json()["code"]) == (409, "tenants.clock_goes_back")
    live = await owner("POST", "/test-clock", json={"now": "2035-01-31T00:00:00Z"})
    assert (live.status_code, live.json()["code"]) == (409, "tenants.not_in_test_mode")
    for wrong in ({"now": "2035-01-31T00:00:00"}, {"now": "tomorrow"}, {"now": 1e400}, {}, []):
        content = str(wrong).replace("'", '"').replace("inf", "1e400")
        answer = await tester("POST", "/test-clock", content=content)
        assert answer.status_code == 400, wrong


@pytest.mark.parametrize(
    "text, span",
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        ("31d", timedelta(days=31)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_span_has_a_number_and_a_unit(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize("text", ["", "31", "d", "-1d", "1.5d", "1y", "1d ", "9999999d"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(SpanInvalid):
        parse_span(text)
