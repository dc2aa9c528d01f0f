"""What does a foreign event mean as usage, and is nothing about it guessed?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.app.testing import EPOCH
from solvent.kernel.metering.model import Period
from solvent.systems.doors.errors import EventMalformed, NameMalformed, QueryTooLarge
from solvent.systems.doors.model import Door, MeterName, Use
from solvent.systems.doors.rules import lago, openmeter, stripe
from solvent.systems.doors.rules.fields import epoch_time
from solvent.systems.doors.rules.usage import events_of, steps_of, usage_id
from solvent.systems.doors.rules.windows import Size, cut

LAGO = {"transaction_id": "t", "external_subscription_id": "s", "code": "calls"}
CLOUD = {"id": "1", "source": "app", "specversion": "1.0", "type": "calls", "subject": "acme"}
STRIPE = {"event_name": "calls", "payload": {"stripe_customer_id": "cus", "value": "1"}}
NOW_S = int(EPOCH.timestamp())


def use(**more: object) -> Use:
    given = {"id": "1", "customer": "acme", "event": "calls", "at": EPOCH, "data": {}}
    return Use(**given | more)


def name(**more: object) -> MeterName:
    given = {"door": Door.OPENMETER, "event": "calls", "meter_key": "calls", "created_at": EPOCH}
    return MeterName(**given | more)


def made(told: Use, meter: MeterName):
    (event,) = events_of(told, [meter], customer_ref="acme", fallback_id="x", at=EPOCH)
    return event


@pytest.mark.parametrize(
    "given", [NOW_S, str(NOW_S), f"{NOW_S}.0", Decimal(NOW_S), Decimal(f"{NOW_S}.0000001")]
)
def test_a_time_is_seconds_since_1970(given):
    assert epoch_time(given, field="t") == EPOCH


def test_a_fraction_of_a_second_is_kept():
    assert epoch_time(f"{NOW_S}.123", field="t") == EPOCH + timedelta(milliseconds=123)


@pytest.mark.parametrize(
    "given",
    [
        *("", "now", "-1", "1_000", " 1", "1e3", "\uff11", "9" * 30, "2026-01-15T10:00:00Z"),
        *(-1, True, None, [], Decimal("NaN"), Decimal("1e999999"), 10**13, NOW_S * 1000),
    ],
)
def test_what_names_no_second_is_refused_and_never_now(given):
    with pytest.raises(EventMalformed) as refused:
        epoch_time(given, field="timestamp")
    assert refused.value.field == "timestamp"


@pytest.mark.parametrize(
    "read, good, field, odd",
    [
        (lago.read, LAGO, "transaction_id", None),
        (lago.read, LAGO, "transaction_id", ""),
        (lago.read, LAGO, "transaction_id", "a\x00"),
        (lago.read, LAGO, "code", 7),
        (lago.read, LAGO, "external_subscription_id", None),
        (lago.read, LAGO, "timestamp", "soon"),
        (lago.read, LAGO, "properties", [1]),
        (openmeter.read, CLOUD, "id", "\ud800"),
        (openmeter.read, CLOUD, "source", " "),
        (openmeter.read, CLOUD, "specversion", "0.3"),
        (openmeter.read, CLOUD, "subject", None),
        (openmeter.read, CLOUD, "type", "x" * 201),
        (openmeter.read, CLOUD, "time", 5),
        (openmeter.read, CLOUD, "data", "tokens=5"),
        (openmeter.read, CLOUD, "datacontenttype", "application/xml"),
        (stripe.read, STRIPE, "event_name", None),
        (stripe.read, STRIPE, "payload", None),
        (stripe.read, STRIPE, "payload", "x"),
        (stripe.read, STRIPE, "timestamp", "later"),
        (stripe.read, STRIPE, "identifier", "x" * 300),
    ],
)
def test_a_wrong_field_is_named(read, good, field, odd):
    assert read(good)
    with pytest.raises(EventMalformed) as refused:
        read(good | {field: odd})
    assert refused.value.field == field


@pytest.mark.parametrize("value", [[1], {"a": 1}, True])
def test_an_amount_of_stripe_is_a_number_or_a_text(value):
    with pytest.raises(EventMalformed) as refused:
        stripe.read(STRIPE | {"payload": {"stripe_customer_id": "cus", "value": value}})
    assert refused.value.field == "payload[value]"


def test_lagos_customer_is_the_tenants_own_where_it_is_given():
    told = lago.read(LAGO | {"external_customer_id": "acme"})
    assert (told.customer, told.own) == ("acme", True)
    assert lago.read(LAGO | {"precise_total_amount_cents": "12.5"}).data == {
        "precise_total_amount_cents": "12.5"
    }


def test_an_id_without_a_source_is_taken_as_it_is():
    assert usage_id(use(id="tx-1"), "calls") == "tx-1"


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_an_id_with_its_source_is_never_too_long(id, source):
    told = usage_id(use(id=id, source=source), "m" * 64)
    assert len(told) <= 200
    assert told.endswith("/" + "m" * 64)


def test_properties_below_others_have_dotted_names():
    data = {"a": {"b": {"c": 1}, "d": []}, "e": {}, "f": [1, {"g": Decimal("0.10")}], "h": None}
    assert made(use(data=data), name()).properties == {
        "a.b.c": 1,
        "a.d": "[]",
        "e": "{}",
        "f": '[1,{"g":0.10}]',
        "h": None,
    }


def test_what_cannot_be_written_is_refused():
    with pytest.raises(EventMalformed) as refused:
        made(use(data={"a": ["\ud800"]}), name())
    assert refused.value.field == "data"


@pytest.mark.parametrize(
    "data, path, value",
    [
        ({"tokens": 5}, "$.tokens", Decimal(5)),
        ({"tokens": "5"}, "$.tokens", "5"),
        ({"usage": {"a b": Decimal("0.5")}}, "$.usage['a b']", Decimal("0.5")),
        ({"usage": 1}, "$.usage.tokens", None),
        ({}, "$.tokens", None),
        ({"tokens": 5}, "", None),
    ],
)
def test_a_value_is_read_where_its_meter_says(data, path, value):
    assert made(use(data=data, value="9"), name(value_path=path)).value == value


def test_a_value_is_taken_as_sent_where_nothing_is_said():
    assert made(use(value="9"), name()).value == "9"


@pytest.mark.parametrize("odd", [True, [1], {"a": 1}])
def test_a_value_that_is_none_is_refused(odd):
    with pytest.raises(EventMalformed):
        made(use(data={"tokens": odd}), name(value_path="$.tokens"))


def test_only_the_dimensions_that_are_named_are_kept():
    data = {"model": "large", "user": {"plan": "pro"}, "prompt": "x" * 5_000}
    told = made(use(data=data), name(dimensions={"m": "$.model", "p": "$.user.plan", "q": "$.no"}))
    assert told.properties == {"m": "large", "p": "pro"}


@pytest.mark.parametrize(
    "path", ["", "$", "tokens", "$.", "$..a", "$.a[0]", "$.*", "$.a b", "$['a'", "$." + "a" * 300]
)
def test_other_paths_are_refused(path):
    with pytest.raises(NameMalformed):
        steps_of(path, field="value_path")


@pytest.mark.parametrize("day, hours", [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_of_a_clock_change_is_whole(day, hours):
    zone = ZoneInfo("Europe/Paris")
    start = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
    (only,) = cut(Period(start, start + timedelta(hours=hours)), Size.DAY, zone=zone)
    assert only.duration == timedelta(hours=hours)


@given(
    st.integers(-800 * 86_400, 300 * 86_400),
    st.integers(1, 5_000_000),
    st.sampled_from([Size.HOUR, Size.DAY, Size.MONTH]),
    st.sampled_from(["UTC", "Europe/Paris", "America/Sao_Paulo", "Pacific/Apia"]),
)
def test_windows_make_up_the_period(since, seconds, size, zone):
    start = EPOCH + timedelta(seconds=since)
    period = Period(start, start + timedelta(seconds=seconds))
    found = cut(period, size, zone=ZoneInfo(zone))
    assert (found[0].start, found[-1].end) == (period.start, period.end)
    assert all(one.end == after.start for one, after in pairwise(found))


def test_too_many_windows_are_refused():
    with pytest.raises(QueryTooLarge):
        cut(Period(EPOCH, EPOCH + timedelta(days=3)), Size.MINUTE)
