"""How do trials, seats and rooms without any way out come by a license?"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from solvent.kit.errors import SolventError
from solvent.systems.licensing import service
from solvent.systems.licensing.errors import (
    PolicyNotFound,
    SchemeMismatch,
    SlotsTaken,
    TrialUsed,
)
from solvent.systems.licensing.model import Scheme
from solvent.systems.licensing.rules.reason import Reason
from solvent.systems.licensing.testing import ANYBODY, Seller

NEVER = 10_000


async def refused(call) -> str:
    """Return the code of what a call is refused with."""
    with pytest.raises(SolventError) as told:
        await call
    return told.value.code


# ----------------------------------------------------------------------------- trials, seats, codes


async def test_a_machine_has_one_trial(seller: Seller) -> None:
    await seller.policy(key="trial", trial=True, days=14)
    laptop = seller.device("laptop")
    answer = await seller.send(laptop.ask())
    verdict = await seller.judge(answer.text, "laptop")
    assert verdict.valid
    assert verdict.contents.extra.trial
    assert verdict.contents.expires_at == seller.now + timedelta(days=14)
    laptop.replace("disk")
    assert await refused(seller.send(laptop.ask())) == TrialUsed.code
    await seller.send(seller.device("desktop").ask())
    await seller.pass_time(days=14, seconds=1)
    assert (await seller.judge(answer.text, "laptop")).reason is Reason.FILE_EXPIRED
    assert await refused(seller.send(laptop.ask())) == TrialUsed.code


async def test_a_trials_file_lives_as_long_as_the_trial(seller: Seller) -> None:
    """No second file could be fetched: a trial has no license key."""
    await seller.policy(key="trial", trial=True, days=60, file_days=30)
    answer = await seller.send(seller.device("laptop").ask())
    verdict = await seller.judge(answer.text, "laptop")
    assert verdict.contents.expires_at == seller.now + timedelta(days=60)


async def test_of_trials_asked_for_at_once_one_is_given(seller: Seller) -> None:
    await seller.policy(key="trial", trial=True, days=14)
    laptop = seller.device("laptop")
    asking = [laptop.ask() for _ in range(6)]
    outcomes = await asyncio.gather(*map(seller.send, asking), return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in outcomes) == 1
    assert {type(one) for one in outcomes if isinstance(one, Exception)} == {TrialUsed}


async def test_what_has_no_trial_gives_none(seller: Seller) -> None:
    await seller.sell()
    assert await refused(seller.send(seller.device("laptop").ask())) == PolicyNotFound.code


async def test_seats_are_for_people(seller: Seller) -> None:
    issued = await seller.sell(scheme=Scheme.SEATS, limit=2)

    async def seat(user: str):
        return await seller.do(lambda ctx: service.assign_seat(ctx, issued.license.id, user))

    ann = await seat("ann")
    assert await seat("ann") == ann
    await seat("ben")
    assert await refused(seat("cid")) == SlotsTaken.code
    await seller.deactivate(ann.id)
    await seat("cid")
    assert await refused(seller.activate("laptop")) == SchemeMismatch.code


async def test_a_room_without_a_way_out_types(seller: Seller) -> None:
    from solvent.systems.licensing.rules import codes

    issued = await seller.sell(features={"export": True}, spare_files=5)
    laptop = seller.device("laptop")
    code = laptop.ask_by_code()
    answer = await seller.do(lambda ctx: service.answer_code(ctx, seller.key, code), ANYBODY)
    told, signature = codes.read_response(answer.text)
    message = told.message(
        product="mytool",
        key_digest=issued.license.key_digest,
        request=codes.read_request(code),
    )
    (public,) = await seller.public_keys()
    public.verify(signature, message)
    assert told.features == ("export",)
    assert told.expiry == seller.now + timedelta(days=30)
    again = await seller.do(lambda ctx: service.answer_code(ctx, seller.key, code), ANYBODY)
    assert again == answer
    assert await refused(seller.activate("desktop")) == SlotsTaken.code
    off = laptop.prove_by_code()
    ended = await seller.do(lambda ctx: service.deactivate_by_code(ctx, seller.key, off), ANYBODY)
    assert ended.proven
    await seller.activate("desktop")
