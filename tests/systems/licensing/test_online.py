"""Does the client that ships apart get along with the real server, over HTTP?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
import uvicorn
from source import ROOT

from solvent.contracts.licensing import UsageReported
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Period
from solvent.kernel.tenants import service as tenants
from solvent.kit.errors import SolventError
from solvent.systems.licensing import service
from solvent.systems.licensing.model import Scheme
from solvent.systems.licensing.testing import EPOCH, Seller
from solvent_client.licensing import LicenseRefused, Licensing, clock, commands
from solvent_client.licensing.lease import Floating
from solvent_client.licensing.machine import Machine
from solvent_client.licensing.online import Online
from solvent_client.licensing.surroundings import Surroundings

SEATS = 10
LEASE_S = 200
T = TypeVar("T")

PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[1])
from solvent_client.licensing import Licensing
from solvent_client.licensing.lease import Floating
licensing = Licensing("mytool", public_keys=[sys.argv[2]], override="the one that crashes")
with Floating(licensing, *sys.argv[3:6]) as seat:
    print("held" if seat.is_held() else "lost", flush=True)
    time.sleep(600)
"""


@pytest.fixture
async def url(app) -> AsyncIterator[str]:
    """The API as it is served."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        task = asyncio.create_task(serving._serve(sockets=[listening]))
        while not serving.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving.should_exit = True
        await task


@dataclass
class Desk:
    """Machines on a network, with the real client on them; their clock is the seller's."""

    seller: Seller
    folder: Path
    url: str

    async def licensing(self, name: str) -> Licensing:
        values = {one: f"{name} {one}" for one in ("machine_id", "cpu", "disk", "mac")}
        around = Surroundings(
            data=self.folder / name / "data",
            state=self.folder / name / "state",
            look=lambda: Machine("machine", values),
            read_clock=lambda: clock.Reading(int(self.seller.now.timestamp())),
            witnesses=lambda own: [],
        )
        keys = await self.seller.do(service.public_keys)
        return Licensing("mytool", public_keys=keys, surroundings=around)

    async def online(self, name: str) -> tuple[Licensing, Online]:
        licensing = await self.licensing(name)
        return licensing, Online(licensing, self.url, self.seller.slug)

    async def seat(self, name: str) -> Floating:
        licensing = await self.licensing(name)
        return Floating(licensing, self.url, self.seller.slug, self.seller.key)


@pytest.fixture
def desk(seller: Seller, tmp_path: Path, url: str) -> Desk:
    return Desk(seller, tmp_path, url)


def beside(call: Callable[[], T]) -> asyncio.Future[T]:
    """Let a program wait for its answer while the server works in this very process."""
    return asyncio.ensure_future(asyncio.to_thread(call))


async def refused(call: Callable[[], object]) -> str:
    with pytest.raises(LicenseRefused) as caught:
        await beside(call)
    return caught.value.reason


# -------------------------------------------------------------------------------------- node-locked


async def test_a_program_activates_renews_and_gives_back_over_the_network(
    seller: Seller, desk: Desk
) -> None:
    await seller.sell(limit=1, features={"export": True})
    licensing, online = await desk.online("laptop")
    license = await beside(lambda: online.activate(seller.key, name="laptop"))  # noqa: A001
    assert license.allows("export")
    _, other = await desk.online("desktop")
    assert await refused(lambda: other.activate(seller.key)) == "no_seat_free"
    before = license.expires_at
    await seller.pass_time(days=10)
    assert (await beside(online.renew)).expires_at == before + 10 * 86_400
    await beside(online.deactivate)
    assert licensing.check().reason == "deactivated"
    await beside(online.deactivate)  # the same proof again
    assert (await beside(lambda: other.activate(seller.key))).allows("export")
    assert await refused(online.renew) == "not_activated"


async def test_a_revocation_is_fetched_and_believed(seller: Seller, desk: Desk) -> None:
    issued = await seller.sell()
    licensing, online = await desk.online("laptop")
    await beside(lambda: online.activate(seller.key))
    await seller.do(lambda ctx: service.revoke(ctx, issued.license.id, reason="refunded"))
    assert await refused(online.renew) == "license_revoked"
    await beside(online.fetch_revocations)
    assert licensing.check().reason == "license_revoked"


