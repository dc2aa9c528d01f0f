"""Is a provider asked with no transaction open, once, and is nothing lost in between?"""

import asyncio
import contextlib

import pytest

from solvent.app.housekeeping import forgetting
from solvent.app.testing import EPOCH
from solvent.kit.testing import eventually
from solvent.systems.payments.paddle_emulator import PADDLE_KEY
from solvent.systems.payments.stripe_emulator.emulator import STRIPE_KEY
from solvent.systems.payments.testing import StripePurchase

BACK = "https://app.example.com/done"
KEYS = {"stripe": STRIPE_KEY, "paddle": PADDLE_KEY}
KEY = {"idempotency-key": "order-1"}
STRIPE_500 = (500, {"error": {"type": "api_error", "message": "Something broke."}})
PADDLE_FAULT = {"type": "api_error", "code": "internal_error", "detail": "Something broke."}
PADDLE_500 = (500, {"error": PADDLE_FAULT | {"documentation_url": ""}})
MAKING = ("/v1/checkout/sessions", "/transactions")


@pytest.fixture(params=KEYS)
def provider(request):
    return request.param


def wanted(provider, **change):
    return {"plan": "pro", "customer": "u42", "success_url": BACK, "provider": provider} | change


async def connect(till, provider):
    body = {"api_key": KEYS[provider]}
    assert (await till.call("PUT", f"/v1/payments/accounts/{provider}", body=body)).is_success


async def buy(till, provider, key=KEY, **change):
    return await till.call("POST", "/v1/checkout-sessions", body=wanted(provider, **change), **key)


async def called(emulator, times):
    async def count():
        return len([one for one in emulator.calls if one.method == "POST"])

    await eventually(count, until=lambda seen: seen >= times)


def pages_made(emulator):
    """How many pages the provider has: a call answered from under a saved key makes none."""
    made = [one for one in emulator.calls if one.method == "POST" and one.path in MAKING]
    return len({one.headers.get("idempotency-key") or id(one) for one in made})


async def errands(till):
    return await till.fetch("select * from payments_errand order by asked_at")


async def die_while_asking(till, emulator, provider):
    """The provider makes the page and its answer never arrives, as if the process were killed."""
    emulator.answering.clear()
    request = asyncio.create_task(buy(till, provider))
    await called(emulator, 1)
    request.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await request
    emulator.answering.set()


async def let_the_lease_pass(till):
    await till.fetch("update kit_idempotency set errand_until = clock_timestamp()")


async def test_no_transaction_is_open_while_the_provider_is_asked(
    till, emulator, provider, watched
):
    await connect(till, provider)
    emulator.answering.clear()
    request = asyncio.create_task(buy(till, provider))
    await called(emulator, 1)
    assert await till.fetch(watched.OPEN) == []
    [errand] = await errands(till)
    assert (errand["state"], errand["settled_at"]) == ("asked", None)
    emulator.answering.set()
    answer = await request
    assert answer.status_code == 201, answer.text
    [errand] = await errands(till)
    assert (errand["state"], errand["made_id"]) == ("made", answer.json()["id"])


async def test_errands_are_forgotten_a_month_after_their_outcome(till, emulator, house, provider):
    await connect(till, provider)
    answer = await buy(till, provider)
    assert answer.status_code == 201, answer.text
    await forgetting(house.wiring).run(house.edge)
    assert len(await errands(till)) == 1
    await till.fetch("update payments_errand set settled_at = settled_at - interval '31 days'")
    await till.fetch("update payments_errand set state = 'asked'")
    await forgetting(house.wiring).run(house.edge)
    assert len(await errands(till)) == 1, "one without an outcome is never forgotten"
    await till.fetch("update payments_errand set state = 'made'")
    await forgetting(house.wiring).run(house.edge)
    assert await errands(till) == []


async def test_no_transaction_is_open_while_a_portal_link_is_made(till, emulator, watched):
    await connect(till, "stripe")
    purchase = StripePurchase("u42", "price_pro", EPOCH)
    for event in (purchase.checkout(), purchase.updated()):
        await till.post(event)
    await till.work()
    emulator.answering.clear()
    body = {"customer": "u42", "return_url": BACK}
    request = asyncio.create_task(till.call("POST", "/v1/portal-links", body=body, **KEY))
    await called(emulator, 1)
    assert await till.fetch(watched.OPEN) == []
    emulator.answering.set()
    first = await request
    again = await till.call("POST", "/v1/portal-links", body=body, **KEY)
    assert first.status_code == 201, first.text
    assert again.json() == first.json()
    assert len(emulator.calls) == 1
    [errand] = await errands(till)
    assert (errand["state"], errand["made_id"]) == ("made", None)


