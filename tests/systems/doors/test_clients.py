"""Do the official clients of Lago, OpenMeter and Stripe run against the doors as they are?

Only the address and the key are set, as their users set them.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import openmeter
import openmeter.models
import pytest
import stripe
from corehttp.exceptions import ClientAuthenticationError, HttpResponseError
from lago_python_client import Client as Lago
from lago_python_client.exceptions import LagoApiError
from lago_python_client.models import BatchEvent, Event

from solvent.app.testing import EPOCH

NOW_S = int(EPOCH.timestamp())


def lago_event(id: str, n: object = 1, **more: object) -> Event:
    given = {"external_subscription_id": "acme", "code": "calls", "timestamp": NOW_S}
    return Event(transaction_id=id, properties={"n": n}, **given | more)


@pytest.fixture
async def lago(server_url, business) -> Lago:
    """Lago's client, of the business."""
    return Lago(api_key=await business.key(), api_url=f"{server_url}/doors/lago/")


async def test_lago_sends_one_event_and_finds_it(lago, business):
    made = await asyncio.to_thread(lago.events.create, lago_event("tx-1", "2.5"))
    assert (made.transaction_id, made.external_subscription_id) == ("tx-1", "acme")
    found = await asyncio.to_thread(lago.events.find, "tx-1")
    assert (found.code, found.properties, found.lago_id) == ("calls", {"n": "2.5"}, made.lago_id)
    assert await business.used("calls", "acme") == Decimal("2.5")


async def test_lago_sends_a_batch(lago, business):
    batch = BatchEvent(events=[lago_event("a"), lago_event("b", 3), lago_event("c", "many")])
    await asyncio.to_thread(lago.events.batch_create, batch)
    await asyncio.to_thread(lago.events.batch_create, batch)  # a retry
    assert await business.used("calls", "acme") == 4
    assert [one.event_id for one in await business.letters()] == ["c"]


async def test_lago_is_told_what_is_wrong(lago, business, server_url):
    await asyncio.to_thread(lago.events.create, lago_event("tx-1", 1))
    with pytest.raises(LagoApiError) as known:
        await asyncio.to_thread(lago.events.create, lago_event("tx-1", 2))
    assert known.value.status_code == 422
    assert known.value.response["error_details"] == {"transaction_id": ["value_already_exist"]}
    with pytest.raises(LagoApiError) as unknown:
        await asyncio.to_thread(lago.events.find, "nothing")
    assert (unknown.value.status_code, unknown.value.response["code"]) == (404, "event_not_found")
    with pytest.raises(LagoApiError) as offered:
        await asyncio.to_thread(lago.events.estimate_fees, lago_event("x"))
    assert (offered.value.status_code, offered.value.response["code"]) == (422, "not_offered")
    stranger = Lago(api_key="sk_live_wrong", api_url=f"{server_url}/doors/lago/")
    with pytest.raises(LagoApiError) as stopped:
        await asyncio.to_thread(stranger.events.create, lago_event("x"))
    assert stopped.value.response == {"status": 401, "error": "Unauthorized"}


def cloud_event(id: str, tokens: object = 5, **more: object) -> openmeter.models.Event:
    given = {"source": "app", "specversion": "1.0", "type": "prompt", "subject": "acme"}
    data = {"tokens": tokens, "model": "large"}
    return openmeter.models.Event(id=id, time=EPOCH, data=data, **given | more)


@pytest.fixture
async def meters(server_url, business) -> openmeter.Client:
    """OpenMeter's client, of the business."""
    return openmeter.Client(endpoint=f"{server_url}/doors/openmeter", token=await business.key())


async def test_openmeter_makes_meters_sends_events_and_queries(meters):
    def run() -> tuple[list[str], list[tuple[float, dict[str, str]]], float]:
        with meters as client:
            client.meters.create(
                openmeter.models.MeterCreate(
                    slug="tokens_total",
                    aggregation="SUM",
                    event_type="prompt",
                    value_property="$.tokens",
                    group_by={"model": "$.model"},
                )
            )
            client.meters.create(
                openmeter.models.MeterCreate(
                    slug="prompts", aggregation="COUNT", event_type="prompt"
                )
            )
            client.events.ingest_event(cloud_event("1"))
            client.events.ingest_events([cloud_event("1"), cloud_event("2", "7"), cloud_event("3")])
            client.events.ingest_events_json(cloud_event("4", 1))
            slugs = [one.slug for one in client.meters.list()]
            asked = {"subject": ["acme"], "from_parameter": EPOCH - timedelta(hours=1)}
            told = client.meters.query_json(
                "tokens_total", **asked, to=EPOCH + timedelta(hours=1), group_by=["model"]
            )
            rows = [(one.value, one.group_by) for one in told.data]
            count = client.meters.query_json(
                "prompts", **asked, to=EPOCH + timedelta(hours=2), window_size="DAY"
            )
            return slugs, rows, sum(one.value for one in count.data)

    slugs, rows, prompts = await asyncio.to_thread(run)
    assert slugs == ["calls", "prompts", "tokens_total"]
    assert rows == [(18, {"model": "large"})]
    assert prompts == 4


