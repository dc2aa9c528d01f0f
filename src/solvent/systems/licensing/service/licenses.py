"""Who has which license, and what has the seller decided about it?"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime

from solvent.contracts.licensing import LicenseChanged, LicenseIssued
from solvent.kernel.audit import service as audit
from solvent.kernel.signing import service as signing
from solvent.kernel.tenants import service as tenants
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.systems.licensing.errors import (
    LicenseFinal,
    LicenseKeyMalformed,
    LicenseKeyTaken,
    LicenseNotFound,
    PurchaseNotFound,
)
from solvent.systems.licensing.model import (
    LICENSE_PREFIX,
    RING,
    Activation,
    License,
    Policy,
    Revoked,
    State,
)
from solvent.systems.licensing.rules import codes, life
from solvent.systems.licensing.service.policies import SCOPE_READ, SCOPE_WRITE, get_policy
from solvent.systems.licensing.store import activations as activation_store
from solvent.systems.licensing.store import licenses as store
from solvent.systems.licensing.store import purchases as purchase_store

KEY_BYTES = 15
KEY_LENGTH_MIN, KEY_LENGTH_MAX = 16, 512
HINT_LENGTH = 5
NAME_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh license with its key, which is shown this once; only its digest is kept."""

    license: License
    key: str


async def issue(
    ctx: Ctx,
    policy_key: str,
    *,
    customer: str | None = None,
    name: str | None = None,
    limit: int | None = None,
    expires_at: datetime | None = None,
    key: str | None = None,
    signed_key: bool = False,
    purchase: str | None = None,
) -> Issued:
    """Give a license; needs `licensing:write`. Emits licensing.license_issued.v1.

    `key` takes over one that was sold elsewhere; otherwise one is made, on request a signed one,
    which tells by itself what it is of. `purchase` names one that waits for its license, which is
    given to whoever bought it.

    Raises:
        PolicyNotFound, CustomerUnknown, LicenseKeyMalformed, LicenseKeyTaken, PurchaseNotFound.
    """
    ctx.require(SCOPE_WRITE)
    policy = await get_policy(ctx, policy_key)
    customer_id = (await tenants.get_customer(ctx, customer)).id if customer else None
    new = life.begin(_blank(ctx, policy), ctx.now().replace(microsecond=0))
    if expires_at is not None:
        new = replace(new, expires_at=expires_at)
    if signed_key and key is None:
        key = await _signed_key(ctx, new)
    text = _checked_key(key) if key else _new_key()
    new = replace(_with_key(new, text), customer_id=customer_id, name=name, limit=limit)
    if purchase is not None:
        new = await _of_purchase(ctx, new, purchase)
    if not await add(ctx, new):
        raise LicenseKeyTaken(field="key")
    return Issued(new, text)


def unkeyed(ctx: Ctx, policy: Policy, *, customer_id: str | None) -> License:
    """Return a license that has no key yet: its customer makes one when it is first needed."""
    new = life.begin(_blank(ctx, policy), ctx.now().replace(microsecond=0))
    return replace(new, customer_id=customer_id)


async def add(ctx: Ctx, new: License) -> bool:
    """Keep a new license and tell of it; False where its key, subscription or purchase has one."""
    if not await store.insert(ctx.tx, ctx.tenant_id, new):
        return False
    policy = new.policy
    event = LicenseIssued(
        license_id=new.id,
        policy_key=policy.key,
        product=policy.product,
        customer_id=new.customer_id,
        trial=policy.trial,
        expires_at=new.expires_at,
        subscription_id=new.subscription_id,
        purchase=new.purchase,
    )
    await ctx.bus.emit(ctx, event)
    data = {"policy": policy.key, "customer": new.customer_id or ""}
    audit.record(ctx, action="licensing.license_issued", subject=new.id, data=data)
    return True


async def make_key(ctx: Ctx, license_id: str) -> Issued:
    """Give a license a new key in place of the one it had, if any; needs `licensing:write`.

    Files encrypted under the old key go on as they are; the old key opens nothing new.
    """
    ctx.require(SCOPE_WRITE)
    held = await locked(ctx, license_id)
    text = _new_key()
    changed = _with_key(held, text)
    await store.save(ctx.tx, ctx.tenant_id, changed)
    audit.record(ctx, action="licensing.license_key_made", subject=held.id)
    return Issued(changed, text)


async def get(ctx: Ctx, license_id: str) -> License:
    """Return a license; needs `licensing:read`. Raises LicenseNotFound."""
    ctx.require(SCOPE_READ)
    known = is_id(license_id, prefix=LICENSE_PREFIX)
    found = await store.find(ctx.tx, ctx.tenant_id, license_id) if known else None
    if found is None:
        raise LicenseNotFound(field="license")
    return found


async def by_key(ctx: Ctx, key: str | None) -> License:
    """Return the license that a key opens: whoever holds the key may see and use it.

    Raises:
        LicenseNotFound: no license of this tenant has this key, or none was given.
    """
    digest = codes.key_digest(codes.normal_key(key)) if key else ""
    found = await store.by_key(ctx.tx, ctx.tenant_id, digest) if digest else None
    if found is None:
        raise LicenseNotFound("no license has this key", field="license_key")
    return found


