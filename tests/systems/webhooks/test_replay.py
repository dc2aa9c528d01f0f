"""Is what was missed sent again, and nothing else?"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from solvent.app.housekeeping import forgetting
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import CustomerDetails
from solvent.kit.ctx import OPERATOR
from solvent.systems.webhooks import service
from solvent.systems.webhooks.errors import (
    EndpointDisabled,
    MessageNotFound,
    NotSubscribed,
    OutOfRange,
)
from solvent.systems.webhooks.limits import KEPT_DAYS
from solvent.systems.webhooks.model import State, Which
from solvent.systems.webhooks.testing import TYPE, Reply, open_receiver


async def replay(business, endpoint, *, which=Which.MISSED, dry_run=False, hours=24):
    since = business.clock.now() - timedelta(hours=hours)
    until = business.clock.now() + timedelta(hours=1)
    return await business.do(
        lambda ctx: service.replay_range(
            ctx, endpoint.id, since=since, until=until, which=which, dry_run=dry_run
        )
    )


async def test_a_replay_sends_what_a_disabled_endpoint_missed(business, receiver):
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    await business.do(lambda ctx: service.disable(ctx, made.endpoint.id))
    await business.happens(TYPE, TYPE)
    with pytest.raises(EndpointDisabled):
        await replay(business, made.endpoint, dry_run=True)
    await business.do(lambda ctx: service.enable(ctx, made.endpoint.id))
    assert await business.deliver() == 0
    told = await replay(business, made.endpoint, dry_run=True)
    assert await business.deliver() == 0, "a dry run sends nothing"
    missed = [one.id for one in (await business.messages())[1:]]
    assert (told.messages, told.first_id, told.last_id) == (2, missed[0], missed[1])
    assert await replay(business, made.endpoint) == told
    await business.deliver()
    assert sorted(receiver.ids[1:]) == sorted(missed)
    assert (await replay(business, made.endpoint)).messages == 0, "nothing is missed any more"
    assert await business.audited("webhooks.messages_replayed") == [made.endpoint.id]


async def test_an_endpoint_that_came_later_gets_what_it_asks_for(business, receiver):
    await business.add(receiver.url)
    await business.happens(TYPE, "ledger.invoice_paid.v1", TYPE)
    async with open_receiver() as later:
        made = await business.add(later.url, "billing.*")
        assert (await replay(business, made.endpoint)).messages == 2
        await business.deliver()
        assert [one.told["type"] for one in later.received] == [TYPE, TYPE]


async def test_all_sends_what_arrived_too_under_the_same_ids(business, receiver):
    made = await business.add(receiver.url)
    await business.happens(TYPE, TYPE)
    await business.deliver()
    assert (await replay(business, made.endpoint, which=Which.ALL)).messages == 2
    await business.deliver()
    assert sorted(receiver.ids[:2]) == sorted(receiver.ids[2:])


async def test_what_is_on_its_way_is_left_to_it(business, receiver):
    receiver.replies(500)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    before = await business.only(made.endpoint)
    assert (await replay(business, made.endpoint, which=Which.ALL)).messages == 0
    assert await business.only(made.endpoint) == before


async def test_one_message_is_sent_again_from_its_first_attempt(business, receiver):
    receiver.replies(500, 500, 204)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    await business.later(seconds=6)
    (message,) = await business.messages()
    again = await business.do(
        lambda ctx: service.replay_message(ctx, message.id, endpoint_id=made.endpoint.id)
    )
    assert (again.state, again.attempts) == (State.PENDING, 0)
    assert await business.deliver() == 1
    assert receiver.ids == [message.id] * 3
    assert len(await business.attempts(message.id)) == 3, "the attempts before are still told"


async def test_a_replay_of_what_is_just_being_attempted_changes_nothing(business, receiver):
    receiver.replies(500)
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    (message,) = await business.messages()

    async def meddle(received):
        del received
        await business.do(
            lambda ctx: service.replay_message(ctx, message.id, endpoint_id=made.endpoint.id)
        )
        return Reply(204)

    receiver.answer = meddle
    await business.later(seconds=6)
    held = await business.only(made.endpoint)
    assert (held.state, held.attempts) == (State.DELIVERED, 2)
    assert len(receiver.received) == 2


async def test_a_test_event_goes_to_its_endpoint_alone(business, receiver):
    async with open_receiver() as other:
        made = await business.add(receiver.url, "billing.*")
        second = await business.add(other.url, "*")
        sent = await business.do(lambda ctx: service.send_test(ctx, made.endpoint.id, note="hello"))
        await business.deliver()
        assert receiver.ids == [sent.id]
        assert receiver.received[0].told["data"]["note"] == "hello"
        assert (await replay(business, second.endpoint)).messages == 0
        with pytest.raises(NotSubscribed):
            await business.do(
                lambda ctx: service.replay_message(ctx, sent.id, endpoint_id=second.endpoint.id)
            )
        assert other.received == []


async def test_only_what_an_endpoint_asks_for_is_replayed_to_it(business, receiver):
    await business.add(receiver.url)
    made = await business.add(receiver.url, "ledger.*")
    await business.happens()
    (message,) = await business.messages()
    with pytest.raises(NotSubscribed):
        await business.do(
            lambda ctx: service.replay_message(ctx, message.id, endpoint_id=made.endpoint.id)
        )
    with pytest.raises(MessageNotFound):
        await business.do(
            lambda ctx: service.replay_message(ctx, "msg_none", endpoint_id=made.endpoint.id)
        )


async def test_a_time_that_ends_before_it_begins_is_refused(business, receiver):
    made = await business.add(receiver.url)
    with pytest.raises(OutOfRange, match="until"):
        await replay(business, made.endpoint, hours=-2)


async def test_old_messages_are_forgotten_with_all_that_belongs_to_them(house, business, receiver):
    made = await business.add(receiver.url)
    await business.happens()
    await business.deliver()
    async with business.edge.open(business.tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(
            "update webhooks_message set created_at = created_at - make_interval(days => $2)"
            " where tenant_id = $1",
            ctx.tenant_id,
            KEPT_DAYS + 1,
        )
    await business.happens()
    await forgetting(house.wiring).run(business.edge)
    (left,) = await business.messages()
    assert left.body
    assert list(await business.deliveries(made.endpoint)) == [left.id]


async def test_what_happens_in_the_kernel_arrives_through_the_log(business, receiver, worker):
    await business.add(receiver.url, "tenants.*")
    await business.do(lambda ctx: tenants.upsert_customer(ctx, "ada", CustomerDetails()))
    await business.do(lambda ctx: tenants.upsert_customer(ctx, "bob", CustomerDetails()))
    for _ in range(300):
        if len(await business.messages()) == 2:
            break
        await asyncio.sleep(0.05)
    await business.deliver()
    told = [one.told for one in receiver.received]
    assert {one["type"] for one in told} == {"tenants.customer_created.v1"}
    assert all(one["timestamp"].startswith("2026-01-15T10:00:00") for one in told)
    assert len(set(receiver.ids)) == 2
