"""Is what comes in counted or kept with its reason, and does it count once it can?"""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import timedelta
from decimal import Decimal

import pytest

from solvent.app.housekeeping import forgetting
from solvent.app.testing import EPOCH
from solvent.kernel.metering import service as metering
from solvent.kernel.metering import windows
from solvent.kernel.metering.model import Aggregation, Period
from solvent.kernel.tenants import service as tenants
from solvent.kit.bus.envelope import decode
from solvent.kit.ctx import OPERATOR
from solvent.kit.telemetry import DOOR_EVENTS
from solvent.systems.doors import limits, service, tasks
from solvent.systems.doors.errors import LetterNotFound, LettersFull
from solvent.systems.doors.model import Door, LettersAsked, LetterState, Sent
from solvent.systems.doors.rules.readers import read_again
from solvent.systems.doors.store import letters as store

NOW_S = int(EPOCH.timestamp())
BATCH = "/doors/lago/api/v1/events/batch"
CLOUD = "/doors/openmeter/api/v1/events"
METER_EVENTS = "/doors/stripe/v1/billing/meter_events"


def lago(id: str, n: object = 1, **more: object) -> dict[str, object]:
    given = {"transaction_id": id, "external_subscription_id": "acme", "code": "calls"}
    return given | {"timestamp": NOW_S, "properties": {"n": n}} | more


def cloud(id: str, n: object = 1, **more: object) -> dict[str, object]:
    given = {"id": id, "source": "app", "specversion": "1.0", "type": "calls", "subject": "acme"}
    return given | {"time": "2026-01-15T10:00:00Z", "data": {"n": n}} | more


async def send(client, *events: dict[str, object], path: str = BATCH):
    body = list(events) if path == CLOUD else {"events": list(events)}
    return await client.post(path, content=json.dumps(body))


def reasons(letters) -> dict[str | None, tuple[str, str | None]]:
    return {one.event_id: (one.reason, one.field) for one in letters}


async def test_one_bad_event_refuses_no_other(alice, business):
    """Each in one request with good ones, through the door of whoever sends and forgets."""
    await business.meter("strict", known_properties=("n", "model"), value_property="n")
    answer = await send(
        alice,
        lago("good", "2.5"),
        lago("nan", float("nan")),
        lago("infinite", float("inf")),
        lago("text", "12 GB"),
        lago("negative", -1),
        lago("boolean", True),
        lago("none", None),
        lago("object", {"n": 1}),
        lago("foreign", 1, code="strict", properties={"n": 1, "color": "red"}),
        lago("meter", code="nothing"),
        lago("customer", external_subscription_id="nobody"),
        lago("ahead", timestamp=NOW_S + 90_000),
        lago("time", timestamp="yesterday"),
        lago("nul", properties={"n": 1, "a": "\x00"}),
        lago("half", properties={"n": 1, "a": "\ud800"}),
        {"transaction_id": "empty"},
        lago("last", 1),
    )
    assert answer.status_code == 200
    assert await business.used("calls") == Decimal("3.5")
    letters = await business.letters()
    assert reasons([one for one in letters if one.event_id]) == {
        "nan": ("metering.value_malformed", "properties.n"),
        "infinite": ("metering.value_malformed", "properties.n"),
        "text": ("metering.value_malformed", "properties.n"),
        "negative": ("metering.value_malformed", "properties.n"),
        "boolean": ("metering.value_malformed", "properties.n"),
        "none": ("metering.value_missing", "properties.n"),
        "object": ("metering.value_missing", "properties.n"),
        "foreign": ("metering.property_unknown", "properties.color"),
        "meter": ("metering.meter_unknown", "meter"),
        "customer": ("doors.customer_unknown", "customer"),
        "ahead": ("metering.time_too_far_ahead", "at"),
        "nul": ("metering.event_malformed", "properties.a"),
        "half": ("metering.event_malformed", "properties.a"),
    }
    assert sorted((one.reason, one.field) for one in letters if not one.event_id) == [
        ("doors.event_malformed", "timestamp"),
        ("doors.parameter_missing", "external_subscription_id"),
    ]


@pytest.mark.parametrize("number", ["1e400", "1e9999999999999999999", "9" * 400, "0." + "1" * 13])
async def test_an_amount_is_never_guessed(alice, business, number):
    """What no double holds is neither rounded, nor cut, nor taken as infinite."""
    body = json.dumps([cloud("odd", "N"), cloud("good", 2)]).replace('"N"', number)
    answer = await alice.post(CLOUD, content=body)
    assert answer.status_code == 204
    (letter,) = await business.letters()
    assert letter.reason in {"metering.value_out_of_range", "metering.value_malformed"}
    assert number.encode() in letter.raw
    assert await business.used("calls") == 2


