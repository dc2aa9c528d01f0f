"""Does a license run on as many machines as it was sold for, and on no others?"""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta

import pytest

from solvent.contracts.licensing import MachineActivated
from solvent.kit.errors import SolventError
from solvent.systems.licensing import service
from solvent.systems.licensing.errors import (
    ActivationNotFound,
    FileUnreadable,
    LicenseNotFound,
    ProductMismatch,
    RequestUsed,
    SlotsTaken,
)
from solvent.systems.licensing.model import Match
from solvent.systems.licensing.rules.reason import Reason
from solvent.systems.licensing.testing import ANYBODY, Device, Seller

NEVER = 10_000


async def refused(call) -> str:
    """Return the code of what a call is refused with."""
    with pytest.raises(SolventError) as told:
        await call
    return told.value.code


# ---------------------------------------------------------------------------- one file, one machine


async def test_a_response_works_on_its_machine_and_says_what_was_sold(seller: Seller) -> None:
    issued = await seller.sell(features={"export": True, "projects": 25}, meters={"rows": 1000})
    answer = await seller.activate("laptop")
    verdict = await seller.judge(answer.text, "laptop")
    assert verdict.valid, verdict.sentence
    assert verdict.contents.license_id == issued.license.id
    assert verdict.contents.entitlements == {"export": True, "projects": 25}
    assert verdict.contents.expires_at == seller.now + timedelta(days=30)
    extra = verdict.contents.extra
    assert extra.nonce == seller.device("laptop").nonce
    assert extra.activation_id == answer.activation_id
    assert extra.meters == {"rows": 1000}
    assert seller.key not in answer.text
    (event,) = await seller.events(MachineActivated)
    assert (event.activation_id, event.name) == (answer.activation_id, "laptop")
    assert event.tool_version == "2.5.0"


async def test_a_response_works_on_its_machine_only(seller: Seller) -> None:
    await seller.sell(limit=2)
    answer = await seller.activate("laptop")
    elsewhere = await seller.judge(answer.text, "desktop")
    assert elsewhere.reason is Reason.LICENSE_KEY_WRONG
    unsealed = await seller.sell(key="open", encrypt=False)
    opened = await seller.activate("laptop", unsealed.key)
    assert (await seller.judge(opened.text, "desktop")).reason is Reason.FINGERPRINT_MISMATCH


async def test_the_same_request_gets_the_same_answer(seller: Seller) -> None:
    await seller.sell()
    request = seller.device("laptop").ask(seller.key)
    first = await seller.send(request)
    await seller.pass_time(days=1)
    assert await seller.send(request) == first
    assert len(await seller.events(MachineActivated)) == 1


async def test_the_same_request_sent_at_once_gets_one_answer(seller: Seller) -> None:
    await seller.sell()
    await seller.policy(key="trial", trial=True, days=14)
    for request in (seller.device("laptop").ask(seller.key), seller.device("desktop").ask()):
        answers = await asyncio.gather(*(seller.send(request) for _ in range(5)))
        assert len(set(answers)) == 1
    assert len(await seller.events(MachineActivated)) == 2


async def test_a_request_works_once(seller: Seller) -> None:
    """Neither for another machine nor after its activation has ended."""
    await seller.sell(limit=5)
    laptop = seller.device("laptop")
    request = laptop.ask(seller.key)
    answer = await seller.send(request)
    thief = Device("thief")
    assert await refused(seller.send(thief.ask(seller.key, nonce=laptop.nonce))) == RequestUsed.code
    await seller.prove("laptop", answer.activation_id)
    assert await refused(seller.send(request)) == RequestUsed.code
    assert len(await seller.events(MachineActivated)) == 1


async def test_one_nonce_makes_one_activation_however_many_ask_at_once(seller: Seller) -> None:
    await seller.sell(limit=50)
    laptop = seller.device("laptop")
    laptop.ask(seller.key)
    asking = [Device(f"d{n}").ask(seller.key, nonce=laptop.nonce) for n in range(8)]
    outcomes = await asyncio.gather(*map(seller.send, asking), return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in outcomes) == 1
    assert {type(one) for one in outcomes if isinstance(one, Exception)} == {RequestUsed}


async def test_a_machine_is_the_same_with_a_new_disk(seller: Seller) -> None:
    await seller.sell(limit=1)
    first = await seller.activate("laptop")
    seller.device("laptop").replace("disk")
    again = await seller.activate("laptop")
    assert again.activation_id == first.activation_id
    assert (await seller.judge(again.text, "laptop")).valid
    seller.device("laptop").replace("mac", "cpu")
    assert await refused(seller.activate("laptop")) == SlotsTaken.code