async def test_a_trial_begins_over_the_network_once(seller: Seller, desk: Desk) -> None:
    await seller.policy(key="trial", trial=True, days=14)
    _, online = await desk.online("laptop")
    assert (await beside(online.begin_trial)).is_trial
    (desk.folder / "laptop").rename(desk.folder / "before")  # a new account on the same machine
    _, again = await desk.online("laptop")
    assert await refused(again.begin_trial) == "trial_used"


async def test_a_server_that_is_away_changes_nothing(seller: Seller, desk: Desk) -> None:
    await seller.sell()
    licensing, online = await desk.online("laptop")
    await beside(lambda: online.activate(seller.key))
    away = Online(licensing, "http://127.0.0.1:1", seller.slug)
    assert await refused(away.renew) == "server_unreachable"
    assert licensing.check().valid


async def test_a_customer_types_activate_and_the_network_does_it(
    seller: Seller, desk: Desk, tmp_path: Path, monkeypatch, capsys
) -> None:
    """Where the server is away the same command writes the file to carry."""
    monkeypatch.chdir(tmp_path)
    await seller.sell(limit=1)
    licensing, online = await desk.online("laptop")
    away = Online(licensing, "http://127.0.0.1:1", seller.slug)

    async def typed(at: Online, *arguments: str) -> tuple[int | None, str]:
        code = await beside(lambda: commands.handle(licensing, arguments, online=at))
        return code, "".join(capsys.readouterr())

    asked = ("--activate", "--license-key", seller.key)
    code, told = await typed(away, *asked)
    assert (code, "cannot be reached" in told) == (0, True)
    assert (tmp_path / "mytool-activation.req").exists()
    code, told = await typed(online, *asked)
    assert (code, "is activated on this machine" in told) == (0, True)
    code, told = await typed(away, "--deactivate", "--yes")
    assert (code, "Wrote mytool-deactivation.proof" in told) == (0, True)
    code, told = await typed(online, "--deactivate", "--yes")
    assert (code, "Its place is free." in told) == (0, True)
    _, other = await desk.online("desktop")
    await beside(lambda: other.activate(seller.key))
    code, told = await typed(online, *asked)
    assert (code, "Every seat of the license is in use" in told) == (1, True)


# ------------------------------------------------------------------------------------------- usage


async def test_usage_of_offline_days_is_told_once_when_there_is_a_network(
    seller: Seller, desk: Desk, worker: None
) -> None:
    await seller.stock()
    await seller.policy(meters={"exports": 10, "unknown": None})
    issued = await seller.do(lambda ctx: service.issue(ctx, "pro", customer="alice"))
    seller.key = issued.key
    licensing, online = await desk.online("laptop")
    license = await beside(lambda: online.activate(seller.key))  # noqa: A001 - what it is
    assert license.use("exports", 4)
    assert license.use("unknown")
    await seller.pass_time(days=3)
    await beside(online.report_usage)
    assert licensing.require().use("exports", 5)
    assert not licensing.require().use("exports", 2)
    for _ in range(2):
        await beside(online.renew)
        await beside(online.report_usage)
    assert await measured(seller, 9) == 9


async def test_totals_are_told_so_that_repeats_and_late_ones_add_nothing(seller: Seller) -> None:
    await seller.sell()
    answer = await seller.activate("laptop")
    for total, grown in ((3, 1), (3, 0), (7, 1), (5, 0)):
        used = {"never": {"exports": total}}
        found = await seller.do(
            lambda ctx, used=used: service.report_usage(ctx, seller.key, answer.activation_id, used)
        )
        assert found == grown
    events = await seller.events(UsageReported)
    assert [(one.quantity, one.total) for one in events] == [(3, 3), (4, 7)]


async def measured(seller: Seller, least: int) -> int:
    """Return what the meter has, once the worker has handed so much on."""
    from solvent.kit.testing import eventually

    period = Period(EPOCH, seller.now.replace(year=2027))

    async def enough() -> int:
        found = await seller.do(
            lambda ctx: metering.measure(ctx, "exports", customer_ref="alice", period=period)
        )
        return int(found.quantity) if found.quantity >= least else 0

    return await eventually(enough)


