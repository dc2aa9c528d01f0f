"""Do the routes of licensing keep their promises, to sellers, customers and against Mallory?"""

from __future__ import annotations

from urllib.parse import urlencode

import httpx
import pytest

from solvent.systems.licensing.testing import Seller

POLICY = {"name": "Pro", "product": "mytool", "limit": 2, "features": {"export": True}}


async def make(alice: httpx.AsyncClient, **terms) -> dict[str, str]:
    """Make a policy and a license over HTTP; return the license with its key."""
    saved = await alice.put("/v1/licensing/policies/pro", json=POLICY | terms)
    assert saved.status_code == 200, saved.text
    made = await alice.post("/v1/licenses", json={"policy": "pro", "name": "Globex"})
    assert made.status_code == 201, made.text
    return made.json()


def ask(seller: Seller, name: str, key: str | None) -> dict[str, str]:
    return {"request": seller.device(name).ask(key).decode()}


# ------------------------------------------------------------------------------------------ sellers


async def test_a_license_is_given_shown_and_listed_without_its_key(
    alice: httpx.AsyncClient,
) -> None:
    made = await make(alice)
    key = made.pop("key")
    assert key.endswith(made["key_hint"])
    shown = await alice.get(f"/v1/licenses/{made['id']}")
    assert shown.json() == made
    assert made["status"] == "active"
    listed = await alice.get("/v1/licenses", params={"policy": "pro"})
    assert listed.json() == {"data": [made], "next_cursor": None}
    policies = (await alice.get("/v1/licensing/policies")).json()["data"]
    assert [one["key"] for one in policies] == ["pro"]
    assert policies[0]["features"] == {"export": True}


async def test_a_license_is_suspended_reinstated_and_revoked(alice: httpx.AsyncClient) -> None:
    path = f"/v1/licenses/{(await make(alice))['id']}"
    late = await alice.post(f"{path}/suspend", json={"reason": "late"})
    assert (late.json()["status"], late.json()["reason"]) == ("suspended", "late")
    assert (await alice.post(f"{path}/reinstate")).json()["status"] == "active"
    gone = await alice.post(f"{path}/revoke", json={"reason": "fraud"})
    assert gone.json()["status"] == "banned"
    assert (await alice.post(f"{path}/reinstate")).json()["code"] == "licensing.license_final"


async def test_a_key_from_elsewhere_is_taken_over(
    alice: httpx.AsyncClient, charlie: httpx.AsyncClient, seller: Seller
) -> None:
    await make(alice)
    keygens = "B10760-1B177D-656D1F-C03298-9AF89E-V3"
    moved = await alice.post("/v1/licenses", json={"policy": "pro", "key": keygens})
    assert moved.json()["key"] == keygens
    again = await alice.post("/v1/licenses", json={"policy": "pro", "key": keygens})
    assert again.json()["code"] == "licensing.license_key_taken"
    path = f"/v1/t/{seller.slug}/licensing/activations"
    assert (await charlie.post(path, json=ask(seller, "laptop", keygens))).status_code == 201


@pytest.mark.parametrize(
    "terms,field",
    [
        ({"limit": 0}, "limit"),
        ({"overuse_percent": 110}, "overuse_percent"),
        ({"file_days": 0}, "file_days"),
        ({"product": "My Tool"}, "product"),
        ({"trial": True}, "trial"),
        ({"fallback": True}, "fallback"),
        ({"lease_s": 1}, "lease_s"),
        ({"plan_key": "nowhere"}, "plan_key"),
        ({"features": {"A": True}}, "features"),
        ({"match": "some"}, "match"),
        ({"odd": 1}, "odd"),
    ],
)
async def test_terms_that_do_not_add_up_are_refused_by_name(
    alice: httpx.AsyncClient, terms: dict[str, object], field: str
) -> None:
    told = await alice.put("/v1/licensing/policies/pro", json=POLICY | terms)
    assert told.status_code == 400, told.text
    assert told.json()["field"].split(".")[0] == field
    assert not (await alice.get("/v1/licensing/policies")).json()["data"]