@pytest.mark.parametrize(
    "match,changed,same",
    [("any", 3, True), ("any", 4, False), ("two", 2, True), ("two", 3, False),
     ("most", 1, True), ("most", 2, False), ("all", 0, True), ("all", 1, False)],
)  # fmt: skip
async def test_as_many_components_count_as_the_policy_says(
    seller: Seller, match: str, changed: int, same: bool
) -> None:
    await seller.sell(match=Match(match))
    first = await seller.activate("laptop")
    machine = seller.device("laptop")
    machine.replace(*list(machine.components)[:changed])
    if same:
        assert (await seller.activate("laptop")).activation_id == first.activation_id
    else:
        assert await refused(seller.activate("laptop")) == SlotsTaken.code


@pytest.mark.parametrize("percent,lets_in", [(100, 4), (125, 5), (150, 6), (200, 8)])
async def test_over_use_is_let_in_as_far_as_the_policy_says(
    seller: Seller, percent: int, lets_in: int
) -> None:
    await seller.sell(limit=4, overuse_percent=percent)
    for number in range(lets_in):
        await seller.activate(f"machine {number}")
    assert await refused(seller.activate("one more")) == SlotsTaken.code


async def test_any_number_of_machines_is_any_number(seller: Seller) -> None:
    await seller.sell(limit=None)
    for number in range(5):
        await seller.activate(f"machine {number}")


async def test_with_fewer_slots_the_oldest_machines_keep_theirs(seller: Seller) -> None:
    await seller.sell(limit=3)
    held = [await seller.activate(f"machine {number}") for number in range(3)]
    await seller.policy(limit=1)
    assert (await seller.renew(held[0].activation_id)).activation_id == held[0].activation_id
    assert await refused(seller.renew(held[1].activation_id)) == SlotsTaken.code


# ------------------------------------------------------------------------------------- odd requests


async def test_odd_requests_are_refused_each_with_its_reason(seller: Seller) -> None:
    await seller.sell()
    laptop = seller.device("laptop")
    wrong = (
        (b"hello", FileUnreadable.code),
        (laptop.ask(seller.key)[:-30], FileUnreadable.code),
        (laptop.ask(seller.key, product="other"), ProductMismatch.code),
        (laptop.ask("WRONG-WRONG-WRONG-WRONG-WRONG"), LicenseNotFound.code),
        (laptop.ask(seller.key, components={}), "licensing.request_invalid"),
        (laptop.ask(seller.key, name="two\nlines"), "licensing.request_invalid"),
        (laptop.ask("\ud800" * 20), LicenseNotFound.code),
    )
    for request, code in wrong:
        assert await refused(seller.send(request)) == code
    assert await refused(seller.renew("act_0")) == ActivationNotFound.code


async def test_another_tenants_key_and_activation_open_nothing(
    seller: Seller, other_seller: Seller
) -> None:
    issued = await seller.sell()
    answer = await seller.activate("laptop")
    await other_seller.sell()
    assert await refused(other_seller.activate("laptop", seller.key)) == LicenseNotFound.code
    assert await refused(other_seller.renew(answer.activation_id)) == ActivationNotFound.code
    proof = seller.device("laptop").prove(answer.activation_id)
    stolen = other_seller.do(lambda ctx: service.prove_deactivation(ctx, proof), ANYBODY)
    assert await refused(stolen) == ActivationNotFound.code
    show = other_seller.do(lambda ctx: service.get(ctx, issued.license.id))
    assert await refused(show) == LicenseNotFound.code
    foreign = await other_seller.judge(answer.text, "laptop")
    assert foreign.reason in {Reason.FOREIGN, Reason.SIGNATURE_INVALID}


async def test_the_key_is_shown_once_and_rests_as_a_digest(seller: Seller) -> None:
    issued = await seller.sell()
    await seller.activate("laptop")
    async with seller.open() as ctx:
        rows = [
            str(dict(row))
            for table in ("license", "activation", "request", "revocation")
            for row in await ctx.tx.fetch(f"select * from licensing_{table}")
        ]
    assert not any(issued.key in row for row in rows)
    replaced = await seller.do(lambda ctx: service.make_key(ctx, issued.license.id))
    assert await refused(seller.activate("desktop", issued.key)) == LicenseNotFound.code
    assert (await seller.activate("laptop", replaced.key)).activation_id


async def test_a_signed_key_can_be_verified_by_itself(seller: Seller) -> None:
    await seller.policy(days=30)
    issued = await seller.do(lambda ctx: service.issue(ctx, "pro", signed_key=True))
    body, _, signature = issued.key.partition(".")
    (public,) = await seller.public_keys()
    public.verify(base64.urlsafe_b64decode(signature), body.encode())
    told = json.loads(base64.urlsafe_b64decode(body.removeprefix("key/")))
    assert (told["license"], told["expiry"]) == (issued.license.id, "2026-02-14T10:00:00Z")
    seller.key = issued.key
    answer = await seller.activate("laptop")
    assert (await seller.judge(answer.text, "laptop")).valid
