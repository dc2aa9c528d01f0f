"""Does an idempotency key do what Stripe documents of it, seen by Stripe's own client?"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import stripe

from solvent.kit.clock import monotonic_ms

BROKEN = (500, {"error": {"type": "api_error", "message": "Something broke."}})
WAIT_MS = 5_000


def charges(emulator):
    return len(emulator.events("charge.succeeded")) + len(emulator.events("charge.failed"))


def test_a_repeated_key_has_one_effect(emulator, pay):
    first, again = pay(key="k1"), pay(key="k1")
    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert again.last_response.headers["Original-Request"] == first.last_response.request_id
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert charges(emulator) == 1


def test_other_keys_and_none_have_effects_of_their_own(emulator, pay):
    assert len({pay(key="k1").id, pay(key="k2").id, pay().id, pay().id}) == 4


def test_a_saved_decline_is_answered_again_though_the_card_works_by_now(emulator, pay, card):
    emulator.let_card_fail(card.id, "insufficient_funds")
    with pytest.raises(stripe.CardError) as first:
        pay(card.id, key="k1")
    emulator.let_card_fail(card.id, None)
    with pytest.raises(stripe.CardError) as again:
        pay(card.id, key="k1")
    assert again.value.json_body == first.value.json_body
    assert charges(emulator) == 1
    assert pay(card.id, key="k1:2").status == "succeeded"


def test_a_saved_500_is_answered_again(emulator, pay):
    emulator.failures.append(BROKEN)
    for _ in range(2):
        with pytest.raises(stripe.APIError, match="Something broke"):
            pay(key="k1")
    assert pay(key="k2").status == "succeeded"


def test_other_parameters_under_a_key_are_refused(client, pay):
    pay(key="k1")
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as caught:
        pay(key="k1", amount=3000)
    assert caught.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.customers.create({}, {"idempotency_key": "k1"})


def test_what_failed_validation_saves_nothing(emulator, pay):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        pay(key="k1", amount="many")
    assert (caught.value.code, caught.value.param) == ("parameter_invalid_integer", "amount")
    assert pay(key="k1").status == "succeeded"


def test_what_execution_refused_is_saved(client, pay):
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        pay(key="k1", customer="cus_nobody")
    with pytest.raises(stripe.InvalidRequestError) as again:
        pay(key="k1", customer="cus_nobody")
    assert again.value.headers["Idempotent-Replayed"] == "true"


def test_a_key_under_way_is_a_conflict(emulator, pay):
    emulator.working.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(pay, key="k1")
        deadline = monotonic_ms() + WAIT_MS
        while not emulator.desk.is_busy("k1"):
            assert monotonic_ms() < deadline
        with pytest.raises(stripe.APIError, match="in-progress") as caught:
            pay(key="k1")
        emulator.working.set()
        made = first.result(timeout=10)
    assert caught.value.http_status == 409
    assert caught.value.json_body["error"]["code"] == "idempotency_key_in_use"
    assert pay(key="k1").id == made.id


def test_a_key_is_forgotten_after_a_day(clock, emulator, pay):
    first = pay(key="k1")
    clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    assert pay(key="k1").id == first.id
    clock.advance(timedelta(seconds=1))
    assert pay(key="k1", amount=3000).id != first.id


def test_ten_at_once_under_one_key_charge_once(emulator, pay):
    def once(_):
        try:
            return pay(key="k1").id
        except stripe.APIError as busy:
            return busy.http_status

    with ThreadPoolExecutor(10) as pool:
        told = set(pool.map(once, range(10)))
    assert len(told - {409}) == 1
    assert charges(emulator) == 1


def test_a_key_is_at_most_255_characters(pay):
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        pay(key="k" * 256)
