"""Does a member sign in, see their sessions and end them over HTTP, and nobody else's?"""

from __future__ import annotations

import httpx
import pytest

from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Role
from solvent.kit.ctx import OPERATOR


@pytest.fixture
def signed_in(edge, http):
    """Sign a member in over HTTP; return what sends their cookie, and the session's id."""

    async def make(business, member_id):
        async with edge.open(business.live.id, OPERATOR) as ctx:
            link = await tenants.create_sign_in_link(ctx, member_id)
        answer = await http.post("/v1/sessions", json={"token": link.token})
        assert answer.status_code == 201, answer.text
        token = answer.cookies["solvent_session"]
        http.cookies.clear()

        async def call(method: str, path: str, **options) -> httpx.Response:
            headers = {"cookie": f"solvent_session={token}"} | options.pop("headers", {})
            return await http.request(method, f"/v1{path}", headers=headers, **options)

        return call, answer.json()["id"]

    return make


@pytest.fixture
async def bob(edge, business):
    async with edge.open(business.live.id, OPERATOR) as ctx:
        return await tenants.add_member(ctx, email="bob@b.example", role=Role.DEVELOPER)


async def test_a_link_is_redeemed_over_http_once(edge, business, http) -> None:
    async with edge.open(business.live.id, OPERATOR) as ctx:
        link = await tenants.create_sign_in_link(ctx, business.owner.id)
    first = await http.post("/v1/sessions", json={"token": link.token})
    assert (first.status_code, first.json()["member_id"]) == (201, business.owner.id)
    cookie = {part.strip().lower() for part in first.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=lax", "max-age=43200"} <= cookie
    assert link.token not in first.text
    assert (await http.get("/v1/tenant")).json()["id"] == business.live.id
    http.cookies.clear()
    again = await http.post("/v1/sessions", json={"token": link.token})
    assert (again.status_code, again.json()["code"]) == (401, "tenants.sign_in_link_invalid")
    assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", [{}, {"token": 1}, {"token": "x" * 65}, {"token": "x", "y": 1}])
async def test_an_odd_token_is_refused(http, body) -> None:
    answer = await http.post("/v1/sessions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "kit.request_invalid")


async def test_a_member_signs_out(business, signed_in) -> None:
    alice, _ = await signed_in(business, business.owner.id)
    out = await alice("DELETE", "/sessions/current")
    assert (out.status_code, 'solvent_session=""' in out.headers["set-cookie"]) == (204, True)
    refused = await alice("GET", "/tenant")
    assert (refused.status_code, refused.json()["code"]) == (401, "tenants.session_invalid")


async def test_a_member_ends_their_other_sessions(business, signed_in) -> None:
    here, this = await signed_in(business, business.owner.id)
    there, other = await signed_in(business, business.owner.id)
    listed = (await here("GET", "/sessions")).json()["data"]
    assert [one["id"] for one in listed] == [other, this]
    assert (await here("DELETE", f"/sessions/{other}")).status_code == 204
    assert (await there("GET", "/tenant")).status_code == 401
    assert (await here("GET", "/tenant")).status_code == 200
    gone = await here("DELETE", f"/sessions/{other}")
    assert (gone.status_code, gone.json()["code"]) == (404, "tenants.session_unknown")


async def test_sessions_come_in_pages(business, signed_in) -> None:
    alice, _ = await signed_in(business, business.owner.id)
    for _ in range(2):
        await signed_in(business, business.owner.id)
    first = (await alice("GET", "/sessions?limit=2")).json()
    rest = (await alice("GET", f"/sessions?limit=2&cursor={first['next_cursor']}")).json()
    ids = [one["id"] for one in (*first["data"], *rest["data"])]
    assert (len(set(ids)), rest["next_cursor"]) == (3, None)


async def test_who_may_see_and_end_whose(business, bob, signed_in, owner, key_with) -> None:
    alice, hers = await signed_in(business, business.owner.id)
    bobs, his = await signed_in(business, bob.id)
    assert [one["id"] for one in (await bobs("GET", "/sessions")).json()["data"]] == [his]
    assert (await bobs("DELETE", f"/sessions/{hers}")).status_code == 403
    seen = (await owner("GET", f"/sessions?member={bob.id}")).json()["data"]
    assert [one["id"] for one in seen] == [his]
    assert len((await owner("GET", "/sessions")).json()["data"]) == 2
    charlie = await key_with("customers:read")
    assert (await charlie("GET", "/sessions")).status_code == 403
    assert (await charlie("DELETE", f"/sessions/{his}")).status_code == 403
    assert (await alice("DELETE", f"/sessions/{his}")).status_code == 204
    assert (await bobs("GET", "/tenant")).status_code == 401


async def test_mallory_sees_and_ends_none_of_our_sessions(
    business, mallorys, mallory, signed_in
) -> None:
    alice, hers = await signed_in(business, business.owner.id)
    theirs, _ = await signed_in(mallorys, mallorys.owner.id)
    for call in (mallory, theirs):
        listed = (await call("GET", f"/sessions?member={business.owner.id}")).json()["data"]
        assert listed == []
        assert (await call("DELETE", f"/sessions/{hers}")).status_code == 404
    stolen = await http_as(theirs)
    assert stolen.status_code == 401
    assert (await alice("GET", "/tenant")).status_code == 200


async def http_as(call) -> httpx.Response:
    """Sign out with a key of one business and a cookie that is none."""
    return await call("DELETE", "/sessions/current", headers={"cookie": "solvent_session=x"})


async def test_a_key_with_somebodys_cookie_ends_nothing(business, signed_in, owner, edge) -> None:
    """The key is who asks; the cookie beside it is not looked at."""
    async with edge.open(business.live.id, OPERATOR) as ctx:
        link = await tenants.create_sign_in_link(ctx, business.owner.id)
    opened = await tenants.redeem_sign_in_link(edge, link.token)
    cookie = {"cookie": f"solvent_session={opened.token}"}
    refused = await owner("DELETE", "/sessions/current", headers=cookie)
    assert (refused.status_code, refused.json()["code"]) == (401, "tenants.session_invalid")


async def test_a_link_is_made_over_http_by_who_may_do_as_much(
    business, bob, owner, key_with, http
) -> None:
    made = await owner("POST", f"/members/{bob.id}/sign-in-links")
    assert made.status_code == 201, made.text
    assert made.json()["path"] == f"/sign-in/member?token={made.json()['token']}"
    answer = await http.post("/v1/sessions", json={"token": made.json()["token"]})
    assert answer.json()["member_id"] == bob.id
    http.cookies.clear()
    clerk = await key_with("members:write")
    refused = await clerk("POST", f"/members/{business.owner.id}/sign-in-links")
    assert (refused.status_code, refused.json()["code"]) == (403, "kit.scope_missing")
    nobody = await owner("POST", "/members/mem_00000000000000000000000000/sign-in-links")
    assert nobody.status_code == 404