@pytest.mark.parametrize("text", ["12", "12.50"])
async def test_a_number_may_be_a_text(alice, business, text):
    await send(alice, lago("a", text))
    assert await business.used("calls") == Decimal(text)


async def test_what_is_accepted_is_counted_or_in_the_dead_letters(alice, business):
    """Through every door, also where its vendor would drop a conflict without a word."""
    await business.customer("cus")
    both = [lago("one", 1), lago("two", "x"), lago("one", 9)]
    assert (await send(alice, *both)).status_code == 422
    both = [cloud("one", 1), cloud("two", "x"), cloud("one", 9), cloud("one", 1)]
    assert (await send(alice, *both, path=CLOUD)).status_code == 204
    payload = {"stripe_customer_id": "cus", "n": "1"}
    events = [
        {"event_name": "calls", "identifier": name, "payload": payload | {"n": value}}
        for name, value in (("a", "1"), ("a", "9"), ("b", "x"))
    ]
    stream = "/doors/stripe/v2/billing/meter_event_stream"
    assert (await send(alice, *events, path=stream)).status_code == 200
    assert await business.used("calls") == 2
    assert await business.used("calls", "cus") == 1
    kept = [(one.door, one.event_id, one.reason) for one in await business.letters()]
    assert sorted(kept) == [
        (Door.LAGO, "two", "metering.value_malformed"),
        (Door.OPENMETER, "one", "metering.event_conflict"),
        (Door.OPENMETER, "two", "metering.value_malformed"),
        (Door.STRIPE, "a", "metering.event_conflict"),
        (Door.STRIPE, "b", "metering.value_malformed"),
    ]


async def test_a_repeat_changes_nothing(alice, business):
    """In a request, in another, at once; with a time and without one."""
    batch = [lago("a"), lago("a"), lago("b", timestamp=None), lago("c", "x")]
    assert (await send(alice, *batch)).status_code == 200
    more = await asyncio.gather(*(send(alice, *batch) for _ in range(3)))
    assert [one.status_code for one in more] == [200, 200, 200]
    assert await business.used("calls") == 2
    (letter,) = await business.letters()
    assert letter.times == 4


async def test_without_a_time_it_happened_when_it_came_first(alice, business):
    await send(alice, lago("a", timestamp=None))
    await business.do(lambda ctx: tenants.move_test_clock(ctx, EPOCH + timedelta(hours=3)))
    assert (await send(alice, lago("a", timestamp=None))).status_code == 200
    assert (await send(alice, lago("a", 2, timestamp=None))).status_code == 422
    (event,) = await business.do(metering.list_events)
    assert event.at == EPOCH


async def test_the_same_id_through_two_doors_counts_once(alice, business):
    """Lago's and Stripe's ids are the tenant's own; a CloudEvent's is its source's and its own."""
    usage = {"id": "one", "meter": "calls", "customer": "acme", "at": "2026-01-15T10:00:00Z"}
    await alice.post("/v1/usage", json=usage | {"properties": {"n": 1}})
    assert (await send(alice, lago("one"))).status_code == 200
    form = {"event_name": "calls", "identifier": "one", "timestamp": NOW_S}
    payload = {"payload[stripe_customer_id]": "acme", "payload[n]": "1"}
    known = await alice.post(METER_EVENTS, data=form | payload)
    assert (known.status_code, known.json()["error"]["param"]) == (400, "identifier")
    assert await business.used("calls") == 1
    await send(alice, cloud("one"), cloud("one", source="another"), path=CLOUD)
    assert await business.used("calls") == 3


async def test_an_event_for_an_unknown_customer_counts_once_it_is_known(alice, business):
    await send(alice, lago("a", external_subscription_id="sub-7"))
    await send(alice, lago("b", external_subscription_id="globex", timestamp=None))
    await business.name(Door.LAGO, "sub-7", "acme")
    await business.customer("globex")
    await business.do(lambda ctx: tenants.move_test_clock(ctx, EPOCH + timedelta(days=40)))
    rehearsed = await business.replay(dry_run=True)
    assert (rehearsed.recorded, await business.used("calls")) == (2, 0)
    told = await business.replay()
    assert (told.recorded, told.uncounted, told.still_dead) == (2, 0, 0)
    assert (await business.used("calls"), await business.used("calls", "globex")) == (1, 1)
    dated = [one.at for one in await business.do(metering.list_events)]
    assert dated == [EPOCH, EPOCH]
    assert await business.letters() == []
    assert (await business.replay()).recorded == 0


