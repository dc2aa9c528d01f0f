"""Are requests counted to who sends them, and do an address's failures stop nobody who is known?"""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from solvent.app.house import House
from solvent.kit.ctx import Actor, Principal
from solvent.kit.db import Tx
from solvent.kit.errors import Unauthenticated
from solvent.kit.http import Credentials, RequestCtx, Router
from solvent.kit.http.gate import Gate
from solvent.kit.http.problems import install
from solvent.kit.http.rates import CALLERS_MAX, RateLimit, Rates, Sender
from solvent.kit.ids import TenantId
from solvent.kit.telemetry import metrics_text

router = Router(tags=["doors"])
PROXY = "10.0.0.1"


@router.get("/door")
async def door(ctx: RequestCtx) -> str:
    """Say who asks."""
    return str(ctx.actor)


async def recognize(tx: Tx, credentials: Credentials) -> Principal:
    """Take `TENANT.ACTOR.ANYTHING`: one actor with as many keys as they like."""
    tenant, _, rest = (credentials.bearer or "").partition(".")
    actor = rest.partition(".")[0]
    if not actor:
        raise Unauthenticated
    await tx.fetchval("select kit_open($1)", tenant)
    return Principal(TenantId(tenant), Actor("api_key", actor))


def slow(burst: int) -> RateLimit:
    return RateLimit(per_s=0.0001, burst=burst)


def app_with(house: House, rates: Rates) -> FastAPI:
    app = FastAPI()
    app.state.edge, app.state.authenticator = house.edge, recognize
    app.include_router(router)
    install(app)
    app.add_middleware(Gate, ids=house.edge.ids, rates=rates, trusted_proxies=(PROXY,))
    return app


async def ask(app: FastAPI, key: str | None, *, by: str = "192.0.2.1", **headers: str) -> int:
    transport = httpx.ASGITransport(app, client=(by, 4321))
    sent = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://x/v1") as client:
        return (await client.get("/door", headers=sent | headers)).status_code


async def test_one_identity_is_one_caller_whatever_it_sends(
    house: House, tenant_id: TenantId
) -> None:
    """Another key of the same actor, or another address, is no further allowance."""
    app = app_with(house, Rates(slow(3), slow(9)))
    for key in ("a", "b"):
        assert await ask(app, f"{tenant_id}.alice.{key}") == 200
    seen = [await ask(app, f"{tenant_id}.alice.{key}", by="192.0.2.7") for key in "abab"]
    assert seen == [200, 200, 200, 429]
    assert await ask(app, f"{tenant_id}.bob.a", by="192.0.2.7") == 200


async def test_failures_stop_an_address_and_nobody_who_is_known(
    house: House, tenant_id: TenantId
) -> None:
    app = app_with(house, Rates(slow(1000), slow(3)))
    alice = f"{tenant_id}.alice"
    assert await ask(app, alice) == 200
    assert [await ask(app, f"guess{n}") for n in range(5)] == [401, 401, 401, 429, 429]
    assert await ask(app, alice) == 200
    assert await ask(app, f"{tenant_id}.bob", by="192.0.2.2") == 200
    assert await ask(app, f"{tenant_id}.carol") == 429  # not known yet, and at that address


async def test_who_sends_no_key_fails_at_that_path_alone(house: House, tenant_id: TenantId) -> None:
    app = app_with(house, Rates(slow(1000), slow(2)))
    assert [await ask(app, None) for _ in range(3)] == [401, 401, 429]
    assert await ask(app, f"{tenant_id}.alice") == 200


async def test_a_key_that_is_refused_is_known_no_longer(house: House, tenant_id: TenantId) -> None:
    rates = Rates(slow(1000), slow(2))
    app = app_with(house, rates)
    assert await ask(app, f"{tenant_id}.alice") == 200
    sender = sender_of({"authorization": f"Bearer {tenant_id}.alice"}, address="192.0.2.1")
    rates.note(sender, identity=None, status=401)  # revoked since
    assert await ask(app, "guess") == 401
    assert await ask(app, f"{tenant_id}.alice") == 429


async def test_a_trusted_proxy_is_believed_and_nobody_else(house: House) -> None:
    app = app_with(house, Rates(slow(1000), slow(1)))
    assert await ask(app, "x", by=PROXY, **{"x-forwarded-for": "198.51.100.1"}) == 401
    assert await ask(app, "x", by=PROXY, **{"x-forwarded-for": "198.51.100.2"}) == 401
    forged = {"x-forwarded-for": f"203.0.113.9, 198.51.100.1, {PROXY}"}
    assert await ask(app, "x", by=PROXY, **forged) == 429
    for number, expected in enumerate((401, 429)):
        forged = {"x-forwarded-for": f"198.51.100.{number + 50}"}
        assert await ask(app, "x", by="192.0.2.9", **forged) == expected


@pytest.mark.parametrize(
    "left,right,same",
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("testclient", "testclient", True),
    ],
)
def test_a_whole_ipv6_site_is_one_address(left: str, right: str, same: bool) -> None:
    assert (sender_of({}, address=left).address == sender_of({}, address=right).address) is same


@given(st.dictionaries(st.sampled_from(["authorization", "cookie", "x-forwarded-for"]), st.text()))
def test_no_header_breaks_the_gate(headers: dict[str, str]) -> None:
    sender_of(headers, address=PROXY)


def test_senders_without_end_are_forgotten() -> None:
    rates = Rates(slow(1), slow(1))
    for number in range(CALLERS_MAX + 50):
        sender = Sender(f"a{number}", f"k{number}", "/")
        rates.admit(sender)
        rates.note(sender, identity=f"i{number}", status=200)
        rates.note(Sender(f"a{number}", f"x{number}", "/"), identity=None, status=401)
    kept = (rates._known, rates.callers._buckets, rates.failures._buckets)
    assert [len(one) for one in kept] == [CALLERS_MAX] * 3


async def test_refusals_are_counted_by_their_code(house: House) -> None:
    app = app_with(house, Rates(slow(1000), slow(1)))
    before = counted("solvent.unauthenticated"), counted("kit.too_many_requests")
    for _ in range(3):
        await ask(app, "x")
    after = counted("solvent.unauthenticated"), counted("kit.too_many_requests")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 2)


def counted(code: str) -> float:
    """Return how many refusals of a code the metrics tell."""
    start = f'solvent_refusals_total{{code="{code}"}} '
    lines = metrics_text().decode().splitlines()
    return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))


def sender_of(headers: dict[str, str], *, address: str) -> Sender:
    raw = [(name.encode(), text.encode(errors="replace")) for name, text in headers.items()]
    scope = {"type": "http", "path": "/v1/door", "client": (address, 1), "headers": raw}
    return Sender.of(scope, Headers(scope=scope), (PROXY,))
