"""Can a tenant's keys be listed, rotated and revoked over HTTP, by those who may?"""

from __future__ import annotations

import httpx
import pytest

from solvent.kernel.signing import service as signing
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR


@pytest.fixture
async def ask(app, edge, tenant_id):
    """Ask the API as the holder of a key with these scopes."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/v1") as client:

        async def asking(method: str, path: str, *scopes: str, body=None) -> httpx.Response:
            async with edge.open(tenant_id, OPERATOR) as ctx:
                issued = await tenants.issue_key(ctx, name="k", asked_scopes=scopes)
            headers = {"authorization": f"Bearer {issued.text}"}
            return await client.request(method, path, json=body, headers=headers)

        yield asking


@pytest.fixture
async def kid(edge, tenant_id) -> str:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return (await signing.ensure_key(ctx)).kid


async def test_keys_are_listed_without_their_secrets(ask, kid) -> None:
    listed = (await ask("GET", "/signing/keys", "signing:read")).json()["data"]
    assert [(key["kid"], key["state"]) for key in listed] == [(kid, "active")]
    assert set(listed[0]) == {
        "kid",
        "ring",
        "algorithm",
        "state",
        "public_key",
        "created_at",
        "retired_at",
        "revoked_at",
    }
    public = (await ask("GET", "/signing/jwks", "signing:read")).json()["keys"]
    assert [key["kid"] for key in public] == [kid]


async def test_a_key_is_rotated_and_the_old_one_revoked(ask, kid) -> None:
    made = await ask("POST", "/signing/keys/rotate", "signing:write", body={})
    assert (made.status_code, made.json()["state"]) == (201, "active")
    path = f"/signing/keys/{kid}/revoke"
    gone = await ask("POST", path, "signing:write", body={"reason": "leaked"})
    assert (gone.status_code, gone.json()["state"]) == (200, "revoked")
    again = await ask("POST", path, "signing:write", body={})
    assert (again.status_code, again.json()["code"]) == (409, "signing.key_already_revoked")


async def test_looking_is_not_changing(ask, kid) -> None:
    for path in ("/signing/keys/rotate", f"/signing/keys/{kid}/revoke"):
        assert (await ask("POST", path, "signing:read", body={})).status_code == 403
    assert (await ask("GET", "/signing/keys", "customers:read")).status_code == 403


@pytest.mark.parametrize(
    "body", [{"algorithm": "rsa"}, {"ring": "A B"}, {"ring": ""}, {"private": "x"}, [], None]
)
async def test_a_wrong_body_is_refused(ask, body) -> None:
    answer = await ask("POST", "/signing/keys/rotate", "signing:write", body=body)
    assert answer.status_code == 400
