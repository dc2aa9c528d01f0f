"""Do slots come free when they should, and never more of them than were sold?"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from solvent.contracts.licensing import MachineDeactivated
from solvent.kit.errors import SolventError
from solvent.systems.licensing import service
from solvent.systems.licensing.errors import (
    FilesAlive,
    LeaseLost,
    ProofInvalid,
    SlotsTaken,
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


# ----------------------------------------------------------------------------------------- floating


async def test_the_eleventh_of_ten_is_refused_and_a_crash_frees_its_slot(seller: Seller) -> None:
    await seller.sell(scheme=Scheme.FLOATING, limit=10, lease_s=600)
    held = [await seller.activate(f"machine {number}") for number in range(10)]
    assert await refused(seller.activate("the eleventh")) == SlotsTaken.code
    await seller.pass_time(seconds=300)
    for one in held[1:]:
        await seller.renew(one.activation_id)
    await seller.pass_time(seconds=300)
    assert await refused(seller.activate("the eleventh")) == SlotsTaken.code
    await seller.pass_time(seconds=1)
    eleventh = await seller.activate("the eleventh")
    assert await refused(seller.renew(held[0].activation_id)) == SlotsTaken.code
    assert (await seller.judge(eleventh.text, "the eleventh")).valid
    assert (await seller.judge(held[0].text, "machine 0")).reason is Reason.FILE_EXPIRED


async def test_of_many_at_once_as_many_come_in_as_there_are_slots(seller: Seller) -> None:
    await seller.sell(scheme=Scheme.FLOATING, limit=10)
    asking = (seller.activate(f"machine {number}") for number in range(25))
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in outcomes) == 10
    assert {type(one) for one in outcomes if isinstance(one, Exception)} == {SlotsTaken}


async def test_a_lease_that_was_given_back_is_free_at_once(seller: Seller) -> None:
    await seller.sell(scheme=Scheme.FLOATING, limit=1, spare_files=5)
    first = await seller.activate("laptop")
    await seller.prove("laptop", first.activation_id)
    await seller.activate("desktop")
    assert await refused(seller.renew(first.activation_id)) == LeaseLost.code


async def test_a_leases_file_says_how_often_its_heart_beats(seller: Seller) -> None:
    await seller.sell(scheme=Scheme.FLOATING, lease_s=600)
    answer = await seller.activate("laptop")
    verdict = await seller.judge(answer.text, "laptop")
    assert verdict.contents.extra.heartbeat_s == 200
    assert verdict.contents.expires_at == seller.now + timedelta(seconds=600)
    await seller.pass_time(seconds=400)
    renewed = await seller.judge((await seller.renew(answer.activation_id)).text, "laptop")
    assert renewed.contents.expires_at == seller.now + timedelta(seconds=600)


# ------------------------------------------------------------------------------------- deactivation


async def test_a_loop_of_activation_and_deactivation_mints_no_more(seller: Seller) -> None:
    """A proof frees a slot, but cannot show that no copy was made: files alive are bounded."""
    await seller.sell(limit=2, spare_files=1, file_days=30)
    minted: list[str] = []
    for number in range(8):
        name = f"machine {number}"
        try:
            answer = await seller.activate(name)
        except FilesAlive:
            continue
        minted.append(answer.text)
        await seller.prove(name, answer.activation_id)
    assert len(minted) == 3
    await seller.pass_time(days=30)
    assert await refused(seller.activate("too soon")) == FilesAlive.code
    await seller.pass_time(seconds=1)
    await seller.activate("now")


async def test_the_same_machine_in_a_loop_is_one_machine(seller: Seller) -> None:
    await seller.sell(limit=1, spare_files=0)
    ids = set()
    for _ in range(5):
        answer = await seller.activate("laptop")
        ids.add(answer.activation_id)
        await seller.prove("laptop", answer.activation_id)
    assert len(ids) == 1


async def test_without_a_proof_the_slot_waits_for_the_files_end(seller: Seller) -> None:
    await seller.sell(limit=1, spare_files=5, file_days=30)
    answer = await seller.activate("laptop")
    ended = await seller.deactivate(answer.activation_id)
    assert not ended.proven
    assert (await seller.judge(answer.text, "laptop")).valid
    listed = await seller.revocations()
    assert [one.id for one in listed.revoked] == [answer.activation_id]
    checked = await seller.judge(answer.text, "laptop", revocations=listed)
    assert checked.reason is Reason.LICENSE_REVOKED
    assert await refused(seller.activate("desktop")) == SlotsTaken.code
    await seller.pass_time(days=30, seconds=1)
    await seller.activate("desktop")
    (event,) = await seller.events(MachineDeactivated)
    assert event.proven is False


async def test_a_proof_frees_the_slot_at_once_and_only_the_machine_has_it(seller: Seller) -> None:
    await seller.sell(limit=1)
    answer = await seller.activate("laptop")
    laptop = seller.device("laptop")
    forged = laptop.prove(answer.activation_id, secret="00" * 32)
    call = seller.do(lambda ctx: service.prove_deactivation(ctx, forged), ANYBODY)
    assert await refused(call) == ProofInvalid.code
    assert await refused(seller.activate("desktop")) == SlotsTaken.code
    proof = laptop.prove(answer.activation_id)
    for _ in range(2):
        ended = await seller.do(lambda ctx: service.prove_deactivation(ctx, proof), ANYBODY)
        assert ended.proven
    await seller.activate("desktop")
    assert len(await seller.events(MachineDeactivated)) == 1


async def test_an_old_proof_does_not_end_a_new_activation(seller: Seller) -> None:
    await seller.sell()
    answer = await seller.activate("laptop")
    old = seller.device("laptop").prove(answer.activation_id)
    await seller.activate("laptop")
    call = seller.do(lambda ctx: service.prove_deactivation(ctx, old), ANYBODY)
    assert await refused(call) == ProofInvalid.code


async def test_a_machine_that_comes_again_is_off_the_list(seller: Seller) -> None:
    await seller.sell()
    answer = await seller.activate("laptop")
    await seller.deactivate(answer.activation_id)
    before = await seller.revocations()
    again = await seller.activate("laptop")
    after = await seller.revocations()
    assert not after.revoked
    assert after.serial > before.serial
    assert (await seller.judge(again.text, "laptop", revocations=after)).valid