async def test_openmeter_is_told_what_is_wrong(meters, server_url):
    def run() -> None:
        with pytest.raises(HttpResponseError) as wrong:
            meters.events.ingest_event(cloud_event("1", specversion="0.3"))
        assert (wrong.value.status_code, wrong.value.model["field"]) == (400, "specversion")
        with pytest.raises(HttpResponseError) as unknown:
            meters.meters.get("nothing")
        assert unknown.value.status_code == 404
        stranger = openmeter.Client(endpoint=f"{server_url}/doors/openmeter", token="sk_live_no")
        with pytest.raises(ClientAuthenticationError):
            stranger.events.ingest_event(cloud_event("1"))

    await asyncio.to_thread(run)


@pytest.fixture
async def stripe_client(server_url, business) -> stripe.StripeClient:
    """Stripe's client, of the business."""
    door = f"{server_url}/doors/stripe"
    addresses = {"api": door, "meter_events": door}
    return stripe.StripeClient(await business.key(), base_addresses=addresses)


async def test_stripe_makes_a_meter_sends_events_and_reads_summaries(stripe_client, business):
    def run() -> None:
        meter = stripe_client.v1.billing.meters.create(
            {
                "display_name": "Tokens",
                "event_name": "tokens",
                "default_aggregation": {"formula": "sum"},
                "value_settings": {"event_payload_key": "used"},
            }
        )
        payload = {"stripe_customer_id": "acme", "used": "25", "model": "large"}
        sent = {"event_name": "tokens", "payload": payload, "timestamp": NOW_S + 60}
        made = stripe_client.v1.billing.meter_events.create(sent | {"identifier": "idem-1"})
        again = stripe_client.v1.billing.meter_events.create(sent | {"identifier": "idem-1"})
        nameless = stripe_client.v1.billing.meter_events.create(sent)
        assert (made.identifier, again.identifier) == ("idem-1", "idem-1")
        assert nameless.identifier
        assert made.payload["used"] == "25"
        assert (
            stripe_client.v1.billing.meters.retrieve(meter.id).value_settings["event_payload_key"]
            == "used"
        )
        listed = stripe_client.v1.billing.meters.list()
        assert [one.event_name for one in listed.auto_paging_iter()] == ["calls", "tokens"]
        asked = {"customer": "acme", "start_time": NOW_S - 7200, "end_time": NOW_S + 7200}
        summaries = stripe_client.v1.billing.meters.event_summaries.list(
            meter.id, asked | {"value_grouping_window": "hour"}
        )
        assert [one.aggregated_value for one in summaries.data] == [0, 0, 50, 0]
        canceled = stripe_client.v1.billing.meter_event_adjustments.create(
            {"event_name": "tokens", "type": "cancel", "cancel": {"identifier": "idem-1"}}
        )
        assert canceled.status == "complete"

    await asyncio.to_thread(run)
    assert await business.used("tokens", "acme") == 25


async def test_stripe_streams_events_in_a_session(stripe_client, server_url, business):
    await business.meter("bytes")

    def event(id: str, value: str) -> dict[str, object]:
        payload = {"stripe_customer_id": "acme", "value": value}
        return {"event_name": "bytes", "identifier": id, "payload": payload}

    def run() -> None:
        session = stripe_client.v2.billing.meter_event_session.create()
        door = f"{server_url}/doors/stripe"
        streaming = stripe.StripeClient(
            session.authentication_token, base_addresses={"api": door, "meter_events": door}
        )
        batch = [event("a", "1"), event("b", "2"), event("c", "NaN")]
        streaming.v2.billing.meter_event_stream.create({"events": batch})
        one = stripe_client.v2.billing.meter_events.create(event("d", "4"))
        assert one.identifier == "d"

    await asyncio.to_thread(run)
    assert await business.used("bytes", "acme") == 7
    assert [one.event_id for one in await business.letters()] == ["c"]


async def test_stripe_is_told_what_is_wrong(stripe_client, server_url, business):
    events = stripe_client.v1.billing.meter_events
    payload = {"stripe_customer_id": "acme", "value": "1"}

    def run() -> None:
        with pytest.raises(stripe.InvalidRequestError) as missing:
            events.create({"event_name": "calls", "payload": {"value": "1"}})
        told = missing.value
        assert (told.param, told.code) == ("payload[stripe_customer_id]", "parameter_missing")
        with pytest.raises(stripe.InvalidRequestError) as odd:
            events.create({"event_name": "calls", "payload": payload, "identifer": "x"})
        assert (odd.value.param, odd.value.code) == ("identifer", "parameter_unknown")
        sent = {"event_name": "calls", "payload": payload | {"n": "1"}, "identifier": "one"}
        events.create(sent)
        with pytest.raises(stripe.InvalidRequestError) as known:
            events.create(sent | {"payload": payload | {"n": "2"}})
        assert known.value.param == "identifier"
        events.create(sent, {"idempotency_key": "same"})
        with pytest.raises(stripe.IdempotencyError):
            events.create(sent | {"event_name": "other"}, {"idempotency_key": "same"})
        with pytest.raises(stripe.InvalidRequestError) as unknown:
            stripe_client.v1.billing.meters.retrieve("mtr_nothing")
        assert unknown.value.http_status == 404
        door = {"api": f"{server_url}/doors/stripe"}
        stranger = stripe.StripeClient("sk_test_wrong", base_addresses=door)
        with pytest.raises(stripe.AuthenticationError):
            stranger.v1.billing.meters.list()

    await asyncio.to_thread(run)
    assert await business.used("calls", "acme") == 1