async def test_bob_may_look_and_charlie_and_mallory_find_nothing(
    alice: httpx.AsyncClient,
    bob: httpx.AsyncClient,
    charlie: httpx.AsyncClient,
    mallory: httpx.AsyncClient,
) -> None:
    made = await make(alice)
    path = f"/v1/licenses/{made['id']}"
    assert (await bob.get(path)).status_code == 200
    assert (await charlie.get(path)).status_code == 401
    assert (await mallory.get(path)).json()["code"] == "licensing.license_not_found"
    assert (await mallory.get("/v1/licenses")).json()["data"] == []
    for call in (
        ("PUT", "/v1/licensing/policies/pro", POLICY),
        ("POST", "/v1/licenses", {"policy": "pro"}),
        ("POST", f"{path}/revoke", {"reason": "x"}),
        ("POST", f"{path}/key", None),
        ("POST", f"{path}/file", {}),
        ("POST", f"{path}/seats", {"user": "x"}),
    ):
        method, where, body = call
        assert (await bob.request(method, where, json=body)).status_code == 403, where
        assert (await charlie.request(method, where, json=body)).status_code == 401, where
        if where != "/v1/licensing/policies/pro":
            answer = await mallory.request(method, where, json=body)
            assert answer.status_code == 404, where


async def test_a_sellers_file_is_good_on_any_machine(
    alice: httpx.AsyncClient, seller: Seller
) -> None:
    made = await make(alice)
    seller.key = made["key"]
    body = {"license_key": made["key"]}
    file = await alice.post(f"/v1/licenses/{made['id']}/file", json=body)
    assert file.headers["content-type"].startswith("text/plain")
    assert (await seller.judge(file.text, "laptop")).valid
    assert (await seller.judge(file.text, "desktop")).valid
    body = {"license_key": "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"}
    wrong = await alice.post(f"/v1/licenses/{made['id']}/file", json=body)
    assert wrong.json()["code"] == "licensing.license_key_wrong"


# ---------------------------------------------------------------------------------------- customers


async def test_a_customer_needs_nothing_but_the_key(
    alice: httpx.AsyncClient, charlie: httpx.AsyncClient, seller: Seller
) -> None:
    made = await make(alice)
    seller.key = key = made["key"]
    base = f"/v1/t/{seller.slug}/licensing"
    first = await charlie.post(f"{base}/activations", json=ask(seller, "laptop", key))
    assert first.status_code == 201, first.text
    activation = first.json()["activation"]
    assert (await seller.judge(first.json()["text"], "laptop")).valid
    held = (await charlie.post(f"{base}/license", json={"license_key": key.lower()})).json()
    assert held["license"]["id"] == made["id"]
    assert [one["name"] for one in held["activations"]] == ["laptop"]
    named = {"license_key": key, "activation": activation}
    assert (await charlie.post(f"{base}/renewals", json=named)).status_code == 200
    off = await charlie.post(f"{base}/deactivations/unproven", json=named)
    assert off.json()["takes_slot"] is True
    proof = seller.device("laptop").prove(activation).decode()
    proved = await charlie.post(f"{base}/deactivations", json={"proof": proof})
    assert (proved.json()["proven"], proved.json()["takes_slot"]) == (True, False)
    listed = await charlie.get(f"{base}/revocations")
    assert "REVOCATION LIST" in listed.text


async def test_codes_are_typed_over_http(
    alice: httpx.AsyncClient, charlie: httpx.AsyncClient, seller: Seller
) -> None:
    key = (await make(alice))["key"]
    base = f"/v1/t/{seller.slug}/licensing/codes"
    laptop = seller.device("laptop")
    told = {"license_key": key, "code": laptop.ask_by_code()}
    assert (await charlie.post(base, json=told)).status_code == 200
    told["code"] = laptop.prove_by_code()
    off = await charlie.post(f"{base}/deactivations", json=told)
    assert off.json()["proven"] is True
    told["code"] = told["code"][::-1]
    assert (await charlie.post(base, json=told)).json()["code"] == "licensing.code_mistyped"


async def test_refusals_of_a_customer_are_audited_and_guesses_are_not(
    alice: httpx.AsyncClient, charlie: httpx.AsyncClient, seller: Seller
) -> None:
    made = await make(alice, limit=1)
    base = f"/v1/t/{seller.slug}/licensing/activations"
    await charlie.post(base, json=ask(seller, "laptop", made["key"]))
    full = await charlie.post(base, json=ask(seller, "desktop", made["key"]))
    assert (full.status_code, full.json()["code"]) == (429, "licensing.slots_taken")
    guess = await charlie.post(base, json=ask(seller, "desktop", "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA"))
    assert guess.json()["code"] == "licensing.license_not_found"
    assert await seller.audited("licensing.use_refused") == ["licensing.slots_taken"]


