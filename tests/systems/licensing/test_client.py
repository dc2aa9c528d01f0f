"""Do the server and the client that ships apart understand each other, to the byte?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from solvent.systems.licensing import service
from solvent.systems.licensing.testing import ANYBODY, Seller
from solvent_client.licensing import LicenseRefused, Licensing, clock
from solvent_client.licensing.machine import Machine
from solvent_client.licensing.surroundings import Surroundings


@dataclass
class Laptop:
    """A customer's machine with the real client on it; its clock is the seller's."""

    seller: Seller
    folder: Path
    name: str = "laptop"

    async def program(self, **options: str) -> Licensing:
        """Start the program, with the seller's public keys built in."""
        values = {one: f"{self.name} {one}" for one in ("machine_id", "cpu", "disk", "mac")}
        wall = int(self.seller.now.timestamp())
        around = Surroundings(
            data=self.folder / self.name / "data",
            state=self.folder / self.name / "state",
            look=lambda: Machine("machine", values),
            read_clock=lambda: clock.Reading(wall, "boot", wall),
            witnesses=lambda own: [],
        )
        keys = await self.seller.do(service.public_keys)
        return Licensing("mytool", public_keys=keys, surroundings=around, **options)

    async def reason(self) -> str | None:
        """Return why the program does not run, None if it does."""
        return getattr((await self.program()).check(), "reason", None)


@pytest.fixture
def laptop(seller: Seller, tmp_path: Path) -> Laptop:
    return Laptop(seller, tmp_path)


async def test_a_program_is_activated_runs_and_gives_back(seller: Seller, laptop: Laptop) -> None:
    await seller.sell(features={"export": True, "projects": 25}, meters={"rows": 10})
    program = await laptop.program()
    answer = await seller.send(program.request(license_key=seller.key, name="laptop").encode())
    license = program.activate(answer.text)  # noqa: A001 - what it is
    assert license.allows("export")
    assert license.value("projects") == 25
    assert license.meter("rows").limit == 10
    await seller.pass_time(days=30)
    assert await laptop.reason() is None
    await seller.pass_time(seconds=1)
    assert await laptop.reason() == "file_expired"
    renewed = await seller.renew(answer.activation_id)
    program = await laptop.program()
    program.activate(renewed.text)
    assert await laptop.reason() is None
    proof = program.deactivate()
    ended = await seller.do(lambda ctx: service.prove_deactivation(ctx, proof.encode()), ANYBODY)
    assert ended.proven
    assert await laptop.reason() == "deactivated"


async def test_an_answer_is_taken_on_its_machine_only(
    seller: Seller, laptop: Laptop, tmp_path: Path
) -> None:
    await seller.sell(encrypt=False)
    program = await laptop.program()
    answer = await seller.send(program.request(license_key=seller.key).encode())
    other = await Laptop(seller, tmp_path, "other").program()
    with pytest.raises(LicenseRefused):
        other.activate(answer.text)
    program.activate(answer.text)


async def test_a_trial_needs_no_key_and_ends(seller: Seller, laptop: Laptop) -> None:
    await seller.policy(key="trial", trial=True, days=14)
    program = await laptop.program()
    answer = await seller.send(program.request(trial=True).encode())
    assert program.activate(answer.text).is_trial
    await seller.pass_time(days=14, seconds=1)
    assert await laptop.reason() in {"file_expired", "license_expired"}


async def test_a_room_types_its_way_in_and_out(seller: Seller, laptop: Laptop) -> None:
    await seller.sell(features={"export": True})
    program = await laptop.program()
    code = "\n".join(program.request_code(seller.key))
    answer = await seller.do(lambda ctx: service.answer_code(ctx, seller.key, code), ANYBODY)
    license = program.activate_code(answer.text.splitlines())  # noqa: A001 - what it is
    assert license.allows("export")
    off = program.deactivate()
    ended = await seller.do(lambda ctx: service.deactivate_by_code(ctx, seller.key, off), ANYBODY)
    assert ended.proven


async def test_a_revoked_license_stops_where_the_list_is_carried_to(
    seller: Seller, laptop: Laptop
) -> None:
    issued = await seller.sell()
    program = await laptop.program()
    answer = await seller.send(program.request(license_key=seller.key).encode())
    program.activate(answer.text)
    await seller.do(lambda ctx: service.revoke(ctx, issued.license.id, reason="refunded"))
    assert await laptop.reason() is None
    text = await seller.do(service.revocation_list, ANYBODY)
    (await laptop.program()).take(text)
    assert await laptop.reason() == "license_revoked"


async def test_a_release_after_maintenance_is_told_so(seller: Seller, laptop: Laptop) -> None:
    await seller.sell(maintenance_days=365)
    program = await laptop.program()
    answer = await seller.send(program.request(license_key=seller.key).encode())
    program.activate(answer.text)
    late = (seller.now + timedelta(days=366)).isoformat()
    newer = await laptop.program(version="9.0", released_at=late)
    assert getattr(newer.check(), "reason", None) == "release_not_covered"
