"""Does the emulator speak Stripe's protocol: pages, expansion, errors, versions, both clients?"""

import json
import signal
import subprocess
import sys
from datetime import timedelta

import httpx
import pytest
import stripe
from typer.testing import CliRunner

from solvent.systems.payments.stripe_emulator import cli
from solvent.systems.payments.stripe_emulator.emulator import StripeEmulator


def test_lists_are_walked_forth_and_back(client):
    made = [client.customers.create({"name": str(number)}).id for number in range(5)]
    page = client.customers.list({"limit": 2})
    assert ([one.id for one in page.data], page.has_more) == (made[:2:-1], True)
    assert [one.id for one in page.auto_paging_iter()] == made[::-1]
    back = client.customers.list({"limit": 2, "ending_before": made[1]})
    assert [one.id for one in back.data] == [made[3], made[2]]
    last = client.customers.list({"limit": 2, "starting_after": made[2]})
    assert last.has_more is False
    for bad in ({"limit": 0}, {"limit": 101}, {"starting_after": "cus_nobody"}):
        with pytest.raises(stripe.InvalidRequestError):
            client.customers.list(bad)


def test_lists_are_cut_by_time(clock, client):
    first = client.customers.create({})
    clock.advance(timedelta(hours=1))
    second = client.customers.create({})
    after = client.customers.list({"created": {"gt": first.created}})
    assert [one.id for one in after.data] == [second.id]
    assert client.customers.list({"created": {"lt": first.created}}).data == []


def test_ids_are_expanded(client, pay):
    pay()
    path = "data.latest_charge.balance_transaction"
    found = client.payment_intents.list({"expand": [path, "data.customer"]}).data[0]
    assert found.latest_charge.balance_transaction.net == 2786
    assert found.customer.email == "ada@example.com"
    assert isinstance(client.payment_intents.list().data[0].latest_charge, str)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.payment_intents.list({"expand": ["data.amount"]})


def test_errors_have_the_shape_of_stripes(client, ada):
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.payment_intents.create({"currency": "usd"})
    assert (missing.value.code, missing.value.param) == ("parameter_missing", "amount")
    with pytest.raises(stripe.InvalidRequestError) as unknown:
        client.customers.create({"e_mail": "x"})
    assert (unknown.value.code, unknown.value.http_status) == ("parameter_unknown", 400)
    with pytest.raises(stripe.InvalidRequestError) as nobody:
        client.customers.retrieve("cus_nobody")
    assert (nobody.value.code, nobody.value.http_status) == ("resource_missing", 404)
    assert nobody.value.request_id.startswith("req_")
    assert client.customers.delete(ada.id).deleted
    assert client.customers.retrieve(ada.id).deleted


def test_metadata_is_merged_by_its_keys(client, emulator):
    ada = client.customers.create({"metadata": {"a": "1", "b": "2"}})
    changed = client.customers.update(ada.id, {"metadata": {"a": "", "c": "3"}, "name": "Ada"})
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}
    [event] = emulator.events("customer.updated")
    assert event["data"]["previous_attributes"]["name"] is None
    assert client.customers.update(ada.id, {"name": ""}).name is None


@pytest.mark.parametrize(
    "key,status",
    [("sk_test_wrong_0123456789", 401), ("", 401), ("sk_test_emulator_0123456789", 200)],
)
def test_only_its_own_key_opens_it(emulator, key, status):
    told = {"authorization": f"Bearer {key}"} if key else {}
    answer = httpx.get(f"{emulator.url}/v1/customers", headers=told)
    assert answer.status_code == status
    assert not key or status == 200 or key not in answer.text


def test_a_key_as_the_user_of_basic_is_taken(emulator):
    answer = httpx.get(f"{emulator.url}/v1/customers", auth=(emulator.api_key, ""))
    assert answer.status_code == 200


def test_versions_are_told_and_old_shapes_refused(emulator, client):
    raw = client.customers.create({}).last_response
    assert raw.headers["Stripe-Version"] == stripe.api_version
    bearer = {"authorization": f"Bearer {emulator.api_key}"}

    def ask(version):
        return httpx.get(
            f"{emulator.url}/v1/customers", headers=bearer | {"stripe-version": version}
        )

    assert ask("2025-03-31.basil").headers["stripe-version"] == "2025-03-31.basil"
    assert "not emulated" in ask("2024-06-20").text
    assert "Invalid Stripe API version" in ask("latest").text
    unknown = httpx.get(f"{emulator.url}/v1/treasury/outbound_payments", headers=bearer)
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")  # stripe's call of httpx
async def test_the_asynchronous_client_works_as_well(emulator):
    http = stripe.HTTPXClient()
    client = stripe.StripeClient(
        emulator.api_key, base_addresses={"api": emulator.url}, http_client=http
    ).v1
    made = await client.customers.create_async({"email": "ada@example.com"})
    found = await client.customers.retrieve_async(made.id)
    await http.close_async()
    assert found.email == "ada@example.com"