async def test_a_key_opens_nothing_at_another_tenant(
    alice: httpx.AsyncClient, charlie: httpx.AsyncClient, other_seller: Seller
) -> None:
    key = (await make(alice))["key"]
    path = f"/v1/t/{other_seller.slug}/licensing/license"
    assert (await charlie.post(path, json={"license_key": key})).status_code == 404
    assert (await charlie.get("/v1/t/nowhere/license")).status_code == 404


# ----------------------------------------------------------------------------------------- the page


async def post_form(
    client: httpx.AsyncClient, seller: Seller, file: bytes | None = None, **fields: str
) -> httpx.Response:
    """Send a form of the page, as a browser does, with a chosen file or without."""
    chosen = ("request.lic", file, "text/plain") if file else ("", b"", "application/octet-stream")
    path = f"/v1/t/{seller.slug}/license"
    return await client.post(path, data=fields, files={"file": chosen})


async def test_a_customer_activates_and_deactivates_on_the_page(
    alice: httpx.AsyncClient, charlie: httpx.AsyncClient, seller: Seller
) -> None:
    made = await make(alice, limit=1)
    seller.key = key = made["key"]
    empty = await charlie.get(f"/v1/t/{seller.slug}/license")
    assert "License key" in empty.text
    shown = await post_form(charlie, seller, action="show", license_key=key)
    assert "No machine is activated yet" in shown.text
    request = seller.device("laptop").ask(key)
    done = await post_form(charlie, seller, request, action="activate", license_key=key, request="")
    assert "The machine is activated." in done.text
    assert 'viewBox="0 0 ' in done.text, "a QR code is drawn whole, however wide the page is"
    assert "<svg" in done.text
    file = await post_form(charlie, seller, action="download", request=request.decode())
    assert file.headers["content-disposition"] == 'attachment; filename="license.lic"'
    verdict = await seller.judge(file.text, "laptop")
    assert verdict.valid
    full = await post_form(
        charlie, seller, seller.device("desktop").ask(key), action="activate", license_key=key
    )
    assert full.status_code == 429
    assert "deactivate one first" in full.text
    proof = seller.device("laptop").prove(verdict.contents.machine_id)
    off = await post_form(charlie, seller, proof, action="prove", license_key=key)
    assert "its place is free" in off.text
    assert "0 of 1" in off.text
    assert "2026-02-14 10:00 UTC" in off.text


async def test_the_page_takes_pasted_text_and_typed_codes(
    alice: httpx.AsyncClient, charlie: httpx.AsyncClient, seller: Seller
) -> None:
    key = (await make(alice))["key"]
    path = f"/v1/t/{seller.slug}/license"
    body = {"action": "activate", "request": seller.device("laptop").ask(key).decode()}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    done = await charlie.post(path, content=urlencode(body), headers=headers)
    assert "The machine is activated." in done.text
    code = seller.device("desktop").ask_by_code()
    typed = await post_form(charlie, seller, action="type", license_key=key, code=code)
    assert "Type this code on the machine" in typed.text
    held = await post_form(charlie, seller, action="show", license_key=key)
    assert "2 of 2" in held.text


async def test_the_page_shows_nothing_to_a_wrong_key_and_runs_no_script(
    alice: httpx.AsyncClient, charlie: httpx.AsyncClient, seller: Seller
) -> None:
    await make(alice)
    other = await post_form(charlie, seller, b"hello", action="activate")
    assert "This is not an activation request" in other.text
    wrong = await post_form(charlie, seller, action="show", license_key="<script>alert(1)</script>")
    assert wrong.status_code == 404
    assert "no license has this key" in wrong.text
    assert "<script>" not in wrong.text
    assert "script-src" not in wrong.headers["content-security-policy"]
    assert wrong.headers["cache-control"] == "no-store"
    odd = await charlie.post(
        f"/v1/t/{seller.slug}/license",
        content=b"\xff\x00--x",
        headers={"content-type": "multipart/form-data"},
    )
    assert odd.status_code == 404
