"""Is an endpoint that wants its order served in it, and never stuck for good?"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from solvent.systems.webhooks import service
from solvent.systems.webhooks.model import State, Which
from solvent.systems.webhooks.testing import TYPE, Received, Reply

WAIT_S = 600


def refusing(*poisoned: int):
    """Return what refuses some events by their count and accepts the others."""

    async def answer(received: Received) -> Reply:
        return Reply(500 if received.told["data"]["count"] in poisoned else 204)

    return answer


def counts(receiver):
    return [one.told["data"]["count"] for one in receiver.received]


async def test_an_ordered_endpoint_gets_one_at_a_time_in_the_order_of_events(business, receiver):
    async def slow(received: Received) -> Reply:
        await asyncio.sleep(0.003 * (received.told["data"]["count"] % 3))
        return Reply()

    receiver.answer = slow
    await business.add(receiver.url, order_wait_s=WAIT_S)
    for _ in range(3):
        await business.happens(*[TYPE] * 7)
    pumps = [business.pump() for _ in range(3)]
    for _ in range(60):
        await asyncio.gather(*(one.once() for one in pumps))
        if len(receiver.received) == 21:
            break
    assert counts(receiver) == list(range(1, 22))
    assert receiver.open_most == 1


async def test_a_message_that_fails_once_holds_up_those_behind_it(business, receiver):
    receiver.replies(500, 204)
    await business.add(receiver.url, order_wait_s=WAIT_S)
    await business.happens(TYPE, TYPE, TYPE)
    await business.deliver()
    assert counts(receiver) == [1]
    await business.later(seconds=6)
    assert counts(receiver) == [1, 1, 2, 3]


async def test_one_poisoned_message_never_blocks_an_ordered_endpoint_for_good(business, receiver):
    receiver.answer = refusing(1)
    made = await business.add(receiver.url, order_wait_s=WAIT_S)
    await business.happens(TYPE, TYPE, TYPE)
    await business.deliver()
    await business.later(seconds=6)
    await business.later(seconds=340)
    assert counts(receiver) == [1, 1, 1], "the others wait"
    (told,) = await business.events("webhooks.message_bypassed.v1")
    await business.later(seconds=WAIT_S - 346 - 2)
    assert counts(receiver) == [1, 1, 1], "until its time is over"
    await business.later(seconds=3)
    assert counts(receiver) == [1, 1, 1, 2, 3]
    held = (await business.deliveries(made.endpoint))[told["message_id"]]
    assert (held.state, held.attempts) == (State.PENDING, 3)
    receiver.answer = refusing()
    await business.later(hours=1)
    assert counts(receiver) == [1, 1, 1, 2, 3, 1], "it is tried further, beside the order"


async def test_several_poisoned_messages_cost_their_wait_each_and_no_more(business, receiver):
    receiver.answer = refusing(1, 2)
    await business.add(receiver.url, order_wait_s=60)
    await business.happens(*[TYPE] * 4)
    await business.deliver()
    for _ in range(30):
        await business.later(seconds=10)
    assert [one for one in counts(receiver) if one > 2] == [3, 4]
    assert len(await business.events("webhooks.message_bypassed.v1")) == 2


async def test_where_nothing_is_to_be_held_up_a_failure_steps_aside_at_once(business, receiver):
    receiver.answer = refusing(1)
    await business.add(receiver.url, order_wait_s=0)
    await business.happens(TYPE, TYPE)
    await business.deliver()
    assert counts(receiver) == [1, 2]


async def test_an_endpoint_may_want_its_order_later(business, receiver):
    receiver.answer = refusing(1)
    made = await business.add(receiver.url)
    await business.happens(TYPE)
    await business.deliver()
    held = service.Wanted(receiver.url, ("*",), order_wait_s=WAIT_S)
    guard = business.sender.guard
    await business.do(lambda ctx: service.update(ctx, made.endpoint.id, held, guard=guard))
    await business.happens(TYPE)
    await business.later(seconds=1)
    assert counts(receiver) == [1, 2], "what failed before holds nothing up"


async def test_a_replay_keeps_the_order_among_what_it_sends(business, receiver):
    made = await business.add(receiver.url, order_wait_s=WAIT_S)
    await business.happens(*[TYPE] * 9)
    await business.deliver()
    since = business.clock.now() - timedelta(hours=1)
    until = business.clock.now() + timedelta(hours=1)
    await business.do(
        lambda ctx: service.replay_range(
            ctx, made.endpoint.id, since=since, until=until, which=Which.ALL
        )
    )
    await business.deliver()
    assert counts(receiver) == [*range(1, 10)] * 2


async def test_other_endpoints_wait_for_nobody(business, receiver):
    receiver.answer = refusing(1)
    await business.add(receiver.url, order_wait_s=WAIT_S)
    await business.add(receiver.url)
    await business.happens(TYPE, TYPE)
    await business.deliver()
    assert sorted(counts(receiver)) == [1, 1, 2]