@pytest.mark.parametrize(
    "headers,body,status",
    [
        ({}, b"name=" + b"x" * 1_000_001, 413),
        ({"content-type": "application/json"}, b'{"name"', 400),
        ({}, b"a[b]=1&a=2", 400),
        ({}, b"a=1&a[b]=2", 400),
        ({}, b"metadata[a][b]=2", 400),
        ({}, "name=\ud800".encode(errors="surrogatepass"), 200),
        ({}, b"%00[]]]=", 400),
        ({}, b"a" + b"[b]" * 40 + b"=1", 400),
    ],
)
def test_whatever_is_sent_is_answered(emulator, headers, body, status):
    bearer = {"authorization": f"Bearer {emulator.api_key}"}
    answer = httpx.post(f"{emulator.url}/v1/customers", headers=bearer | headers, content=body)
    assert answer.status_code == status


def test_a_request_that_fails_leaves_nothing(emulator, client, ada):
    seen = len(emulator.events())
    with pytest.raises(stripe.InvalidRequestError):
        client.subscriptions.create({"customer": ada.id, "items": [{"price": "price_none"}]})
    assert client.subscriptions.list().data == []
    assert len(emulator.events()) == seen


def test_the_account_survives_in_its_file(tmp_path):
    place = tmp_path / "stripe.db"
    for number in (1, 2):
        with StripeEmulator(data=place) as emulator:
            client = stripe.StripeClient(emulator.api_key, base_addresses={"api": emulator.url}).v1
            client.customers.create({"name": str(number)}, {"idempotency_key": "same"[:number]})
            names = [one.name for one in client.customers.list().data]
    assert names == ["2", "1"]


def test_meters_take_each_event_once_and_no_old_ones(clock, client, ada):
    wanted = {"display_name": "Calls", "event_name": "calls"}
    meter = client.billing.meters.create(wanted | {"default_aggregation": {"formula": "sum"}})
    now = int(clock.now().timestamp())

    def send(identifier, *, at=now, value="3", name="calls"):
        payload = {"stripe_customer_id": ada.id, "value": value}
        return client.billing.meter_events.create(
            {"event_name": name, "payload": payload, "identifier": identifier, "timestamp": at}
        )

    assert send("a").identifier == "a"
    assert used(client, meter, ada, now) == 3
    for code, change in (
        ("duplicate_meter_event", {"identifier": "a", "value": "4"}),
        ("timestamp_too_far_in_past", {"identifier": "b", "at": now - 35 * 86_400 - 1}),
        ("timestamp_in_future", {"identifier": "b", "at": now + 301}),
        ("meter_event_invalid_value", {"identifier": "b", "value": "many"}),
        ("meter_event_invalid_value", {"identifier": "b", "value": "0.1234567890123"}),
        ("no_meter", {"identifier": "b", "name": "other"}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            send(**change)
        assert caught.value.code == code
    send("c", at=now - 35 * 86_400)
    client.billing.meter_event_adjustments.create(
        {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "a"}}
    )
    assert used(client, meter, ada, now) == 0
    client.billing.meters.deactivate(meter.id)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        send("d")
    assert caught.value.code == "archived_meter"


def used(client, meter, ada, now):
    span = {"start_time": now - now % 60, "end_time": now - now % 60 + 60}
    found = client.billing.meters.event_summaries.list(meter.id, {"customer": ada.id} | span)
    return sum(one.aggregated_value for one in found.data)


@pytest.mark.parametrize(
    "options,said",
    [
        (["--data", "/nowhere/at/all.db"], "unable to open"),
        (["--data", __file__], "not a database"),
        (["--forward-to", "ftp://127.0.0.1/"], "begins with http"),
        (["--duplicate", "1.5"], "less than or equal to 1"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(options, said):
    told = CliRunner().invoke(cli.app, ["stripe", "--port", "0", *options])
    assert told.exit_code == 2
    assert said in " ".join(told.output.replace("│", " ").split())


def test_the_command_tells_where_it_is_and_stops():
    command = [sys.executable, "-m", "solvent.app.cli", "dev", "stripe", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        told = ""
        while not told.rstrip().endswith("}"):
            line = running.stdout.readline()
            assert line, "it ended before it told where it is"
            told += line
        facts = json.loads(told)
        client = stripe.StripeClient(facts["api_key"], base_addresses={"api": facts["address"]}).v1
        assert client.customers.create({"name": "Ada"}).name == "Ada"
        line = json.loads(running.stdout.readline())
        assert (line["what"], line["outcome"]) == ("POST /v1/customers", "200")
        assert "Stripe, emulated" in httpx.get(facts["address"]).text
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
