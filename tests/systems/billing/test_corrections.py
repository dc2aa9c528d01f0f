"""Who can handle credit, coupons, items and credit notes over HTTP and at the terminal?"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.systems.billing.test_cli import Run, solvent

from solvent.kernel.ledger.model import Invoice
from solvent.kernel.subscriptions.model import Subscription

__all__ = ["solvent"]

GRANT = {
    "customer": "globex",
    "amount_minor": 500,
    "currency": "USD",
    "name": "Sorry",
    "source": "g1",
}
COUPON = {"code": "HALF", "name": "Half off", "percent": 50, "periods": 3}
ITEM = {
    "customer": "globex",
    "description": "Set-up",
    "unit_minor": 5000,
    "currency": "USD",
    "source": "i1",
}


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int) -> Any:
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_credit_is_given_listed_and_taken_back(
    alice: httpx.AsyncClient, held: Subscription
) -> None:
    given = await post(alice, "/v1/credits", GRANT, 201)
    assert (given["amount_minor"], given["left_minor"]) == (500, 500)
    listed = (await alice.get("/v1/credits?customer=globex")).json()["data"]
    assert [one["id"] for one in listed] == [given["id"]]
    back = await post(alice, f"/v1/credits/{given['id']}/take-back", {}, 200)
    assert back["left_minor"] == 0


async def test_a_credit_note_is_issued_and_shown(
    alice: httpx.AsyncClient, invoice: Invoice
) -> None:
    body = {"reason": "Outage", "source": "c1", "lines": [{"line": 2, "quantity": "20"}]}
    note = await post(alice, "/v1/invoices/INV-000001/credit-notes", body, 201)
    assert (note["reference"], note["total_minor"]) == ("CN-000001", note["off_due_minor"])
    assert (await alice.get(f"/v1/credit-notes/{note['id']}")).json() == note
    assert (await alice.get("/v1/credit-notes")).json()["data"] == [note]
    shown = (await alice.get(f"/v1/invoices/{invoice.id}")).json()
    assert shown["credited_minor"] == note["total_minor"]


async def test_a_coupon_is_made_redeemed_and_ended(
    alice: httpx.AsyncClient, held: Subscription
) -> None:
    await post(alice, "/v1/coupons", COUPON, 201)
    path = f"/v1/subscriptions/{held.id}/coupons"
    redeemed = await post(alice, path, {"code": "half"}, 201)
    assert redeemed["coupon"]["redeemed"] == 1
    assert len((await alice.get(path)).json()["data"]) == 1
    assert (await alice.delete(f"{path}/HALF")).status_code == 204
    assert (await alice.get("/v1/coupons/HALF")).json()["percent"] == "50"
    closed = await post(alice, "/v1/coupons/HALF/close", {}, 200)
    assert closed["closed"]
    assert [one["code"] for one in (await alice.get("/v1/coupons")).json()["data"]] == ["HALF"]


async def test_an_item_waits_and_may_be_taken_back(
    alice: httpx.AsyncClient, held: Subscription
) -> None:
    item = await post(alice, "/v1/items", ITEM, 201)
    assert item["invoice_id"] is None
    listed = (await alice.get("/v1/items?customer=globex")).json()["data"]
    assert listed == [item]
    assert (await alice.delete(f"/v1/items/{item['id']}")).status_code == 204
    assert (await alice.delete(f"/v1/items/{item['id']}")).status_code == 404


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("/v1/credits", GRANT | {"amount_minor": -1}, "amount"),
        ("/v1/credits", GRANT | {"currency": "usd"}, "currency"),
        ("/v1/credits", GRANT | {"priority": 12}, "priority"),
        ("/v1/items", ITEM | {"quantity": "NaN"}, "quantity"),
        ("/v1/coupons", COUPON | {"percent": 101}, "percent"),
        ("/v1/coupons", COUPON | {"code": "a b"}, "code"),
    ],
)
async def test_what_makes_no_sense_names_its_field(alice, held, path, body, field) -> None:
    answer = await alice.post(path, json=body)
    assert answer.status_code in {400, 422}, answer.text
    assert field in answer.text


async def test_mallory_and_a_stranger_reach_none_of_it(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, charlie: httpx.AsyncClient, held
) -> None:
    given = await post(alice, "/v1/credits", GRANT, 201)
    await post(alice, "/v1/coupons", COUPON, 201)
    for path in (f"/v1/credits/{given['id']}/take-back", "/v1/coupons/HALF/close"):
        assert (await mallory.post(path, json={})).status_code == 404
        assert (await charlie.post(path, json={})).status_code == 401
    assert (await mallory.get("/v1/credits?customer=globex")).status_code == 404
    assert (await mallory.get("/v1/coupons")).json()["data"] == []


def test_the_terminal_does_the_same(solvent: Run, invoice: Invoice, held: Subscription) -> None:
    code, out, _ = solvent("credit", "grant", "globex", "5.00", "USD", "--name", "Sorry")
    assert code == 0
    assert "5.00 USD" in out
    code, out, err = solvent(
        *("credit", "note", "1", "--reason", "Outage", "--line", "1=500", "--dry-run")
    )
    assert (code, "CN-000001" in out, "nothing was kept" in err) == (0, True, True)
    code, out, _ = solvent("credit", "note", "1", "--reason", "Outage", "--line", "1=500")
    assert (code, "CN-000001" in out) == (0, True)
    assert solvent("coupon", "make", "HALF", "--name", "Half", "--percent", "50")[0] == 0
    assert solvent("coupon", "redeem", "half", held.id)[0] == 0
    assert "1" in solvent("coupon", "list")[1]
    assert solvent("coupon", "end", "half", held.id)[0] == 0
    assert solvent("coupon", "close", "HALF")[0] == 0
    assert "Sorry" in solvent("credit", "list", "globex")[1]
    code, out, _ = solvent("item", "add", "globex", "150", "USD", "--description", "Help")
    assert (code, "150.00 USD" in out) == (0, True)
    assert "Help" in solvent("item", "list", "globex")[1]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("credit", "note", "1", "--reason", "x", "--line", "one"), "--line"),
        (("credit", "grant", "globex", "five", "USD", "--name", "x"), "amount"),
        (("coupon", "make", "HALF", "--name", "x", "--percent", "half"), "--percent"),
        (("item", "add", "globex", "1", "USD", "--description", "x", "--quantity", "x"), "--quant"),
    ],
)
def test_a_wrong_argument_ends_with_2_and_names_it(solvent: Run, invoice, arguments, said) -> None:
    code, _, err = solvent(*arguments)
    assert code == 2
    assert said in err
