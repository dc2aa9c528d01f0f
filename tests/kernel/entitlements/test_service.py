"""Does what a customer may use follow subscriptions, usage and time, exactly?"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from solvent.app.testing import EPOCH
from solvent.kernel.audit import service as audit
from solvent.kernel.entitlements import service
from solvent.kernel.entitlements.errors import (
    CommitTooLarge,
    KeyConflict,
    NotConsumable,
    QuantityMalformed,
    RecordNotFound,
    ReservationClosed,
    ReservationExpired,
    ReservationNotFound,
    TimeToLiveMalformed,
)
from solvent.kernel.entitlements.model import Code, ReservationState, Wish
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kit.ctx import Actor, ScopeMissing
from solvent.kit.testing import eventually

SECOND = timedelta(seconds=1)
PERIOD_END = EPOCH.replace(month=2)


async def test_access_begins_and_ends_with_the_subscription(shop) -> None:
    assert (await shop.check("alice")).code is Code.NO_SUBSCRIPTION
    held = await shop.subscribe("alice", "pro")
    allowed = await shop.check("alice")
    assert (allowed.allowed, allowed.code, allowed.until) == (True, Code.OK, held.plan_expires_at)
    assert (await shop.check("alice", "export")).allowed
    assert (await shop.check("alice", product="logs")).allowed
    assert (await shop.check("alice", product="extra")).code is Code.NO_SUBSCRIPTION
    assert (await shop.check("alice", "sso")).code is Code.FEATURE_MISSING
    assert (await shop.check("bob", "export")).code is Code.NO_SUBSCRIPTION
    async with shop.open() as ctx:
        await subscriptions.cancel(ctx, held.id)
    assert (await shop.check("alice")).code is Code.NO_SUBSCRIPTION
    assert (await shop.check("alice", "export")).code is Code.NO_SUBSCRIPTION


async def test_a_change_is_in_the_record_when_it_commits(shop) -> None:
    async with shop.open() as ctx:
        held = await shop.subscribe_in(ctx, "alice", "pro")
    record = await shop.record("alice")
    assert (record.revision, record.customer_id) == (1, held.customer_id)
    assert [grant.feature_key for grant in record.features] == [
        "calls",
        "export",
        "ingest",
        "people",
        "seats",
        "soft",
    ]


@pytest.mark.parametrize("feature", ["seats", "ingest"])
async def test_the_last_units_go_out_once(shop, feature: str) -> None:
    await shop.subscribe("alice", "pro")
    answers = await asyncio.gather(*(shop.consume("alice", feature) for _ in range(100)))
    assert sum(one.allowed for one in answers) == 10
    assert {one.code for one in answers if not one.allowed} == {Code.QUOTA_EXHAUSTED}
    assert await shop.used("alice", feature) == 10
    assert not (await shop.check("alice", feature)).allowed


async def test_a_key_consumes_once(shop) -> None:
    await shop.subscribe("alice", "pro")
    await shop.subscribe("bob", "pro")
    answers = await asyncio.gather(
        *(shop.consume("alice", "ingest", 3, key="order-1") for _ in range(5))
    )
    assert [one.allowed for one in answers] == [True] * 5
    assert await shop.used("alice", "ingest") == 3
    for how in (("alice", "ingest", 4), ("alice", "seats", 3), ("bob", "ingest", 3)):
        with pytest.raises(KeyConflict):
            await shop.consume(*how, key="order-1")
    assert await shop.used("bob", "ingest") == 0


async def test_what_was_used_while_nobody_could_be_asked_is_counted(shop) -> None:
    await shop.subscribe("alice", "pro")
    told = await shop.consume("alice", "seats", 12, enforce=False, key="outage-1")
    assert (told.allowed, told.remaining) == (True, 0)
    assert await shop.used("alice", "seats") == 12
    assert not (await shop.consume("alice", "seats", 1)).allowed
    assert not (await shop.consume("nobody", "seats", 1, enforce=False)).allowed


async def test_a_refused_use_is_audited(shop) -> None:
    await shop.subscribe("alice", "pro")
    await shop.consume("alice", "seats", 11)
    async with shop.open() as ctx:
        records = await audit.list_records(ctx, action="entitlements.use_refused")
    refused = [(one.entry.subject, one.entry.data["code"]) for one in records]
    assert refused == [("seats", "quota_exhausted")]


async def test_usage_is_seen_by_the_next_check(shop) -> None:
    await shop.subscribe("alice", "pro")
    await shop.use("u1", "alice", "ingest", Decimal("9.5"))
    assert (await shop.check("alice", "ingest", "0.5")).remaining == Decimal("0.5")
    assert not (await shop.check("alice", "ingest", "0.500000000001")).allowed
    await shop.use("u2", "alice", "people", "ann")
    await shop.use("u3", "alice", "people", "ann")
    assert (await shop.check("alice", "people")).remaining == 1


async def test_usage_reaches_guards_without_a_check(shop, worker) -> None:
    await shop.subscribe("alice", "pro")
    await shop.use("u1", "alice", "ingest", Decimal(4))

    async def told() -> Decimal:
        async with shop.open() as ctx:
            (record,) = await service.snapshot(ctx)
        return record.feature("ingest").used

    assert await eventually(told, until=lambda used: used == 4) == 4


async def test_usage_before_the_subscription_and_of_the_unknown_is_mapped_later(shop) -> None:
    await shop.use("early", "alice", "ingest", Decimal(7))
    await shop.move_to(EPOCH + timedelta(hours=1))
    await shop.use("later", "alice", "ingest", Decimal(2), EPOCH + timedelta(minutes=90))
    await shop.subscribe("alice", "pro")
    # The first lies before the period, so it is nobody's quota; the second lies in it.
    assert await shop.used("alice", "ingest") == 2


async def test_past_due_is_refused_at_the_second(shop) -> None:
    held = await shop.subscribe("alice", "pro")
    async with shop.open() as ctx:
        owed = await subscriptions.mark_past_due(ctx, held.id)
    assert owed.plan_expires_at == EPOCH + timedelta(days=3)
    await shop.move_to(owed.plan_expires_at - SECOND)
    assert (await shop.check("alice", "export")).allowed
    assert (await shop.consume("alice", "seats")).allowed
    await shop.move_to(owed.plan_expires_at)
    for refused in (
        await shop.check("alice"),
        await shop.check("alice", "export"),
        await shop.consume("alice", "seats"),
    ):
        assert (refused.allowed, refused.code) == (False, Code.EXPIRED)


async def test_a_downgrade_keeps_what_is_paid_for(shop) -> None:
    held = await shop.subscribe("alice", "pro")
    await shop.consume("alice", "seats", 4)
    async with shop.open() as ctx:
        await subscriptions.change_plan(ctx, held.id, "basic")
    await shop.move_to(PERIOD_END - SECOND)
    assert (await shop.check("alice", "seats")).remaining == 6
    assert (await shop.check("alice", "export")).allowed
    await shop.move_to(PERIOD_END)
    async with shop.open() as ctx:
        await subscriptions.renew(ctx, held.id)
    assert (await shop.check("alice", "seats")).remaining == 3
    assert (await shop.check("alice", "export")).code is Code.FEATURE_MISSING


async def test_an_upgrade_keeps_what_is_used(shop) -> None:
    held = await shop.subscribe("alice", "basic")
    await shop.consume("alice", "seats", 3)
    async with shop.open() as ctx:
        await subscriptions.change_plan(ctx, held.id, "pro")
    assert (await shop.check("alice", "seats")).remaining == 7


async def test_a_quota_begins_anew_with_the_period(shop) -> None:
    held = await shop.subscribe("alice", "pro")
    await shop.consume("alice", "seats", 10)
    await shop.move_to(PERIOD_END - timedelta(hours=1))
    await shop.use("u1", "alice", "ingest", Decimal(10), PERIOD_END - timedelta(milliseconds=1))
    assert not (await shop.check("alice", "ingest")).allowed
    await shop.move_to(PERIOD_END)
    # Until the renewal is known, the old quota goes on being used up.
    assert not (await shop.consume("alice", "ingest")).allowed
    async with shop.open() as ctx:
        await subscriptions.renew(ctx, held.id)
    assert (await shop.check("alice", "seats")).remaining == 10
    assert (await shop.check("alice", "ingest")).remaining == 10


async def test_of_two_grants_the_better_counts(shop) -> None:
    await shop.subscribe("alice", "pro")
    boost = await shop.subscribe("alice", "boost")
    assert (await shop.check("alice", "ingest")).remaining == 25
    assert (await shop.check("alice", "seats")).remaining == 10
    assert (await shop.check("alice", "export")).allowed
    async with shop.open() as ctx:
        await subscriptions.cancel(ctx, boost.id)
    assert (await shop.check("alice", "ingest")).remaining == 10


async def test_without_limit_and_over_the_limit(shop) -> None:
    await shop.subscribe("alice", "pro")
    await shop.subscribe("alice", "endless")
    endless = await shop.consume("alice", "seats", 1_000_000)
    assert (endless.allowed, endless.remaining) == (True, None)
    over = await shop.consume("alice", "soft", 5)
    assert (over.allowed, over.remaining) == (True, 0)


async def test_two_changes_at_once_come_to_one_record(shop) -> None:
    async with shop.open() as ctx:
        await shop.subscribe_in(ctx, "alice", "pro")
        second = asyncio.create_task(shop.subscribe("alice", "boost"))
        await asyncio.sleep(0.05)
    await second
    record = await shop.record("alice")
    assert [one.product_key for one in record.access] == ["extra", "logs"]
    assert record.feature("ingest").limit == 25


async def test_revisions_only_grow(shop) -> None:
    held = await shop.subscribe("alice", "pro")
    seen = [(await shop.record("alice")).revision]
    async with shop.open() as ctx:
        await service.refresh(ctx, [held.customer_id])
    assert (await shop.record("alice")).revision == seen[0]
    await asyncio.gather(*(shop.consume("alice", "seats") for _ in range(5)))
    seen.append((await shop.record("alice")).revision)
    async with shop.open() as ctx:
        await subscriptions.cancel(ctx, held.id)
    seen.append((await shop.record("alice")).revision)
    await shop.subscribe("alice", "basic")
    seen.append((await shop.record("alice")).revision)
    assert seen == [1, 6, 7, 8]


async def test_a_reservation_holds_and_lapses(shop) -> None:
    await shop.subscribe("alice", "pro")
    held = await shop.reserve("alice", "seats", 8, seconds=60)
    assert (held.decision.remaining, held.reservation.state) == (2, ReservationState.HELD)
    assert not (await shop.reserve("alice", "seats", 3)).decision.allowed
    assert not (await shop.consume("alice", "seats", 3)).allowed
    await shop.move_to(EPOCH + timedelta(seconds=59, milliseconds=999))
    assert not (await shop.check("alice", "seats", 3)).allowed
    await shop.move_to(EPOCH + timedelta(seconds=60))
    assert (await shop.check("alice", "seats", 10)).allowed
    with pytest.raises(ReservationExpired):
        await shop.commit(held.reservation.id)
    with pytest.raises(ReservationExpired):
        await shop.release(held.reservation.id)


async def test_guards_are_told_when_a_reservation_lapses(shop, worker) -> None:
    await shop.subscribe("alice", "pro")
    await shop.reserve("alice", "seats", 8, seconds=60)
    await shop.move_to(EPOCH + timedelta(seconds=60))

    async def told() -> Decimal:
        async with shop.open() as ctx:
            (record,) = await service.snapshot(ctx)
        return record.feature("seats").used

    assert await eventually(told, until=lambda used: used == 0) == 0


@pytest.mark.parametrize("feature", ["seats", "ingest"])
async def test_a_commit_uses_up_and_frees_the_rest(shop, feature: str) -> None:
    await shop.subscribe("alice", "pro")
    held = (await shop.reserve("alice", feature, 8)).reservation
    with pytest.raises(CommitTooLarge):
        await shop.commit(held.id, 9)
    done = await shop.commit(held.id, "2.5")
    assert (done.state, done.committed) == (ReservationState.COMMITTED, Decimal("2.5"))
    assert await shop.commit(held.id, "2.5") == done
    assert await shop.used("alice", feature) == Decimal("2.5")
    for refused in (shop.commit(held.id, 3), shop.release(held.id)):
        with pytest.raises(ReservationClosed):
            await refused


async def test_a_release_frees_all_and_a_settlement_happens_once(shop) -> None:
    await shop.subscribe("alice", "pro")
    freed = (await shop.reserve("alice", "seats", 8)).reservation
    assert (await shop.release(freed.id)) == (await shop.release(freed.id))
    assert await shop.used("alice", "seats") == 0
    held = (await shop.reserve("alice", "seats", 8)).reservation
    ends = await asyncio.gather(
        *(shop.commit(held.id) if n % 2 else shop.release(held.id) for n in range(6)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, ReservationClosed) for one in ends) == 3
    assert await shop.used("alice", "seats") in {0, 8}


async def test_a_reservation_is_made_once_a_key(shop) -> None:
    await shop.subscribe("alice", "pro")
    first, second = [await shop.reserve("alice", "seats", 6, key="job-1") for _ in range(2)]
    assert first.reservation == second.reservation
    assert second.decision.allowed
    assert await shop.used("alice", "seats") == 6
    with pytest.raises(KeyConflict):
        await shop.reserve("alice", "seats", 5, key="job-1")


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
async def test_a_reservation_has_a_length(shop, seconds: int) -> None:
    with pytest.raises(TimeToLiveMalformed):
        await shop.reserve("alice", "seats", 1, seconds=seconds)
    with pytest.raises(ReservationNotFound):
        await shop.commit("rsv_none")


async def test_only_quotas_that_add_up_are_consumed(shop) -> None:
    await shop.subscribe("alice", "pro")
    assert (await shop.consume("alice", "calls")).remaining == 1
    for feature, quantity in (("export", 1), ("people", 1), ("calls", "0.5")):
        with pytest.raises(NotConsumable):
            await shop.consume("alice", feature, quantity)


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity", "1e20", "1e-13"])
async def test_odd_quantities_are_refused(shop, quantity: str) -> None:
    for refused in (
        shop.check("alice", "seats", quantity),
        shop.consume("alice", "seats", quantity),
    ):
        with pytest.raises(QuantityMalformed):
            await refused


async def test_mallory_sees_and_uses_nothing_of_ours(shop, other_shop) -> None:
    held = await shop.subscribe("alice", "pro")
    kept = (await shop.reserve("alice", "seats", 1)).reservation
    assert (await other_shop.check("alice")).code is Code.NO_SUBSCRIPTION
    assert (await other_shop.check(held.customer_id)).code is Code.NO_SUBSCRIPTION
    assert not (await other_shop.consume("alice", "seats")).allowed
    with pytest.raises(RecordNotFound):
        await other_shop.record(held.customer_id)
    with pytest.raises(ReservationNotFound):
        await other_shop.release(kept.id)
    async with other_shop.open() as ctx:
        assert await service.snapshot(ctx) == []


async def test_keys_without_the_scope_are_denied(shop) -> None:
    await shop.subscribe("alice", "pro")
    wish = Wish(feature="seats")
    bob = Actor("key", "bob", frozenset({"entitlements:read"}))
    async with shop.edge.open(shop.tenant_id, bob) as ctx:
        assert (await service.check(ctx, "alice", Wish(feature="ingest"))).allowed
        with pytest.raises(ScopeMissing):
            await service.consume(ctx, "alice", wish)
    dora = Actor("key", "dora", frozenset({"entitlements:*"}))
    async with shop.edge.open(shop.tenant_id, dora) as ctx:
        assert (await service.consume(ctx, "alice", Wish(feature="ingest"))).allowed
    async with shop.edge.open(shop.tenant_id, Actor("key", "charlie")) as ctx:
        for refused in (service.check(ctx, "alice", wish), service.snapshot(ctx)):
            with pytest.raises(ScopeMissing):
                await refused