async def test_an_unseen_outcome_is_asked_for_again_and_made_once(till, emulator, provider):
    await connect(till, provider)
    await die_while_asking(till, emulator, provider)
    [errand] = await errands(till)
    assert errand["state"] == "asked"
    assert await till.audited("payments.checkout_created") == []
    await let_the_lease_pass(till)
    answer = await buy(till, provider)
    assert answer.status_code == 201, answer.text
    assert pages_made(emulator) == 1
    sessions = {one["id"] for one in emulator.stripe.world.every("checkout.session")}
    made = sessions if provider == "stripe" else emulator.paddle.transactions
    assert answer.json()["id"] in made
    [errand] = await errands(till)
    assert (errand["state"], errand["tries"]) == ("made", 2)
    assert len(await till.audited("payments.checkout_created")) == 1
    assert (await buy(till, provider)).json() == answer.json()


async def test_what_is_asked_again_is_the_very_same(till, emulator):
    """Stripe refuses a key under which other parameters come: what changed meanwhile waits."""
    await connect(till, "stripe")
    await die_while_asking(till, emulator, "stripe")
    await till.sell(till.plan("pro", prices=("price_dearer", "pri_dearer")))
    await let_the_lease_pass(till)
    assert (await buy(till, "stripe")).status_code == 201
    first, second = emulator.calls
    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_a_repeat_meanwhile_is_told_to_come_back(till, emulator, provider):
    await connect(till, provider)
    emulator.answering.clear()
    request = asyncio.create_task(buy(till, provider))
    await called(emulator, 1)
    repeat = await buy(till, provider)
    assert (repeat.status_code, repeat.json()["code"]) == (409, "kit.request_under_way")
    assert 0 < int(repeat.headers["retry-after"]) <= 50
    other = await buy(till, provider, quantity=2)
    assert other.json()["code"] == "kit.idempotency_key_reused"
    emulator.answering.set()
    answer = await request
    assert (await buy(till, provider)).json() == answer.json()
    assert len([one for one in emulator.calls if one.method == "POST"]) == 1


async def test_many_repeats_after_a_death_ask_once(till, emulator, provider):
    await connect(till, provider)
    await die_while_asking(till, emulator, provider)
    await let_the_lease_pass(till)
    answers = await asyncio.gather(*(buy(till, provider) for _ in range(5)))
    assert sorted({one.status_code for one in answers}) in ([201], [201, 409])
    assert len({one.json()["id"] for one in answers if one.status_code == 201}) == 1
    assert pages_made(emulator) == 1


async def test_a_provider_that_fails_is_asked_again_at_once(till, emulator, provider):
    """No lease is waited for. Stripe's saved failures are left behind with a new key of theirs."""
    await connect(till, provider)
    failure, code, state = {
        "stripe": (STRIPE_500, "payments.gateway_failed", "refused"),
        "paddle": (PADDLE_500, "payments.gateway_unavailable", "asked"),
    }[provider]
    emulator.failures += [failure] * 4
    first = await buy(till, provider)
    assert (first.status_code, first.json()["code"]) == (503, code)
    emulator.failures.clear()
    [errand] = await errands(till)
    assert errand["state"] == state
    assert "Gateway" in errand["reason"]
    other = await buy(till, provider, quantity=2)
    assert other.json()["code"] == "kit.idempotency_key_reused"
    assert (await buy(till, provider)).status_code == 201


async def test_a_refusal_frees_the_key(till, emulator, provider):
    """Nothing was made: the repeat is a first try, under another key of the provider's."""
    await connect(till, provider)
    await till.sell(till.plan("pro", prices=("price_x", "pri_x")))
    error = {"type": "invalid_request_error", "code": "odd", "message": "No such price."}
    emulator.failures.append((400, {"error": error | {"detail": "No.", "documentation_url": ""}}))
    refused = await buy(till, provider)
    assert (refused.status_code, refused.json()["code"]) == (400, "payments.gateway_refused")
    [before] = await errands(till)
    assert before["state"] == "refused"
    assert (await buy(till, provider)).status_code == 201
    [after] = await errands(till)
    assert after["state"] == "made"
    assert after["id"] != before["id"]


async def test_an_outcome_that_could_not_be_written_is_asked_for_again(till, emulator, provider):
    """The second transaction fails: the page exists, nothing says so, and the repeat finds it."""
    await connect(till, provider)
    emulator.answering.clear()
    request = asyncio.create_task(buy(till, provider))
    await called(emulator, 1)
    async with till.open() as ctx:
        await ctx.tx.fetch("select * from payments_errand for update")
        emulator.answering.set()
        answer = await request  # after the lock timeout
    assert answer.status_code == 503, answer.text
    await let_the_lease_pass(till)
    again = await buy(till, provider)
    assert again.status_code == 201, again.text
    assert pages_made(emulator) == 1
    assert len(await till.audited("payments.checkout_created")) == 1


async def test_mallorys_key_asks_for_nothing_of_ours(till, emulator):
    await connect(till, "stripe")
    await die_while_asking(till, emulator, "stripe")
    mallory = await till.another()
    await connect(mallory, "stripe")
    theirs = await buy(mallory, "stripe")
    assert theirs.status_code == 201
    assert len({one.headers["idempotency-key"] for one in emulator.calls}) == 2
    assert len(await errands(mallory)) == 1
    assert [one["state"] for one in await errands(till)] == ["asked"]