async def test_an_event_counts_once_its_meter_is_defined(alice, business):
    await send(alice, lago("a", code="later"), lago("b", code="never"))
    body = {"name": "Later", "aggregation": "sum", "value_property": "n"}
    await alice.put("/v1/meters/later", json=body)
    told = await business.replay()
    assert (told.recorded, told.uncounted, told.still_dead) == (1, 0, 1)
    assert dict(told.reasons) == {"metering.meter_unknown": 1}
    assert await business.used("later") == 1


async def test_what_lay_too_far_ahead_counts_once_its_time_is_near(alice, business):
    await send(alice, lago("a", timestamp=NOW_S + 3 * 86_400))
    assert (await business.replay()).still_dead == 1
    await business.do(lambda ctx: tenants.move_test_clock(ctx, EPOCH + timedelta(days=2)))
    assert (await business.replay()).recorded == 1


async def test_what_came_too_late_counts_once_a_window_is_open_for_it(alice, business):
    body = {"name": "Calls", "aggregation": "sum", "value_property": "n", "accept_days": 7}
    answer = await alice.put(
        "/v1/meters/strict", json=body | {"counts_from": "2020-01-01T00:00:00Z"}
    )
    assert answer.status_code == 200
    await send(alice, lago("a", code="strict", timestamp=NOW_S - 30 * 86_400))
    (letter,) = await business.letters()
    assert (letter.reason, letter.field) == ("metering.time_too_far_back", "at")
    month = Period(EPOCH - timedelta(days=40), EPOCH)
    await business.do(
        lambda ctx: windows.open_window(ctx, "strict", period=month, reason="a phone was off")
    )
    assert (await business.replay()).recorded == 1


async def test_a_replay_tells_what_its_meter_will_not_count(alice, business):
    await send(alice, lago("a", code="later", timestamp=NOW_S - 60))
    await alice.put("/v1/meters/later", json={"name": "Later", "aggregation": "count"})
    told = await business.replay()
    assert (told.recorded, told.uncounted) == (1, 1)


@pytest.mark.parametrize("days", [-400, 400])
async def test_usage_outside_of_any_subscription_is_usage(alice, business, days):
    """Whether it is billed is for its subscription to say; a day ahead is the furthest."""
    at = NOW_S + min(days * 86_400, 80_000)
    await send(alice, lago("a", timestamp=at))
    assert (await business.letters(), await business.used("calls")) == ([], 1)


async def test_a_letter_that_stays_tells_the_reason_of_today(alice, business):
    await send(alice, lago("a", "x", code="later"))
    await business.meter("later", value_property="n")
    assert (await business.replay()).still_dead == 1
    (letter,) = await business.letters()
    assert (letter.reason, letter.field) == ("metering.value_malformed", "properties.n")


async def test_what_is_given_up_can_be_replayed_by_its_id(alice, business):
    await send(alice, lago("a", code="later"))
    (letter,) = await business.letters()
    assert await business.do(lambda ctx: service.discard(ctx, LettersAsked(door=Door.LAGO))) == 1
    await business.meter("later", value_property="n")
    assert (await business.replay()).recorded == 0
    assert (await business.replay(letter.id)).recorded == 1
    with pytest.raises(LetterNotFound):
        await business.replay(letter.id)


async def test_two_replays_at_once_count_it_once(alice, business):
    await send(alice, lago("a", code="later"))
    await business.meter("later", value_property="n")
    told = await asyncio.gather(business.replay(), business.replay(), business.replay())
    assert sorted(one.recorded for one in told) == [0, 0, 1]
    assert sum(one.duplicates for one in told) == 0


async def test_letters_are_chosen_by_what_they_share(alice, business):
    await send(alice, lago("a", code="x"), lago("b", code="y"), lago("c", "no"))
    for asked, ids in (
        (LettersAsked(event="x"), ["a"]),
        (LettersAsked(reason="metering.meter_unknown"), ["a", "b"]),
        (LettersAsked(customer="acme", door=Door.LAGO), ["a", "b", "c"]),
        (LettersAsked(door=Door.STRIPE), []),
    ):
        found = await business.do(lambda ctx, asked=asked: service.list_letters(ctx, asked))
        assert sorted(one.event_id for one in found) == ids


async def test_a_large_event_is_kept_in_part(alice, business):
    large = lago("a", "x", properties={"n": "x", "text": "y" * 10_000})
    await send(alice, large)
    (letter,) = await business.letters()
    assert (letter.cut, len(letter.raw)) == (True, limits.RAW_BYTES_MAX)
    assert dict((await business.replay()).reasons) == {"doors.letter_cut": 1}