@pytest.mark.parametrize(
    "used",
    [
        {"soon": {"exports": 1}},
        {"never": {"Exports": 1}},
        {"never": {"exports": -1}},
        {"never": {"exports": 2**60}},
        {str(at): {f"m{n}": 1 for n in range(50)} for at in range(5)},
    ],
)
async def test_odd_usage_is_refused_and_nothing_of_it_is_kept(
    seller: Seller, used: dict[str, dict[str, int]]
) -> None:
    await seller.sell()
    answer = await seller.activate("laptop")
    whole = {"never": {"exports": 3}} | used
    with pytest.raises(SolventError) as caught:
        await seller.do(
            lambda ctx: service.report_usage(ctx, seller.key, answer.activation_id, whole)
        )
    assert caught.value.code == "licensing.usage_malformed"
    assert not await seller.events(UsageReported)


async def test_mallory_tells_nothing_of_our_machines(seller: Seller, other_seller: Seller) -> None:
    await seller.sell()
    await other_seller.sell()
    answer = await seller.activate("laptop")
    used = {"never": {"exports": 3}}
    for key in (seller.key, other_seller.key):
        with pytest.raises(SolventError) as caught:
            await other_seller.do(
                lambda ctx, key=key: service.report_usage(ctx, key, answer.activation_id, used)
            )
        assert caught.value.code.endswith("_not_found")


# ----------------------------------------------------------------------------------------- floating


async def test_the_eleventh_of_ten_is_refused_until_one_crashes(seller: Seller, desk: Desk) -> None:
    """Nine programs here, and one in a process of its own, which is killed; all over HTTP."""
    seller.now = datetime.now(UTC).replace(microsecond=0)
    await seller.do(lambda ctx: tenants.move_test_clock(ctx, seller.now))
    await seller.sell(scheme=Scheme.FLOATING, limit=SEATS, lease_s=LEASE_S)
    async with contextlib.AsyncExitStack() as stack:
        seats = [await desk.seat(f"machine {number}") for number in range(SEATS - 1)]
        for one in seats:
            await take(stack, one)
        crashing = await start_program(seller, desk)
        late = await desk.seat("the eleventh")
        assert await refused(late.__enter__) == "no_seat_free"
        crashing.kill()
        await crashing.wait()
        await seller.pass_time(seconds=LEASE_S - 50)
        assert [await beside(one._renew_once) for one in seats] == [None] * len(seats)
        assert await refused(late.__enter__) == "no_seat_free", "its lease is not over yet"
        await seller.pass_time(seconds=51)
        await take(stack, late)
        assert all(one.is_held() for one in (*seats, late))
        assert await refused((await desk.seat("the twelfth")).__enter__) == "no_seat_free"


async def take(stack: contextlib.AsyncExitStack, seat: Floating) -> None:
    """Take a seat, to be given back at the end."""
    await beside(seat.__enter__)
    stack.push_async_callback(asyncio.to_thread, seat.__exit__, None, None, None)


async def start_program(seller: Seller, desk: Desk) -> asyncio.subprocess.Process:
    """Start a program that holds a seat until it is killed."""
    (key, *_) = await seller.do(service.public_keys)
    home = desk.folder / "crashing"
    home.mkdir()
    client = str(ROOT / "clients" / "python" / "src")
    told = (client, key, desk.url, seller.slug, seller.key)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *told),
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout
    assert await program.stdout.readline() == b"held\n"
    return program


async def test_a_seat_that_is_given_back_is_free_at_once(seller: Seller, desk: Desk) -> None:
    await seller.sell(scheme=Scheme.FLOATING, limit=1, lease_s=LEASE_S)
    first, second = await desk.seat("laptop"), await desk.seat("desktop")
    await beside(first.__enter__)
    assert await refused(second.__enter__) == "no_seat_free"
    await asyncio.to_thread(first.__exit__, None, None, None)
    assert await beside(second.__enter__) is second
    await asyncio.to_thread(second.__exit__, None, None, None)
