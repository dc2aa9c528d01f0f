"""Can usage be taken back, put right and restored, with the past left as it was?"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solvent.app.testing import EPOCH, fresh_tenant
from solvent.kernel.audit import service as audit
from solvent.kernel.metering import amending, lateness, service, windows
from solvent.kernel.metering.errors import (
    AmendmentMalformed,
    EventNotFound,
    EventVoided,
    OverlayNotFound,
    OverlayNotLatest,
    TimeTooFarBack,
    ValueMalformed,
    WindowMalformed,
    WindowNotFound,
)
from solvent.kernel.metering.model import (
    Aggregation,
    Amendment,
    Condition,
    Late,
    LateRequest,
    MeasureRequest,
    MeterSpec,
    Period,
    Selection,
    TallyRequest,
    UsageEvent,
    UsageState,
)
from solvent.kit.ctx import OPERATOR, Actor, Ctx, Edge, ScopeMissing
from solvent.kit.ids import TenantId

HOUR = timedelta(hours=1)
START = EPOCH - timedelta(days=1)
DAY = Period(START, START + timedelta(days=1))
WRONG = "sent twice"


async def define(ctx: Ctx, key: str = "gb", aggregation: str = "sum", **more) -> None:
    kind = Aggregation(aggregation)
    given = {"counts_from": START - 90 * DAY.duration} | more
    await service.define_meter(
        ctx, MeterSpec(key=key, name=key, aggregation=kind, unit="", **given)
    )


def use(id: str, value, at=START, *, meter: str = "gb", **properties) -> UsageEvent:
    return UsageEvent(
        id=id, customer_ref="ann", meter_key=meter, at=at, value=value, properties=properties
    )


async def measured(ctx: Ctx, meter: str = "gb", up_to: int | None = None) -> Decimal:
    told = await service.measure(ctx, meter, customer_ref="ann", period=DAY, up_to=up_to)
    asked = TallyRequest(meter_key=meter, customer_ref="ann", period=DAY)
    if up_to is None:
        assert await service.tally(ctx, [asked]) == [told.quantity]
    return told.quantity


async def test_an_event_is_taken_back_put_right_and_restored(ctx: Ctx) -> None:
    await define(ctx)
    await service.record(ctx, [use("a", Decimal(5)), use("b", Decimal(7), START + HOUR)])
    before = await service.last_arrival(ctx)
    gone = await amending.void(ctx, "a", reason=WRONG)
    assert await measured(ctx) == 7
    with pytest.raises(EventVoided):
        await amending.amend(ctx, "a", Amendment(value=Decimal(1)), reason=WRONG)
    back = await amending.undo(ctx, gone.id, reason="it was right")
    assert await measured(ctx) == 12
    put_right = await amending.amend(ctx, "a", Amendment(value="6"), reason="typing error")
    assert await measured(ctx) == 13
    event, said = await amending.history(ctx, "a")
    assert (event.value, event.counted, event.state) == (5, 6, UsageState.AMENDED)
    assert [one.id for one in said] == [gone.id, back.id, put_right.id]
    assert [await measured(ctx, up_to=one.seq) for one in said] == [7, 12, 13]
    assert await measured(ctx, up_to=before) == 12
    assert [one.id for one in await amending.list_overlays(ctx)] == [
        one.id for one in reversed(said)
    ]


async def test_the_past_is_measured_as_it_was(ctx: Ctx) -> None:
    """The evidence of an invoice that was drawn before an overlay is the same ever after."""
    await define(ctx)
    await service.record(ctx, [use("a", Decimal(5)), use("b", Decimal(7))])
    place = await service.last_arrival(ctx)
    told = await service.measure(ctx, "gb", customer_ref="ann", period=DAY, up_to=place)
    await amending.void(ctx, "a", reason=WRONG)
    assert await service.measure(ctx, "gb", customer_ref="ann", period=DAY, up_to=place) == told
    now = await service.measure(ctx, "gb", customer_ref="ann", period=DAY)
    assert (now.event_count, now.first_event_id, now.quantity) == (1, "b", 7)


async def test_other_properties_move_an_event_to_another_filter(ctx: Ctx) -> None:
    await define(ctx)
    await service.record(ctx, [use("a", Decimal(5), region="eu"), use("b", Decimal(1))])
    await amending.amend(ctx, "a", Amendment(properties={"region": "us"}), reason=WRONG)
    found = [
        (
            await service.measure_groups(
                ctx,
                Selection("gb", where=(Condition("region", (region,)),)),
                customer_ref="ann",
                period=DAY,
            )
        )[0].quantity
        for region in ("eu", "us")
    ]
    assert found == [0, 5]


async def test_only_the_latest_is_undone(ctx: Ctx) -> None:
    await define(ctx)
    await service.record(ctx, [use("a", Decimal(5))])
    first = await amending.amend(ctx, "a", Amendment(value=Decimal(6)), reason=WRONG)
    second = await amending.amend(ctx, "a", Amendment(value=Decimal(8)), reason=WRONG)
    with pytest.raises(OverlayNotLatest) as refused:
        await amending.undo(ctx, first.id, reason=WRONG)
    assert refused.value.detail["latest"] == second.id
    third = await amending.undo(ctx, second.id, reason=WRONG)
    assert await measured(ctx) == 6
    await amending.undo(ctx, third.id, reason=WRONG)
    assert await measured(ctx) == 8


@pytest.mark.parametrize(
    "amendment, reason, refusal",
    [
        (Amendment(value="-1"), WRONG, ValueMalformed),
        (Amendment(value="NaN"), WRONG, ValueMalformed),
        (Amendment(value="5.0"), WRONG, AmendmentMalformed),
        (Amendment(), WRONG, AmendmentMalformed),
        (Amendment(value="6"), "", AmendmentMalformed),
        (Amendment(value="6"), "x" * 501, AmendmentMalformed),
    ],
)
async def test_odd_amendments_are_refused(ctx: Ctx, amendment, reason, refusal) -> None:
    await define(ctx)
    await service.record(ctx, [use("a", Decimal(5))])
    with pytest.raises(refusal):
        await amending.amend(ctx, "a", amendment, reason=reason)
    assert await measured(ctx) == 5


async def test_strangers_change_nothing(
    ctx: Ctx, edge: Edge, mallory_id: TenantId, tenant_id: TenantId
) -> None:
    await define(ctx)
    await service.record(ctx, [use("a", Decimal(5))])
    said = await amending.amend(ctx, "a", Amendment(value="6"), reason=WRONG)
    async with edge.open(mallory_id, OPERATOR) as mallory:
        with pytest.raises(EventNotFound):
            await amending.void(mallory, "a", reason=WRONG)
        with pytest.raises(OverlayNotFound):
            await amending.undo(mallory, said.id, reason=WRONG)
    reader = Actor("key", "k", frozenset({"metering:read"}))
    async with edge.open(tenant_id, reader) as looking:
        with pytest.raises(ScopeMissing):
            await amending.void(looking, "a", reason=WRONG)
        with pytest.raises(ScopeMissing):
            await windows.open_window(looking, "gb", DAY, reason=WRONG)


async def test_who_why_and_what_is_audited(edge: Edge, tenant_id: TenantId) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await define(ctx)
        await service.record(ctx, [use("a", Decimal(5))])
        said = await amending.amend(ctx, "a", Amendment(value="6"), reason=WRONG)
    async with edge.open(tenant_id, OPERATOR) as ctx:
        found = await audit.list_records(ctx, action="metering.usage_amended")
    (record,) = [one.entry for one in found]
    assert (record.subject, record.actor) == ("a", "operator:cli")
    data = {"before": "5", "after": "6", "reason": WRONG, "overlay_id": said.id}
    assert data.items() <= dict(record.data).items()


WORDS = st.lists(
    st.tuples(st.sampled_from(["void", "amend", "undo"]), st.integers(0, 3), st.integers(0, 9)),
    max_size=10,
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=WORDS)
async def test_roll_ups_equal_raw_whatever_is_said(house, words) -> None:
    """An oracle keeps what each event counts as; measure and tally agree with it."""
    kinds = ("sum", "max", "unique", "latest", "count")
    async with house.edge.open(await fresh_tenant(house), OPERATOR) as ctx:
        stacks: dict[str, list[tuple[int | None, str]]] = {}
        for kind in kinds:
            await define(ctx, kind, kind)
            values = [None if kind == "count" else str(n + 1) for n in range(4)]
            await service.record(
                ctx,
                [
                    use(f"{kind}{n}", value, START + n * HOUR / 2, meter=kind)
                    for n, value in enumerate(values)
                ],
            )
            stacks |= {f"{kind}{n}": [(n + 1, "")] for n in range(4)}
        for word, n, value in words:
            for kind in kinds:
                await say(ctx, stacks[f"{kind}{n}"], f"{kind}{n}", word, value, kind)
        for kind in kinds:
            left = [stacks[f"{kind}{n}"][-1][0] for n in range(4)]
            counted = [one for one in left if one is not None]
            assert await measured(ctx, kind) == expected(kind, counted)


async def say(ctx: Ctx, stack, event_id: str, word: str, value: int, kind: str) -> None:
    """Say it in the shop and on the stack of what the event counted as."""
    now, last = stack[-1]
    if word == "undo" and last:
        done = await amending.undo(ctx, last, reason=WRONG)
        stack.append((stack[-2][0], done.id))
    elif word == "void" and now is not None:
        done = await amending.void(ctx, event_id, reason=WRONG)
        stack.append((None, done.id))
    elif word == "amend" and now not in {None, value} and kind != "count":
        done = await amending.amend(ctx, event_id, Amendment(value=str(value)), reason=WRONG)
        stack.append((value, done.id))


def expected(kind: str, counted: list[int]) -> Decimal:
    if not counted:
        return Decimal(0)
    count = {
        "sum": sum(counted),
        "max": max(counted),
        "unique": len(set(counted)),
        "latest": counted[-1],
        "count": len(counted),
    }
    return Decimal(count[kind])


async def test_old_usage_is_taken_in_a_window_only(ctx: Ctx) -> None:
    await define(ctx, accept_days=30)
    old = START - 40 * DAY.duration
    with pytest.raises(TimeTooFarBack) as refused:
        await service.record(ctx, [use("new", Decimal(1)), use("old", Decimal(1), old)])
    assert (refused.value.field, refused.value.detail["accept_days"]) == ("events[1].at", 30)
    period = Period(old, old + HOUR)
    window = await windows.open_window(ctx, "gb", period, reason="lost logs", customer_ref="ann")
    assert (await service.record(ctx, [use("old", Decimal(1), old)])).accepted == 1
    with pytest.raises(TimeTooFarBack):
        await service.record(ctx, [use("older", Decimal(1), old - HOUR)])
    assert [one.id for one in await windows.open_windows(ctx)] == [window.id]
    await windows.finish_window(ctx, window.id)
    assert (await service.record(ctx, [use("old", Decimal(1), old)])).duplicates == 1
    with pytest.raises(TimeTooFarBack):
        await service.record(ctx, [use("old2", Decimal(1), old)])
    with pytest.raises(WindowNotFound):
        await windows.finish_window(ctx, window.id)
    assert (await windows.list_windows(ctx))[0].finished_at is not None


@pytest.mark.parametrize(
    "period, reason, customer",
    [(Period(START, START), WRONG, "ann"), (DAY, "", "ann"), (DAY, WRONG, "")],
)
async def test_odd_windows_are_refused(ctx: Ctx, period, reason, customer) -> None:
    await define(ctx)
    with pytest.raises(WindowMalformed):
        await windows.open_window(ctx, "gb", period, reason=reason, customer_ref=customer)


async def test_what_came_late_is_found_by_its_day(ctx: Ctx) -> None:
    """On time, within the hour, days late, put right: what came after the place is found."""
    await define(ctx, late=Late.CORRECT)
    end = START + timedelta(hours=23, minutes=30)
    await service.record(ctx, [use("on time", Decimal(1)), use("early", Decimal(1), end)])
    place = await service.last_arrival(ctx)
    asked = LateRequest(customer_ref="ann", before=EPOCH, after=place)

    async def days() -> list[str]:
        up_to = await service.last_arrival(ctx)
        (found,) = await lateness.late_days(ctx, [asked], meter_keys={"gb"}, up_to=up_to)
        return [f"{one.start:%m-%d}" for one in found]

    assert await days() == []
    await service.record(ctx, [use("within the hour", Decimal(1), end)])
    assert await days() == ["01-15"]
    await service.record(ctx, [use("late", Decimal(1), START - 2 * DAY.duration)])
    assert await days() == ["01-12", "01-15"]
    await amending.void(ctx, "on time", reason=WRONG)
    assert await days() == ["01-12", "01-14", "01-15"]
    request = MeasureRequest(selection=Selection("gb"), customer_ref="ann", period=DAY)
    up_to = await service.last_arrival(ctx)
    told = await lateness.changed(ctx, request, after=place, up_to=up_to)
    assert told.event_ids == ("on time", "within the hour")
    listed = await lateness.list_late(ctx, request, after=place, limit=9)
    assert [(one.event_id, one.what) for one in listed] == [
        ("on time", "void"),
        ("within the hour", "late"),
    ]
    assert list(await lateness.correcting_meters(ctx)) == ["gb"]
