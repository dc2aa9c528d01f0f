"""Does a tenant's token open that tenant only, for its scopes only, while it lasts?"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from solvent.kernel.signing import service as signing
from solvent.kernel.signing.model import Algorithm
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.errors import ScopeBeyondOwn, ScopeInvalid, TokenInvalid
from solvent.kernel.tenants.rules import tokens
from solvent.kit.ctx import OPERATOR, Actor, ScopeMissing

EPOCH = datetime(2026, 1, 15, 10, 0, 0, tzinfo=UTC)
"""Where the test clock of `tenant_id` stands."""


async def issue(edge, tenant_id, *, actor=OPERATOR, scopes=("metering:write",), **told) -> str:
    async with edge.open(tenant_id, actor) as ctx:
        return await tenants.issue_token(ctx, subject="alice", asked_scopes=scopes, **told)


async def whose(edge, token: str, *, now=EPOCH):
    async with edge.db.transaction() as tx:
        principal = await tenants.authenticate_jwt(tx, token, now=now)
        assert await tx.fetchval("select kit_tenant_id()") == principal.tenant_id
    return principal


async def refused(edge, token: str, **told) -> str:
    with pytest.raises(TokenInvalid) as why:
        await whose(edge, token, **told)
    assert not why.value.detail
    return why.value.message


async def test_a_token_opens_its_tenant_for_its_scopes(edge, tenant_id) -> None:
    principal = await whose(edge, await issue(edge, tenant_id))
    assert principal.tenant_id == tenant_id
    assert principal.actor == Actor("token", "alice", frozenset({"metering:write"}))
    assert principal.frozen_at == EPOCH


async def test_a_token_ends_by_its_tenants_own_clock(edge, tenant_id) -> None:
    token = await issue(edge, tenant_id, life=timedelta(seconds=30))
    for seconds, good in ((29, True), (30, False)):
        async with edge.open(tenant_id, OPERATOR) as ctx:
            await tenants.move_test_clock(ctx, EPOCH + timedelta(seconds=seconds))
        if good:
            await whose(edge, token)
        else:
            await refused(edge, token)


async def test_token_names_one_tenant(edge, tenant_id, mallory_id) -> None:
    """Mallory's key under Alice's name, and Alice's kid in Mallory's token, open nothing."""
    hers = await issue(edge, mallory_id)
    header, payload, signature = hers.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"iss": tenant_id}).encode())
    text = f"{header}.{forged.rstrip(b'=').decode()}"
    async with edge.open(mallory_id, OPERATOR) as ctx:
        own = await signing.sign_exact(ctx, text.encode(), ring=tokens.RING)
    for token in (f"{text}.{signature}", tokens.compact(text, own.value)):
        await refused(edge, token)


async def test_every_refusal_of_a_token_reads_the_same(edge, tenant_id) -> None:
    token = await issue(edge, tenant_id)
    header, payload, signature = token.split(".")
    nobody = tokens.claims(
        edge.ids.new("ten"), subject="a", scopes=["x:y"], now=EPOCH, life=timedelta(minutes=1)
    )
    unknown = tokens.compact(tokens.signing_input(nobody, kid=edge.ids.new("kid")), "00" * 64)
    bad = [unknown, f"{header}.{payload}.{signature[::-1]}", f"{header}.{payload}.", "a.b.c"]
    assert len({await refused(edge, one) for one in bad}) == 1


async def test_a_hmac_signed_with_the_public_key_is_refused(edge, tenant_id) -> None:
    """The classic confusion: the public key used as a shared secret."""
    token = await issue(edge, tenant_id)
    header = jwt.get_unverified_header(token)
    payload = jwt.decode(token, options={"verify_signature": False})
    async with edge.open(tenant_id, OPERATOR) as ctx:
        key = await signing.ensure_key(ctx, ring=tokens.RING)
    for algorithm in ("HS256", "none"):
        secret = key.public if algorithm == "HS256" else None
        forged = jwt.encode(
            payload, secret, algorithm=algorithm, headers=header | {"alg": algorithm}
        )
        await refused(edge, forged)


async def test_other_signatures_of_the_tenant_are_no_tokens(edge, tenant_id) -> None:
    """The general ring, and another ring, sign the same text: neither is believed as a token."""
    async with edge.open(tenant_id, OPERATOR) as ctx:
        claims = tokens.claims(
            tenant_id, subject="a", scopes=["*"], now=EPOCH, life=timedelta(minutes=1)
        )
        for sign in (
            lambda text: signing.sign(ctx, text, purpose="tests.message"),
            lambda text: signing.sign_exact(ctx, text, ring="tests.other"),
            lambda text: signing.sign_exact(
                ctx, text, ring=tokens.RING, algorithm=Algorithm.HMAC_SHA256
            ),
        ):
            kid = (await sign(b"which key?")).kid
            text = tokens.signing_input(claims, kid=kid)
            signature = await sign(text.encode())
            forged = tokens.compact(text, signature.value)
            with pytest.raises(TokenInvalid):
                await tenants.authenticate_jwt(ctx.tx, forged, now=EPOCH)


async def test_rotation_keeps_tokens_and_revocation_ends_them(edge, tenant_id) -> None:
    token = await issue(edge, tenant_id)
    async with edge.open(tenant_id, OPERATOR) as ctx:
        old = await signing.ensure_key(ctx, ring=tokens.RING)
        await signing.rotate(ctx, ring=tokens.RING)
    await whose(edge, token)
    await whose(edge, await issue(edge, tenant_id))
    async with edge.open(tenant_id, OPERATOR) as ctx:
        await signing.revoke(ctx, old.kid)
    await refused(edge, token)


async def test_a_token_gives_no_more_than_its_giver_has(edge, tenant_id) -> None:
    giver = Actor("member", "bob", frozenset({"tokens:write", "metering:write"}))
    await issue(edge, tenant_id, actor=giver)
    for scopes in (["ledger:write"], ["*"], ["metering:*"]):
        with pytest.raises(ScopeBeyondOwn):
            await issue(edge, tenant_id, actor=giver, scopes=scopes)
    with pytest.raises(ScopeInvalid):
        await issue(edge, tenant_id, scopes=["nonsense"])
    with pytest.raises(ScopeMissing):
        await issue(edge, tenant_id, actor=Actor("member", "eve", frozenset({"metering:write"})))


async def test_tokens_over_http(owner, caller, business) -> None:
    asked = {"subject": "browser", "scopes": ["customers:read"], "life_s": 60}
    made = await owner("POST", "/tokens", json=asked)
    assert made.status_code == 201
    bearer = caller(made.json()["token"])
    assert (await bearer("GET", "/customers")).status_code == 200
    assert (await bearer("GET", "/api-keys")).status_code == 403
    assert (await bearer("GET", "/tenant")).json()["id"] == business.live.id
    for wrong in ({"life_s": 0}, {"life_s": 3601}, {"subject": ""}, {"scopes": "all"}):
        assert (await owner("POST", "/tokens", json=asked | wrong)).status_code == 400, wrong
