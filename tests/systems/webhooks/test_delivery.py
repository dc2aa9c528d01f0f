"""Do messages arrive, and what happens where they do not?"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from email.utils import format_datetime

import pytest

from solvent.systems.webhooks import service
from solvent.systems.webhooks.limits import FAILURES_MIN, JITTER_SHARE_MAX, LEASE_S, SCHEDULE_S
from solvent.systems.webhooks.model import Outcome, State
from solvent.systems.webhooks.rules.signature import is_signed_by
from solvent.systems.webhooks.testing import TYPE, Received, Reply, moment, open_receiver


async def test_each_endpoint_gets_each_message_at_least_once(business, receiver):
    async with open_receiver() as other:
        await business.add(receiver.url, "*")
        await business.add(other.url, "billing.*")
        await business.happens(TYPE, "ledger.invoice_paid.v1", TYPE)
        assert await business.deliver() == 5
        messages = await business.messages()
        assert sorted(receiver.ids) == sorted(one.id for one in messages)
        assert sorted(other.ids) == sorted(one.id for one in messages if one.type == TYPE)
        assert await business.later(days=4) == 0


async def test_what_is_sent_is_signed_and_says_what_happened(business, receiver):
    made = await business.add(receiver.url)
    await business.happens(amount_minor=2900, name="Żółw")
    await business.deliver()
    (got,) = receiver.received
    assert is_signed_by(got.headers, got.body, made.secrets[0], at=business.clock.now())
    assert got.told["type"] == TYPE
    assert got.told["data"] == {"count": 1, "amount_minor": 2900, "name": "Żółw"}
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("Solvent-Webhooks/")


@pytest.mark.parametrize("status", [300, 301, 302, 307, 400, 404, 500, 199 + 5 * 100])
async def test_only_2xx_is_success(business, receiver, status):
    receiver.replies(status, location=receiver.url + "/elsewhere")
    made = await business.add(receiver.url)
    await business.happens()
    assert await business.deliver() == 1
    assert [one.path for one in receiver.received] == ["/hooks"], "no redirect was followed"
    held = await business.only(made.endpoint)
    assert held.state is State.PENDING
    (attempt,) = await business.attempts(held.message_id)
    assert (attempt.outcome, attempt.status) == (Outcome.STATUS, status)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_each_2xx_is_success(business, receiver, status):
    receiver.replies(status)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    assert (await business.only(made.endpoint)).state is State.DELIVERED


async def test_ten_attempts_on_the_schedule_and_one_id(business, receiver):
    receiver.replies(500)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    for planned_s in SCHEDULE_S[1:]:
        held = await business.only(made.endpoint)
        wait_s = (moment(held.next_at) - business.clock.now()).total_seconds()
        assert planned_s <= wait_s <= planned_s * (1 + JITTER_SHARE_MAX)
        assert await business.later(seconds=wait_s - 1) == 0, "not a second too early"
        assert await business.later(seconds=1) == 1
    held = await business.only(made.endpoint)
    assert (held.state, held.attempts, held.next_at) == (State.FAILED, len(SCHEDULE_S), None)
    assert len(set(receiver.ids)) == 1
    assert len({one.headers["webhook-timestamp"] for one in receiver.received}) == len(SCHEDULE_S)
    (told,) = await business.events("webhooks.message_failed.v1")
    assert told["attempts"] == len(SCHEDULE_S)
    assert await business.later(days=9) == 0


async def test_a_restart_keeps_the_schedule(business, receiver):
    receiver.replies(500, 500, 204)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    await business.later(seconds=6)
    before = await business.only(made.endpoint)
    pump = business.pump()  # another process: what it knows stands in rows
    assert await pump.once() == 0
    assert await business.only(made.endpoint) == before
    business.clock.advance(moment(before.next_at) - business.clock.now())
    assert await pump.once() == 1
    assert (await business.only(made.endpoint)).state is State.DELIVERED


async def test_what_a_killed_process_had_taken_is_sent_again(business, receiver):
    asked, never = asyncio.Event(), asyncio.Event()

    async def hang(received: Received) -> Reply:
        del received
        asked.set()
        await never.wait()
        return Reply()

    receiver.answer = hang
    made = await business.add(receiver.url)
    await business.happens()
    killed = asyncio.create_task(business.pump().once())
    await asyncio.wait_for(asked.wait(), 10)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    never.set()
    receiver.replies(204)
    assert await business.deliver() == 0, "it is leased still"
    assert await business.later(seconds=LEASE_S + 1) == 1
    held = await business.only(made.endpoint)
    assert (held.state, held.attempts) == (State.DELIVERED, 1)
    assert receiver.ids == [held.message_id] * 2


async def test_two_processes_never_attempt_the_same_at_once(business, receiver):
    await business.add(receiver.url)
    await business.happens(*[TYPE] * 12)
    pumps = [business.pump() for _ in range(3)]
    for _ in range(3):
        await asyncio.gather(*(one.once() for one in pumps))
    assert sorted(receiver.ids) == sorted(one.id for one in await business.messages())


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_endpoint_rests_as_long_as_it_asks(business, receiver, status):
    receiver.replies(status, **{"retry-after": "1200"})
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    await business.happens()
    assert await business.later(seconds=1199) == 0, "the new message waits too"
    receiver.replies(204)
    assert await business.later(seconds=2) == 2
    assert (await business.fresh(made.endpoint)).resume_at is None


async def test_a_date_to_retry_after_is_understood(business, receiver):
    at = business.clock.now() + timedelta(hours=2)
    receiver.replies(500, **{"retry-after": format_datetime(at, usegmt=True)})
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    wait = moment((await business.only(made.endpoint)).next_at) - business.clock.now()
    assert timedelta(hours=1, minutes=59) <= wait <= timedelta(hours=2)


async def test_410_disables_the_endpoint(business, receiver):
    receiver.replies(410)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    held = await business.fresh(made.endpoint)
    assert (held.enabled, held.disabled_reason) == (False, "gone")
    assert await business.audited("webhooks.endpoint_disabled") == [held.id]
    (told,) = await business.events("webhooks.endpoint_disabled.v1")
    assert told["reason"] == "gone"
    await business.happens()
    assert await business.later(days=1) == 0


async def test_an_endpoint_that_fails_for_days_is_disabled(business, receiver):
    receiver.replies(500)
    made = await business.add(receiver.url)
    await business.happens()
    for _ in range(FAILURES_MIN):
        await business.later(hours=13)
        assert (await business.fresh(made.endpoint)).enabled
        await business.happens()
    await business.later(hours=13)
    held = await business.fresh(made.endpoint)
    assert (held.enabled, held.disabled_reason) == (False, "failing")
    assert await business.audited("webhooks.endpoint_disabled") == [held.id]


async def test_few_failures_disable_nothing_however_long_they_lie_apart(business, receiver):
    receiver.replies(500)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    await business.later(days=30)
    assert (await business.fresh(made.endpoint)).enabled


async def test_one_success_ends_the_failing(business, receiver):
    receiver.replies(500, 204)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    failing = await business.fresh(made.endpoint)
    assert (failing.failing_since is not None, failing.failures) == (True, 1)
    await business.later(seconds=6)
    good = await business.fresh(made.endpoint)
    assert (good.failing_since, good.failures) == (None, 0)


async def test_what_waited_goes_on_once_the_endpoint_is_enabled(business, receiver):
    receiver.replies(500, 204)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    await business.do(lambda ctx: service.disable(ctx, made.endpoint.id, reason="maintenance"))
    assert await business.later(hours=1) == 0
    await business.do(lambda ctx: service.enable(ctx, made.endpoint.id))
    assert await business.later(seconds=1) == 1
    assert (await business.only(made.endpoint)).state is State.DELIVERED


async def test_a_receiver_that_answers_nothing_times_out(business, receiver, house, sender):
    never = asyncio.Event()

    async def hang(received: Received) -> Reply:
        del received
        await never.wait()
        return Reply()

    receiver.answer = hang
    object.__setattr__(sender, "timeout_s", 0.2)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    never.set()
    (attempt,) = await business.attempts((await business.only(made.endpoint)).message_id)
    assert attempt.outcome is Outcome.TIMEOUT
    assert "0.2 s" in attempt.told


async def test_nobody_listening_is_told(business):
    async with open_receiver() as gone:
        url = gone.url
    made = await business.add(url)
    await business.happens()
    await business.deliver()
    (attempt,) = await business.attempts((await business.only(made.endpoint)).message_id)
    assert (attempt.outcome, attempt.status) == (Outcome.UNREACHABLE, None)


async def test_of_a_long_answer_a_part_is_read_and_less_is_kept(business, receiver):
    async def talk(received: Received) -> Reply:
        del received
        return Reply(500, {}, b"\0\xff" + b"x" * 3_000_000)

    receiver.answer = talk
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    (attempt,) = await business.attempts((await business.only(made.endpoint)).message_id)
    assert len(attempt.told) == 1_000
    assert "\0" not in attempt.told


async def test_a_failing_endpoint_starves_no_healthy_one(business, receiver):
    never, hanging = asyncio.Event(), []

    async def hang(received: Received) -> Reply:
        hanging.append(received)
        await never.wait()
        return Reply(500)

    async with open_receiver() as dead:
        dead.replies(500)
        sick = await business.add(dead.url, "ledger.*")
        await business.happens("ledger.invoice_paid.v1")
        await business.deliver()
        assert (await business.fresh(sick.endpoint)).failures == 1
        dead.answer = hang
        await business.add(receiver.url, "billing.*")
        await business.happens(*["ledger.invoice_paid.v1"] * 30, *[TYPE] * 30)
        pump = business.pump()
        running = asyncio.create_task(pump.run())
        for _ in range(500):
            if len(receiver.received) == 30:
                break
            await asyncio.sleep(0.02)
        assert len(receiver.received) == 30
        assert len(hanging) == 1, "one request at a time goes to an endpoint that fails"
        never.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_our_own_messages_make_no_further_ones_when_they_fail(business, receiver):
    receiver.replies(500)
    await business.add(receiver.url, "webhooks.*")
    await business.happens("webhooks.message_failed.v1")
    await business.deliver()
    for planned_s in SCHEDULE_S[1:]:
        await business.later(seconds=planned_s * (1 + JITTER_SHARE_MAX))
    assert len(receiver.received) == len(SCHEDULE_S)
    assert await business.events("webhooks.message_failed.v1") == []


async def test_an_endpoint_that_is_removed_meanwhile_breaks_nothing(business, receiver):
    made = await business.add(receiver.url)
    await business.happens()

    async def remove(received: Received) -> Reply:
        del received
        await business.do(lambda ctx: service.remove(ctx, made.endpoint.id))
        return Reply(500)

    receiver.answer = remove
    assert await business.deliver() == 1
    assert await business.deliver() == 0


async def test_nothing_is_kept_where_nobody_asks(business, receiver):
    await business.happens()
    await business.add(receiver.url, "ledger.*")
    await business.happens()
    assert await business.messages() == []


async def test_the_body_stays_the_same_bytes_for_every_attempt(business, receiver):
    receiver.replies(500, 204)
    await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    await business.later(seconds=6)
    first, second = receiver.received
    assert (
        first.body
        == second.body
        == json.dumps(first.told, ensure_ascii=False, separators=(",", ":")).encode()
    )
