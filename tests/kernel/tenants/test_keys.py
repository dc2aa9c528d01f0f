"""Does a key open its own tenant, for what it may, for as long as it may, and nothing else?"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import ExpiryPast, KeyExpired, KeyInvalid, KeyRevoked
from solvent.kernel.tenants.model import KeyKind
from solvent.kernel.tenants.rules import secrets
from solvent.kit.ctx import OPERATOR
from solvent.kit.ids import random_token

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


async def whose(edge, text: str, *, now: datetime = NOW):
    async with edge.db.transaction() as tx:
        principal = await tenants.authenticate_key(tx, text, now=now)
        inside = await tx.fetchval("select kit_tenant_id()")
    return principal, inside


async def issue(edge, tenant_id, **asked):
    async with edge.open(tenant_id, OPERATOR) as ctx:
        return await tenants.issue_key(ctx, name="another", **asked)


@pytest.mark.parametrize("start", ["sk_live", "sk_test", "pk_live", "pk_test"])
async def test_a_key_opens_its_own_tenant(edge, business, key_of, start) -> None:
    principal, inside = await whose(edge, key_of(business, start))
    expected = business.live.id if "live" in start else business.test.id
    assert principal.tenant_id == inside == expected
    assert principal.actor.kind == "api_key"
    assert principal.actor.may("ledger:write") == start.startswith("sk")


async def test_one_round_trip(edge, business, key_of) -> None:
    """Recognizing a key, setting its tenant and reading its clock is one statement."""
    await tenants_clock(edge, business)
    seen: list[str] = []
    async with edge.db.transaction() as tx:
        with tx._connection.query_logger(lambda record: seen.append(record.query)):
            principal = await tenants.authenticate_key(tx, key_of(business, "sk_test"), now=NOW)
    assert len(seen) == 1
    assert principal.frozen_at == datetime(2030, 1, 1, tzinfo=UTC)


async def tenants_clock(edge, business) -> None:
    async with edge.open(business.test.id, OPERATOR) as ctx:
        await tenants.move_test_clock(ctx, datetime(2030, 1, 1, tzinfo=UTC))


async def test_only_the_hash_is_kept(engines, edge, business, key_of) -> None:
    import asyncpg

    text = key_of(business, "sk_live")
    owner = await asyncpg.connect(engines.access.postgres.owner_dsn)
    rows = await owner.fetch(
        "select key::text as whole, key_hash from tenants_api_key key where tenant_id = $1",
        business.live.id,
    )
    await owner.close()
    body = text.removeprefix("sk_live_")[:32]
    assert hashlib.sha256(text.encode()).digest() in {row["key_hash"] for row in rows}
    assert not any(body in row["whole"] or body[:12] in row["whole"] for row in rows)


async def test_an_unknown_key_is_invalid(edge) -> None:
    from solvent.kernel.tenants.model import Mode

    never = secrets.key_text(KeyKind.SECRET, Mode.LIVE, chance=random_token(secrets.KEY_BYTES))
    for text in (never, never[:-1], "sk_live_", "", "Bearer"):
        with pytest.raises(KeyInvalid):
            await whose(edge, text)


async def test_revoked_opens_nothing(edge, business) -> None:
    issued = await issue(edge, business.live.id)
    await whose(edge, issued.text)
    async with edge.open(business.live.id, OPERATOR) as ctx:
        await tenants.revoke_key(ctx, issued.key.id)
    with pytest.raises(KeyRevoked):
        await whose(edge, issued.text)


async def test_a_key_ends_at_its_expiry(edge, business) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    issued = await issue(edge, business.live.id, expires_at=until)
    await whose(edge, issued.text, now=until - timedelta(microseconds=1))
    with pytest.raises(KeyExpired):
        await whose(edge, issued.text, now=until)


async def test_a_test_tenants_keys_expire_by_its_own_clock(edge, business) -> None:
    issued = await issue(edge, business.test.id, expires_at=datetime(2029, 1, 1, tzinfo=UTC))
    await whose(edge, issued.text)
    await tenants_clock(edge, business)
    with pytest.raises(KeyExpired):
        await whose(edge, issued.text)


async def test_a_key_does_not_begin_expired(edge, business) -> None:
    with pytest.raises(ExpiryPast):
        await issue(edge, business.live.id, expires_at=datetime(2020, 1, 1, tzinfo=UTC))


async def test_last_use_is_kept_to_the_hour(edge, business) -> None:
    issued = await issue(edge, business.live.id)

    async def last_used(now: datetime) -> datetime:
        await whose(edge, issued.text, now=now)
        async with edge.open(business.live.id, OPERATOR) as ctx:
            return (await tenants.get_key(ctx, issued.key.id)).last_used_at

    assert await last_used(NOW) == NOW
    assert await last_used(NOW + timedelta(minutes=59)) == NOW
    later = NOW + timedelta(minutes=61)
    assert await last_used(later) == later


async def test_a_refused_key_sets_no_tenant(edge, business) -> None:
    issued = await issue(edge, business.live.id)
    async with edge.open(business.live.id, OPERATOR) as ctx:
        await tenants.revoke_key(ctx, issued.key.id)
    async with edge.db.transaction() as tx:
        with pytest.raises(KeyRevoked):
            await tenants.authenticate_key(tx, issued.text, now=NOW)
        set_to = await tx.fetchval("select current_setting('solvent.tenant_id', true)")
    assert set_to in {None, ""}


# --------------------------------------------------------------------------------- over HTTP


async def test_a_key_is_shown_once(owner) -> None:
    made = await owner("POST", "/api-keys", json={"name": "deploy", "scopes": ["metering:write"]})
    assert made.status_code == 201
    text, key_id = made.json()["key"], made.json()["id"]
    assert made.json()["shown_as"] == f"sk_live_…{text[-4:]}"
    for later in (await owner("GET", f"/api-keys/{key_id}"), await owner("GET", "/api-keys")):
        assert text not in later.text
        assert "key_hash" not in later.text


async def test_keys_come_in_pages(owner) -> None:
    for number in range(4):
        await owner("POST", "/api-keys", json={"name": f"key {number}"})
    seen, cursor = [], None
    while True:
        page = await owner(
            "GET", "/api-keys", params={"limit": 2, **cursor} if cursor else {"limit": 2}
        )
        seen += [key["id"] for key in page.json()["data"]]
        if page.json()["next_cursor"] is None:
            break
        cursor = {"cursor": page.json()["next_cursor"]}
    assert len(seen) == len(set(seen)) == 6


async def test_requests_without_a_good_key_are_not_let_in(http, business, key_of, edge) -> None:
    good = key_of(business, "sk_live")
    refused = [
        {},
        {"authorization": "Bearer sk_live_nonsense"},
        {"authorization": good},
        {"authorization": f"Basic {good}"},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {good} {good}"},
        {"authorization": f"Bearer {good[:-1]}"},
        {"authorization": "Bearer a.b.c"},
        {"cookie": "solvent_session=nonsense"},
    ]
    for headers in refused:
        answer = await http.get("/v1/tenant", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), headers
    assert (await http.get("/v1/tenant", headers={"authorization": f"bearer {good}"})).is_success


async def test_a_key_hands_out_no_more_than_its_own(key_with) -> None:
    narrow = await key_with("api_keys:*", "metering:write")
    asked = {"name": "wider", "scopes": ["ledger:write"]}
    answer = await narrow("POST", "/api-keys", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (403, "tenants.scope_beyond_own")
    answer = await narrow("POST", "/api-keys", json={"name": "all"})
    assert answer.status_code == 403
    answer = await narrow("POST", "/api-keys", json=asked | {"scopes": ["metering:write"]})
    assert answer.status_code == 201


async def test_a_publishable_key_reads_no_customer(caller, business, key_of) -> None:
    anybody = caller(key_of(business, "pk_live"))
    for path in ("/customers", "/api-keys", "/members", "/audit"):
        answer = await anybody("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (403, "kit.scope_missing"), path


async def test_key_changes_are_recorded(edge, business) -> None:
    issued = await issue(edge, business.live.id, kind=KeyKind.PUBLISHABLE)
    async with edge.open(business.live.id, OPERATOR) as ctx:
        await tenants.revoke_key(ctx, issued.key.id)
    async with edge.open(business.live.id, OPERATOR) as ctx:
        found = await audit.list_records(ctx, subject=issued.key.id)
    assert [record.entry.action for record in found] == [
        "tenants.api_key_revoked",
        "tenants.api_key_issued",
    ]
    assert issued.text not in str(found)
