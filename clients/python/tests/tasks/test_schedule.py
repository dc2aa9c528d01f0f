"""Do schedules stand on the log, tick once whoever declares them, and end when withdrawn?"""

import asyncio
from itertools import pairwise

import pytest
from conftest import eventually

from solvent_client.tasks import OptionInvalid
from solvent_client.tasks.record import Canceled, Scheduled, decode


async def told_of(worker, name):
    found = await worker._link.reader.last(f"cron.{worker.space}.{name}")
    return decode(found.data)


async def test_a_schedule_of_many_workers_ticks_once(app, working):
    ticks = []

    @app.task(name="shop.tick", cron="@every 1s")
    async def tick():
        ticks.append(asyncio.get_running_loop().time())

    async with working(app), working(app) as worker:
        await eventually(lambda: len(ticks) >= 3)
        told = await told_of(worker, "shop-tick")
        assert isinstance(told, Scheduled)
        assert app.unschedule("shop.tick")
        assert not app.unschedule("shop.tick")
        assert isinstance(await told_of(worker, "shop-tick"), Canceled)
        await eventually(lambda: not worker.held)
        count = len(ticks)
        await asyncio.sleep(0.5)
        await asyncio.sleep(0.5)
        await asyncio.sleep(0.5)
        assert len(ticks) <= count + 1
    gaps = [later - earlier for earlier, later in pairwise(ticks)]
    assert all(gap > 0.3 for gap in gaps)  # two would have come at once


async def test_a_schedule_is_declared_with_its_zone_and_changed_in_place(app, working):
    @app.task(name="nightly")
    async def nightly(scope):
        pass

    app.schedule(nightly.s("a"), "0 3 * * *", name="nightly", tz="Europe/Berlin", catch_up="all")
    async with working(app) as worker:
        told = await told_of(worker, "nightly")
        assert (told.cron, told.zone, told.catch_up) == ("0 3 * * *", "Europe/Berlin", "all")
        assert told.spec.args == b'[["a"],{}]'
    app.schedule(nightly.s("b").set(expires=60), "@daily", name="nightly")
    assert app.declare_schedules() == 1
    async with working(app) as worker:
        told = await told_of(worker, "nightly")
        assert (told.cron, told.zone, told.catch_up) == ("@daily", "UTC", "one")
        assert told.spec.expires_ns == 60_000_000_000
        first = await worker._link.reader.last(f"cron.{worker.space}.nightly")
    async with working(app) as worker:  # nothing has changed: nothing is written
        again = await worker._link.reader.last(f"cron.{worker.space}.nightly")
        assert again.seq == first.seq


@pytest.mark.parametrize(
    "said, told",
    [
        ({"cron": "every day"}, "cron: expected '0 3"),
        ({"cron": "* * * *"}, "cron: expected '0 3"),
        ({"cron": "@every 0s"}, "cron: expected '0 3"),
        ({"cron": "0 3 * * *", "tz": "Mars/Olympus"}, "tz: expected an IANA name"),
        ({"cron": "0 3 * * *", "catch_up": "some"}, "catch_up: expected one, all or none"),
    ],
)
def test_a_schedule_that_is_none_is_refused_when_it_is_said(app, said, told):
    with pytest.raises(OptionInvalid) as refused:

        @app.task(name="never", **said)
        def never():
            pass

    assert told in str(refused.value)
