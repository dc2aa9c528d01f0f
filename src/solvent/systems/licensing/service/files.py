"""How does what a license says become a signed file?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from solvent.kernel.catalogue import model as catalogue_model
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.signing import service as signing
from solvent.kernel.signing.model import Key
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kit.ctx import Ctx
from solvent.systems.licensing.errors import KeyRotated, LicenseKeyWrong
from solvent.systems.licensing.model import (
    RING,
    Activation,
    Contents,
    Extra,
    Feature,
    License,
    RevocationList,
    Scheme,
)
from solvent.systems.licensing.rules import codes, document, envelope, life
from solvent.systems.licensing.rules.envelope import IV_BYTES, Content, Envelope, FileKind
from solvent.systems.licensing.service.licenses import get
from solvent.systems.licensing.service.policies import SCOPE_WRITE
from solvent.systems.licensing.store import activations as activation_store
from solvent.systems.licensing.store import policies as policy_store

REVOKED_MAX = 10_000
LIST_LIFE = timedelta(days=7)
HEARTBEATS = 3
"""How many heartbeats fit into a lease, so that one or two may be lost."""


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A file's text and its last second."""

    text: str
    expires_at: datetime


async def license_file(ctx: Ctx, license_id: str, *, license_key: str | None = None) -> SignedFile:
    """Return a file that is good on any machine; needs `licensing:write`.

    Encrypted under the license key where that is given.

    Raises:
        LicenseNotFound, LicenseRevoked, LicenseSuspended, LicenseExpired.
        LicenseKeyWrong: that is another license's key, or nobody's.
    """
    ctx.require(SCOPE_WRITE)
    held = await get(ctx, license_id)
    life.check_usable(held, ctx.now())
    key = codes.normal_key(license_key) if license_key is not None else None
    if key is not None and codes.key_digest(key) != held.key_digest:
        raise LicenseKeyWrong(field="license_key")
    return await make_file(ctx, held, secret=key)


async def make_file(
    ctx: Ctx, held: License, activation: Activation | None = None, *, secret: str | None = None
) -> SignedFile:
    """Return a license's file, for one machine where its activation is given."""
    key = await signing.ensure_key(ctx, ring=RING)
    now = ctx.now().replace(microsecond=0)
    end = life.file_end(held, now)
    features, meters = await granted(ctx, held)
    said = Contents(
        license_id=held.id,
        issued=now,
        status=life.status(held, now),
        name=held.name,
        created=held.created_at,
        license_expiry=held.expires_at,
        file_expiry=end,
        entitlements=features,
        machine=activation.machine if activation else None,
        machine_id=activation.id if activation else None,
        extra=await _extra(ctx, held, activation, key=key, meters=meters),
    )
    kind = FileKind.MACHINE if activation else FileKind.LICENSE
    content = _content(kind, document.write(said), secret)
    return SignedFile(await _signed(ctx, content, key), end)


async def revocation_list(ctx: Ctx) -> str:
    """Return the signed list of what is believed no more; anybody may have it."""
    key = await signing.ensure_key(ctx, ring=RING)
    now = ctx.now().replace(microsecond=0)
    serial, revoked = await activation_store.revocations(
        ctx.tx, ctx.tenant_id, now=now, limit=REVOKED_MAX
    )
    told = RevocationList(
        serial=serial,
        kid=key.kid,
        key=_named(key),
        issued=now,
        expiry=now + LIST_LIFE,
        revoked=tuple(revoked),
    )
    content = envelope.plain(FileKind.REVOCATIONS, document.write_list(told))
    return await _signed(ctx, content, key)


async def public_keys(ctx: Ctx) -> list[str]:
    """Return the public keys that programs are to believe, in hex, the newest first.

    The first is made now if there is none: a program needs it before it is sold.
    """
    await signing.ensure_key(ctx, ring=RING)
    keys = await signing.public_keys(ctx)
    return [_named(key) for key in keys if key.ring == RING]


async def sign_code(ctx: Ctx, message: bytes) -> bytes:
    """Return the signature of a typed answer."""
    signature = await signing.sign_exact(ctx, message, ring=RING)
    return bytes.fromhex(signature.value)


async def _signed(ctx: Ctx, content: Content, key: Key) -> str:
    signature = await signing.sign_exact(ctx, content.message, ring=RING)
    if signature.kid != key.kid:
        raise KeyRotated
    return envelope.write(Envelope(content, bytes.fromhex(signature.value)))


def _content(kind: FileKind, payload: bytes, secret: str | None) -> Content:
    if secret is None:
        return envelope.plain(kind, payload)
    return envelope.encrypted(kind, payload, secret=secret, iv=os.urandom(IV_BYTES))


async def _extra(
    ctx: Ctx,
    held: License,
    activation: Activation | None,
    *,
    key: Key,
    meters: dict[str, int | None],
) -> Extra:
    policy, until = held.policy, held.maintenance_until
    fallback = (
        await policy_store.newest_release(ctx.tx, ctx.tenant_id, policy.product, until=until)
        if until
        else None
    )
    return Extra(
        kid=key.kid,
        key=_named(key),
        product=policy.product,
        match=policy.match,
        activation_id=activation.id if activation else None,
        nonce=activation.nonce if activation else None,
        components=activation.machine.components if activation else {},
        trial=policy.trial,
        maintenance_expiry=until,
        fallback_version=fallback,
        meters=meters,
        heartbeat_s=policy.lease_s // HEARTBEATS if policy.scheme is Scheme.FLOATING else None,
        revocation_max_age_s=policy.revocation_max_age_s,
    )


async def granted(ctx: Ctx, held: License) -> tuple[dict[str, Feature], dict[str, int | None]]:
    """Return the features and meters of a license: its plan's, and over those its policy's."""
    features: dict[str, Feature] = {}
    meters: dict[str, int | None] = {}
    for one in await _features_sold(ctx, held):
        limit = None if one.limit is None else int(one.limit)
        features[one.key] = True if limit is None else limit
        if one.meter_key:
            meters[one.meter_key] = limit
    return features | dict(held.policy.features), meters | dict(held.policy.meters)


async def _features_sold(ctx: Ctx, held: License) -> tuple[catalogue_model.Feature, ...]:
    if held.subscription_id:
        plan = (await subscriptions.get(ctx, held.subscription_id)).plan
        sold = await catalogue.plan_version(ctx, plan.plan_key, plan.version)
    elif held.policy.plan_key:
        sold = await catalogue.plan_version(ctx, held.policy.plan_key)
    else:
        return ()
    return sold.terms.features


def _named(key: Key) -> str:
    return key.public.hex() if key.public else ""