async def test_what_would_overflow_the_dead_letters_is_refused(edge, tenant_id, business):
    """Nothing of the request is stored then, so that its sender can send it again."""
    sql = (
        "insert into doors_letter (tenant_id, id, door, state, reason, told, raw, cut, digest,"
        " times, received_at) select $1, 'dle_' || n, 'lago', 'waiting', '', '', '', false,"
        " n::text::bytea, 1, now() from generate_series(1, $2::int) as n"
    )
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(sql, tenant_id, limits.LETTERS_MAX)
    sent = [read_again(Door.LAGO, json.dumps(one).encode()) for one in (lago("a"), lago("b", "x"))]
    with pytest.raises(LettersFull):
        await business.do(lambda ctx: service.take(ctx, Door.LAGO, sent))
    assert await business.used("calls") == 0
    await business.do(lambda ctx: service.take(ctx, Door.LAGO, sent[:1]))
    assert await business.used("calls") == 1


async def test_old_letters_are_forgotten(house, edge, tenant_id, alice, business):
    await send(alice, lago("a", "x"), lago("b", "y"))
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await ctx.tx.execute(
            "update doors_letter set arrived_at = arrived_at - interval '91 days'"
            " where tenant_id = $1 and event_id = 'a'",
            tenant_id,
        )
    await forgetting(house.wiring).run(edge)
    assert [one.event_id for one in await business.letters()] == ["b"]


async def test_letters_are_told_of(house, alice, business):
    """By the metric, by `solvent doctor`, by an event that webhooks carry."""
    before = DOOR_EVENTS.labels("lago", "dead")._value.get()
    await send(alice, lago("a", "x"), lago("b", "y"), lago("c"))
    assert DOOR_EVENTS.labels("lago", "dead")._value.get() == before + 2
    assert await business.do(tasks.check_letters) == [
        ("lago", "2 events wait: metering.value_malformed")
    ]
    async with house.system.transaction() as tx:
        found = await tx.fetch(
            "select envelope from kit_outbox where tenant_id = $1 and subject like $2",
            business.tenant_id,
            "%doors.usage_buried.v1%",
        )
    (told,) = [decode(row["envelope"]).payload for row in found]
    assert told == {"door": "lago", "events": 2, "reasons": ["metering.value_malformed"]}


async def test_a_bad_event_alone_is_refused_where_its_form_is_wrong(alice, business):
    one = "/doors/lago/api/v1/events"
    wrong = await alice.post(one, json={"event": {"transaction_id": "a", "code": "calls"}})
    assert wrong.status_code == 422
    assert wrong.json()["error_details"] == {"external_subscription_id": ["value_is_mandatory"]}
    wrong = await alice.post(CLOUD, json=cloud("a", source=""))
    assert (wrong.status_code, wrong.json()["field"]) == (400, "source")
    assert await business.letters() == []


async def test_a_body_may_be_packed(alice, business):
    packed = gzip.compress(json.dumps([cloud("a"), cloud("b")]).encode())
    answer = await alice.post(CLOUD, content=packed, headers={"content-encoding": "gzip"})
    assert answer.status_code == 204
    assert await business.used("calls") == 2
    bomb = gzip.compress(b"[" + b" " * 50_000_000)
    answer = await alice.post(CLOUD, content=bomb, headers={"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (413, "doors.body_too_large")


async def test_one_event_may_be_for_several_meters(alice, business):
    await business.meter("tokens")
    await business.meter("prompts", Aggregation.COUNT)
    for meter, path in (("tokens", "$.use.tokens"), ("prompts", "")):
        body = {"event": "prompt", "meter": meter, "value_path": path, "dimensions": {}}
        assert (await alice.put("/v1/doors/openmeter/meters", json=body)).status_code == 200
    event = cloud("a", type="prompt", data={"use": {"tokens": 7}})
    worse = cloud("b", type="prompt", data={"use": {"tokens": "x"}})
    await send(alice, event, event, worse, path=CLOUD)
    assert (await business.used("tokens"), await business.used("prompts")) == (7, 2)
    (letter,) = await business.letters()
    assert (letter.event_id, letter.reason) == ("b", "metering.value_malformed")


async def test_two_that_bury_the_same_wait_and_never_deadlock(business):
    async def bury(order: list[int]) -> None:
        sent = [Sent(str(one).encode(), refused=LetterNotFound()) for one in order]
        await business.do(lambda ctx: service.take(ctx, Door.LAGO, sent))

    await asyncio.gather(*(bury(list(range(40))[::step]) for step in (1, -1, 1, -1)))
    assert {one.times for one in await business.letters()} == {4}


async def test_a_letter_of_any_state_is_found(edge, tenant_id, alice, business):
    await send(alice, lago("a", "x"))
    await business.do(lambda ctx: service.discard(ctx, LettersAsked()))
    async with edge.open(tenant_id, OPERATOR) as ctx:
        found = await store.list_letters(
            ctx.tx, tenant_id, LettersAsked(), state=None, after=None, limit=5
        )
    assert [one.state for one in found] == [LetterState.DISCARDED]
