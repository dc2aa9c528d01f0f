"""Does a tenant's ring sign with one key, verify with the old ones, and keep its secrets?"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import jwt
import pytest

from solvent.kernel.audit import service as audit
from solvent.kernel.signing import service as signing
from solvent.kernel.signing.errors import (
    KeyAlreadyRevoked,
    KeyRevoked,
    KeyUnknown,
    SignatureInvalid,
)
from solvent.kernel.signing.model import GENERAL_RING, Algorithm, KeyState
from solvent.kit.crypto import SealBroken
from solvent.kit.ctx import OPERATOR, Actor, ScopeMissing

PURPOSE = "tests.message"
CHARLIE = Actor("member", "charlie", frozenset({"signing:read"}))
NOBODY = Actor("member", "nobody")


@pytest.fixture(params=list(Algorithm))
def algorithm(request) -> Algorithm:
    return request.param


async def sign(ctx, algorithm=Algorithm.ED25519, message=b"hello"):
    return await signing.sign(ctx, message, purpose=PURPOSE, algorithm=algorithm)


async def test_what_is_signed_verifies(ctx, algorithm) -> None:
    signature = await sign(ctx, algorithm)
    key = await signing.verify(ctx, b"hello", signature, purpose=PURPOSE)
    assert (key.kid, key.algorithm, key.state) == (signature.kid, algorithm, KeyState.ACTIVE)


async def test_purpose_separates(ctx, algorithm) -> None:
    signature = await sign(ctx, algorithm)
    with pytest.raises(SignatureInvalid):
        await signing.verify(ctx, b"hello", signature, purpose="tests.other")


async def test_another_message_or_algorithm_is_refused(ctx, algorithm) -> None:
    signature = await sign(ctx, algorithm)
    with pytest.raises(SignatureInvalid):
        await signing.verify(ctx, b"hullo", signature, purpose=PURPOSE)
    for other in set(Algorithm) - {algorithm}:
        crossed = replace(signature, algorithm=other)
        with pytest.raises(SignatureInvalid):
            await signing.verify(ctx, b"hello", crossed, purpose=PURPOSE)


async def test_retired_verifies_revoked_not(ctx, algorithm) -> None:
    before = await sign(ctx, algorithm)
    fresh = await signing.rotate(ctx, algorithm=algorithm)
    after = await sign(ctx, algorithm)
    assert after.kid == fresh.kid != before.kid
    old = await signing.verify(ctx, b"hello", before, purpose=PURPOSE)
    assert old.state is KeyState.RETIRED
    await signing.revoke(ctx, before.kid, reason="leaked")
    with pytest.raises(KeyRevoked):
        await signing.verify(ctx, b"hello", before, purpose=PURPOSE)
    await signing.verify(ctx, b"hello", after, purpose=PURPOSE)
    with pytest.raises(KeyAlreadyRevoked):
        await signing.revoke(ctx, before.kid)


async def test_revoking_the_active_key_makes_room_for_the_next(ctx) -> None:
    first = await sign(ctx)
    await signing.revoke(ctx, first.kid)
    assert (await sign(ctx)).kid != first.kid


async def test_one_active_key(edge, tenant_id, algorithm) -> None:
    """Ten who sign first at once, then ten who rotate at once: one key is active after each."""

    async def first() -> str:
        async with edge.open(tenant_id, OPERATOR) as ctx:
            return (await sign(ctx, algorithm)).kid

    async def rotate() -> str:
        async with edge.open(tenant_id, OPERATOR) as ctx:
            return (await signing.rotate(ctx, algorithm=algorithm)).kid

    made = set(await asyncio.gather(*(first() for _ in range(10))))
    assert len(made) == 1
    await asyncio.gather(*(rotate() for _ in range(10)))
    async with edge.open(tenant_id, OPERATOR) as ctx:
        keys = await signing.list_keys(ctx)
        assert sum(key.state is KeyState.ACTIVE for key in keys) == 1
        assert (await sign(ctx, algorithm)).kid not in made


async def test_foreign_kid_looks_unknown(edge, ctx, mallory_id) -> None:
    async with edge.open(mallory_id, OPERATOR) as theirs:
        signature = await sign(theirs)
    never = replace(signature, kid=ctx.ids.new("kid"))
    told = []
    for stranger in (
        signature,
        never,
        replace(signature, kid="kid_\0"),
        replace(signature, kid=""),
    ):
        with pytest.raises(KeyUnknown) as refused:
            await signing.verify(ctx, b"hello", stranger, purpose=PURPOSE)
        told.append((refused.value.message, refused.value.detail))
    assert len({message for message, _ in told}) == 1
    assert all(not detail for _, detail in told)
    with pytest.raises(KeyUnknown):
        await signing.revoke(ctx, signature.kid)


async def test_secrets_rest_sealed(ctx, algorithm, house) -> None:
    """The row holds no private key, and what it holds opens for this tenant and kid only."""
    key = await signing.ensure_key(ctx, algorithm=algorithm)
    sealed = await ctx.tx.fetchval("select sealed from signing_key where kid = $1", key.kid)
    vault = house.edge.vault
    private = vault.open(sealed, context=f"{ctx.tenant_id}/signing/{key.kid}")
    assert len(private) == 32
    assert private not in sealed
    for context in (f"{ctx.tenant_id}/signing/kid_other", f"ten_other/signing/{key.kid}", ""):
        with pytest.raises(SealBroken):
            vault.open(sealed, context=context)


async def test_rings_do_not_mix(ctx) -> None:
    """A ring for exact bytes never confirms a framed message, nor the other way round."""
    exact = await signing.sign_exact(ctx, b"hello", ring="tests.token")
    await signing.verify_exact(ctx, b"hello", exact, ring="tests.token")
    with pytest.raises(SignatureInvalid):
        await signing.verify(ctx, b"hello", exact, purpose=PURPOSE)
    with pytest.raises(SignatureInvalid):
        await signing.verify_exact(ctx, b"hello", exact, ring="tests.other")
    framed = await sign(ctx)
    with pytest.raises(SignatureInvalid):
        await signing.verify_exact(ctx, b"hello", framed, ring="tests.token")
    with pytest.raises(ValueError, match="general ring"):
        await signing.sign_exact(ctx, b"anything at all", ring=GENERAL_RING)


async def test_public_list_tells_no_secret(ctx) -> None:
    for algorithm in Algorithm:
        await sign(ctx, algorithm)
    revoked = await sign(ctx)
    await signing.rotate(ctx)
    await signing.revoke(ctx, revoked.kid)
    listed = await signing.jwks(ctx)
    assert {key["alg"] for key in listed} == {"EdDSA", "ES256K"}
    assert revoked.kid not in {key["kid"] for key in listed}
    assert all("d" not in key and "k" not in key for key in listed)
    for key in listed:
        assert jwt.PyJWK(key).key_id == key["kid"]


async def test_a_shared_secret_is_the_one_that_signs(ctx) -> None:
    import hashlib
    import hmac

    key, secret = await signing.shared_secret(ctx, ring="tests.webhook")
    signature = await signing.sign_exact(
        ctx, b"body", ring="tests.webhook", algorithm=Algorithm.HMAC_SHA256
    )
    assert signature.kid == key.kid
    assert signature.value == hmac.new(secret, b"body", hashlib.sha256).hexdigest()


async def test_managing_needs_the_scope(edge, tenant_id) -> None:
    async with edge.open(tenant_id, CHARLIE) as ctx:
        kid = (await sign(ctx)).kid
        await signing.list_keys(ctx)
        for managing in (signing.rotate(ctx), signing.revoke(ctx, kid)):
            with pytest.raises(ScopeMissing):
                await managing
        with pytest.raises(ScopeMissing):
            await signing.shared_secret(ctx, ring="tests.webhook")
    async with edge.open(tenant_id, NOBODY) as ctx:
        with pytest.raises(ScopeMissing):
            await signing.list_keys(ctx)


async def test_every_change_of_the_ring_is_recorded(edge, tenant_id) -> None:
    async with edge.open(tenant_id, OPERATOR) as ctx:
        first = await sign(ctx)
        second = await signing.rotate(ctx)
        await signing.revoke(ctx, first.kid, reason="leaked")
    async with edge.open(tenant_id, OPERATOR) as ctx:
        made = await audit.list_records(ctx, action="signing.key_made")
        revoked = await audit.list_records(ctx, action="signing.key_revoked")
    assert [record.entry.subject for record in made] == [second.kid, first.kid]
    assert made[0].entry.data["replaces"] == first.kid
    assert revoked[0].entry.data["reason"] == "leaked"
