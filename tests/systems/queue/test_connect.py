"""Do keys of tenants open the queue, each its own space, until they are revoked?"""

from __future__ import annotations

import asyncio
import json

import nats
import pytest

from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR
from solvent.kit.errors import Denied, Unauthenticated
from solvent.kit.http import Authenticator, RefusalLog
from solvent.kit.jobs.access.grant import Grant
from solvent.kit.jobs.link import JobsLink
from solvent.kit.jobs.record import CHAIN_START, Spec, Submitted, encode
from solvent.kit.testing import eventually
from solvent.systems.queue.errors import KeyOpensNoQueue
from solvent.systems.queue.look import door_url
from solvent.systems.queue.service.admit import KeyAdmitter
from solvent.systems.queue.service.connect import connect
from solvent.systems.queue.settings import QueueSection

EXPECTED = {"Nats-Expected-Last-Subject-Sequence": "0"}
JOB = encode(Submitted(CHAIN_START, Spec("add"), by="test"))


@pytest.fixture
def admit(house) -> KeyAdmitter:
    return KeyAdmitter(house.edge, house.wiring.port(Authenticator), house.wiring.port(RefusalLog))


async def issue(house, tenant_id, *scopes: str):
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return await tenants.issue_key(ctx, name="worker", asked_scopes=scopes)


async def line(url: str, space: str, key: str):
    return await nats.connect(
        url,
        user=space,
        password=key,
        inbox_prefix=f"_INBOX.{space}".encode(),
        allow_reconnect=False,
        error_cb=_silent,
    )


async def _silent(error: Exception) -> None:
    del error


@pytest.mark.parametrize(
    "scopes, submit, work",
    [
        ((), True, True),
        (("queue:*",), True, True),
        (("queue:submit",), True, False),
        (("queue:work",), False, True),
        (("queue:work", "queue:submit"), True, True),
    ],
)
async def test_a_key_opens_its_own_space_by_its_scopes(
    house, tenant_id, admit, scopes, submit: bool, work: bool
):
    issued = await issue(house, tenant_id, *scopes)
    for user in ("key", tenant_id):
        assert await admit(user, issued.text) == Grant(tenant_id, submit=submit, work=work)


async def test_a_key_without_a_queue_scope_opens_nothing(house, tenant_id, admit):
    issued = await issue(house, tenant_id, "queue:read", "customers:write")
    with pytest.raises(KeyOpensNoQueue):
        await admit("key", issued.text)


async def test_anothers_name_opens_nothing(house, tenant_id, mallory_id, admit):
    issued = await issue(house, mallory_id)
    for user in (tenant_id, "solvent", "", "*", f"{mallory_id} "):
        with pytest.raises(Denied):
            await admit(user, issued.text)


@pytest.mark.parametrize("password", ["", "sk_test_x", "ü", "a" * 5000, "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_key_opens_nothing(admit, password: str):
    with pytest.raises(Unauthenticated):
        await admit("key", password)


async def test_a_tenants_application_works_through_the_door(yard, house, tenant_id):
    issued = await issue(house, tenant_id, "queue:submit", "queue:work")
    client = await line(yard.door_url, tenant_id, issued.text)
    try:
        answer = await client.request(f"job.{tenant_id}.a1", JOB, headers=EXPECTED, timeout=30)
        assert json.loads(answer.data)["seq"] > 0
        await yard.until(tenant_id, "a1", "waiting")
    finally:
        await client.close()


async def test_a_revoked_key_works_no_longer(yard, house, tenant_id, audited, monkeypatch):
    door = yard.runner.door
    assert door.recheck_s <= 15
    monkeypatch.setattr(door, "recheck_s", 0.2)
    issued = await issue(house, tenant_id, "queue:submit")
    client = await line(yard.door_url, tenant_id, issued.text)
    await client.flush()
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        await tenants.revoke_key(ctx, issued.key.id)
    await eventually(lambda: _closed(client))
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    await reader.readline()
    hello = json.dumps({"user": "key", "pass": issued.text}).encode()
    writer.write(b"CONNECT " + hello + b"\r\n")
    assert b"Authorization Violation" in await reader.readline()
    writer.close()
    assert "tenants.request_refused" in await audited(tenant_id)


async def _closed(client) -> bool:
    return client.is_closed


async def test_connecting_prints_all_that_an_application_needs(yard, house, tenant_id):
    """The port is the open door's: another program may have the one in the settings."""
    settings = QueueSection(door_host="0.0.0.0", door_port=4999, door_certificate="c.pem")  # noqa: S104
    url = await door_url(yard.link, settings)
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        made = await connect(ctx, url, submit_only=True)
        keys = await tenants.list_keys(ctx, limit=1)
    assert dict(made.environment) == {
        "SOLVENT_QUEUE_URL": f"tls://127.0.0.1:{yard.runner.door.port}",
        "SOLVENT_QUEUE_SPACE": tenant_id,
        "SOLVENT_QUEUE_KEY": made.key,
    }
    assert keys[0].scopes == {"queue:submit"}
    named = QueueSection(door_url="tls://q.example.com:1")
    assert await door_url(JobsLink(), named) == "tls://q.example.com:1"


async def test_a_port_that_is_taken_stops_nothing_else(yard, house, engines):
    """The door of a second process waits for its port; desk and limits go on."""
    from solvent.kit.jobs.beside import Beside
    from solvent.kit.jobs.scale.watch import DispatcherWatch
    from solvent.systems.queue.service.limits import LimitsBook
    from solvent.systems.queue.tasks import Runner, running

    settings = QueueSection(door_port=yard.runner.door.port)
    second = Runner(
        settings,
        house.wiring.port(Authenticator),
        house.wiring.port(RefusalLog),
        LimitsBook(""),
    )
    around = Beside(
        house.edge,
        house.system,
        house.bus,
        yard.link,
        DispatcherWatch(house.bus, lambda: yard.dispatcher),
        secrets_dir=engines.layout.secrets,
        log_dir=engines.layout.log,
    )
    async with running(second, around):
        await asyncio.sleep(0.3)
        assert second.door is None
        issued = await issue(house, await _tenant(house), "queue:submit")
        assert issued.text


async def _tenant(house):
    from solvent.app.testing import fresh_tenant

    return await fresh_tenant(house)