async def locked(ctx: Ctx, license_id: str) -> License:
    """Return a license that nobody else works on until this transaction ends."""
    known = is_id(license_id, prefix=LICENSE_PREFIX)
    found = await store.lock(ctx.tx, ctx.tenant_id, license_id) if known else None
    if found is None:
        raise LicenseNotFound(field="license")
    return found


async def list_licenses(
    ctx: Ctx,
    *,
    customer_id: str | None = None,
    policy_key: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[License]:
    """Return licenses, the newest first; needs `licensing:read`."""
    ctx.require(SCOPE_READ)
    return await store.page(
        ctx.tx,
        ctx.tenant_id,
        customer_id=customer_id,
        policy_key=policy_key,
        before=before,
        limit=limit,
    )


async def activations_of(ctx: Ctx, held: License) -> list[Activation]:
    """Return what holds a slot of a license, or has left a file that is still alive."""
    return await activation_store.that_count(ctx.tx, ctx.tenant_id, held.id, now=ctx.now())


async def suspend(ctx: Ctx, license_id: str, *, reason: str) -> License:
    """Let a license rest until it is reinstated; needs `licensing:write`."""
    ctx.require(SCOPE_WRITE)
    return await decide(ctx, await locked(ctx, license_id), State.SUSPENDED, reason)


async def reinstate(ctx: Ctx, license_id: str) -> License:
    """Let a suspended license count again; needs `licensing:write`."""
    ctx.require(SCOPE_WRITE)
    return await decide(ctx, await locked(ctx, license_id), State.ACTIVE, None)


async def revoke(ctx: Ctx, license_id: str, *, reason: str) -> License:
    """Take a license back for good; needs `licensing:write`.

    It goes on the revocation list; a machine without a network runs on until its file expires.
    """
    ctx.require(SCOPE_WRITE)
    return await decide(ctx, await locked(ctx, license_id), State.REVOKED, reason)


async def decide(ctx: Ctx, held: License, state: State, reason: str | None) -> License:
    """Give a license a state; what is revoked stays so. Raises LicenseFinal."""
    if held.state is State.REVOKED and state is not State.REVOKED:
        raise LicenseFinal(field="license")
    return await change(ctx, held, replace(held, state=state, reason=reason))


async def change(ctx: Ctx, before: License, after: License) -> License:
    """Keep a changed license, tell of it, and list or unlist it; nothing where nothing changed."""
    if before == after:
        return before
    await store.save(ctx.tx, ctx.tenant_id, after)
    await _list(ctx, before, after)
    told = life.status(after, ctx.now())
    event = LicenseChanged(
        license_id=after.id,
        policy_key=after.policy.key,
        product=after.policy.product,
        customer_id=after.customer_id,
        before=life.status(before, ctx.now()).lower(),
        after=told.lower(),
        reason=after.reason,
        expires_at=after.expires_at,
    )
    await ctx.bus.emit(ctx, event)
    expiry = format_time(after.expires_at) if after.expires_at else "never"
    data = {"state": after.state, "reason": after.reason or "", "expires_at": expiry}
    audit.record(ctx, action="licensing.license_changed", subject=after.id, data=data)
    return after


async def _list(ctx: Ctx, before: License, after: License) -> None:
    """Put a license that is active no more on the revocation list, and take it off again."""
    if before.state is after.state:
        return
    if after.state is State.ACTIVE:
        await activation_store.unrevoke(ctx.tx, ctx.tenant_id, after.id)
        return
    told = Revoked(id=after.id, at=ctx.now(), reason=after.reason or after.state)
    alive = [one.file_until for one in await activations_of(ctx, after) if one.file_until]
    until = max([ctx.now() + after.policy.file_life, *alive])
    await activation_store.revoke(ctx.tx, ctx.tenant_id, told, listed_until=until)


async def _of_purchase(ctx: Ctx, new: License, purchase: str) -> License:
    bought = await purchase_store.take(ctx.tx, ctx.tenant_id, purchase)
    if bought is None:
        raise PurchaseNotFound(field="purchase")
    customer_id = new.customer_id or bought.customer_id
    return replace(new, customer_id=customer_id, purchase=bought.key, payment=bought.payment)


def _blank(ctx: Ctx, policy: Policy) -> License:
    now = ctx.now().replace(microsecond=0)
    return License(id=ctx.ids.new(LICENSE_PREFIX), policy=policy, created_at=now)


def _with_key(held: License, text: str) -> License:
    return replace(held, key_digest=codes.key_digest(text), key_hint=text[-HINT_LENGTH:])


def _new_key() -> str:
    return codes.license_key(os.urandom(KEY_BYTES))


def _checked_key(text: str) -> str:
    key = codes.normal_key(text)
    visible = key.isascii() and key.isprintable()
    if not visible or not KEY_LENGTH_MIN <= len(key) <= KEY_LENGTH_MAX:
        raise LicenseKeyMalformed(field="key")
    return key


async def _signed_key(ctx: Ctx, held: License) -> str:
    body = codes.signed_key_body(held)
    signature = await signing.sign_exact(ctx, body.encode(), ring=RING)
    return codes.signed_key(body, bytes.fromhex(signature.value))
