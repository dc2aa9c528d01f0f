"""How does a founder make, change, rotate and disable endpoints?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from solvent.contracts.webhooks import EndpointDisabled as DisabledEvent
from solvent.kernel.audit import service as audit
from solvent.kit.ctx import Ctx
from solvent.systems.webhooks.errors import (
    EndpointNotFound,
    EndpointsTooMany,
    OutOfRange,
    SchemeMissing,
    SecretMalformed,
    SecretsTooMany,
)
from solvent.systems.webhooks.limits import (
    DESCRIPTION_CHARS_MAX,
    ENDPOINTS_MAX,
    ORDER_WAIT_S_MAX,
    OVERLAP_HOURS,
    OVERLAP_HOURS_MAX,
    SECRET_BYTES,
    SECRETS_MAX,
)
from solvent.systems.webhooks.model import Endpoint, Made, SecretInfo, SignatureScheme
from solvent.systems.webhooks.rules.address import Guard
from solvent.systems.webhooks.rules.patterns import EVERYTHING, check_patterns
from solvent.systems.webhooks.rules.signature import Key, read_shared
from solvent.systems.webhooks.service.types import known_types
from solvent.systems.webhooks.store import deliveries as deliveries_store
from solvent.systems.webhooks.store import endpoints as store
from solvent.systems.webhooks.store import messages as messages_store

SCOPE_READ = "webhooks:read"
SCOPE_WRITE = "webhooks:write"
REASON_CHARS_MAX = 200
BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an endpoint is to be; `order_wait_s` as in `Endpoint`."""

    url: str
    event_types: tuple[str, ...] = (EVERYTHING,)
    description: str = ""
    order_wait_s: int | None = None


@dataclass(frozen=True, slots=True)
class Signing:
    """How a new endpoint's messages are signed; `secret` is one that was agreed elsewhere."""

    schemes: tuple[SignatureScheme, ...] = (SignatureScheme.V1,)
    secret: str | None = field(default=None, repr=False)


def wanted_of(endpoint: Endpoint) -> Wanted:
    """Return what an endpoint is, to change some of it."""
    return Wanted(endpoint.url, endpoint.event_types, endpoint.description, endpoint.order_wait_s)


async def create(ctx: Ctx, wanted: Wanted, *, guard: Guard, signing: Signing | None = None) -> Made:
    """Make an endpoint and return it with its secrets, this once; needs `webhooks:write`.

    Raises:
        UrlInvalid, AddressBlocked: webhooks cannot be sent there.
        PatternInvalid: no event is meant, or too many patterns.
        SecretMalformed, SchemeMissing, OutOfRange: as they say.
        EndpointsTooMany: there are 50.
    """
    ctx.require(SCOPE_WRITE)
    told = signing or Signing()
    keys = _keys_of(told)
    guard.check_url(wanted.url)
    checked = _checked(wanted)
    await messages_store.lock_order(ctx.tx, ctx.tenant_id)
    if await store.count_endpoints(ctx.tx, ctx.tenant_id) >= ENDPOINTS_MAX:
        raise EndpointsTooMany(limit=ENDPOINTS_MAX)
    made = await _new_endpoint(ctx, checked)
    await store.insert_endpoint(ctx.tx, ctx.tenant_id, made)
    for key in keys:
        await _add_secret(ctx, made.id, key)
    data = {"event_types": " ".join(made.event_types), "schemes": " ".join(told.schemes)}
    audit.record(ctx, action="webhooks.endpoint_created", subject=made.id, data=data)
    return Made(await get(ctx, made.id), tuple(key.text for key in keys))


async def update(ctx: Ctx, endpoint_id: str, wanted: Wanted, *, guard: Guard) -> Endpoint:
    """Change where an endpoint is and what it gets; needs `webhooks:write`.

    What is on its way goes to the new address. Raises EndpointNotFound, and as `create`.
    """
    ctx.require(SCOPE_WRITE)
    before = await get(ctx, endpoint_id)
    checked = _checked(wanted)
    if checked.url != before.url:
        guard.check_url(checked.url)
    after = replace(
        before,
        url=checked.url,
        event_types=checked.event_types,
        description=checked.description,
        order_wait_s=checked.order_wait_s,
    )
    await store.update_endpoint(ctx.tx, ctx.tenant_id, after)
    if before.order_wait_s is None and after.order_wait_s is not None:
        now = await store.real_now(ctx.tx)
        await deliveries_store.let_step_aside(ctx.tx, ctx.tenant_id, endpoint_id, at=now)
    was, now_is = asdict(wanted_of(before)), asdict(checked)
    data = {"fields": " ".join(name for name in was if was[name] != now_is[name])}
    audit.record(ctx, action="webhooks.endpoint_changed", subject=endpoint_id, data=data)
    return await get(ctx, endpoint_id)


async def rotate(
    ctx: Ctx,
    endpoint_id: str,
    *,
    scheme: SignatureScheme = SignatureScheme.V1,
    overlap_hours: int = OVERLAP_HOURS,
    secret: str | None = None,
) -> Made:
    """Make a new secret of a scheme; the old ones sign beside it for so many real hours.

    An endpoint that had none of the scheme is signed by it from now on. Returns the new secret,
    this once; needs `webhooks:write`.

    Raises:
        EndpointNotFound, SecretMalformed.
        OutOfRange: the overlap is 0 to 168 hours.
        SecretsTooMany: four of the scheme sign already.
    """
    ctx.require(SCOPE_WRITE)
    if not 0 <= overlap_hours <= OVERLAP_HOURS_MAX:
        message = f"an overlap is 0 to {OVERLAP_HOURS_MAX} hours"
        raise OutOfRange(message, field="overlap_hours")
    (key,) = _keys_of(Signing((scheme,), secret))
    await store.lock_endpoint(ctx.tx, ctx.tenant_id, endpoint_id)
    now = await store.real_now(ctx.tx)
    await store.drop_ended_secrets(ctx.tx, ctx.tenant_id, endpoint_id, now=now)
    held = await get(ctx, endpoint_id)
    if sum(one.scheme is scheme for one in held.secrets) >= SECRETS_MAX:
        raise SecretsTooMany(field="scheme", limit=SECRETS_MAX)
    secret_id = await _add_secret(ctx, endpoint_id, key)
    not_after = now + timedelta(hours=overlap_hours)
    await store.retire_secrets(
        ctx.tx, ctx.tenant_id, endpoint_id, scheme=scheme, but=secret_id, not_after=not_after
    )
    data = {"scheme": scheme.value, "secret_id": secret_id, "others_until": not_after}
    audit.record(ctx, action="webhooks.secret_rotated", subject=endpoint_id, data=data)
    return Made(await get(ctx, endpoint_id), (key.text,))


async def enable(ctx: Ctx, endpoint_id: str) -> Endpoint:
    """Let an endpoint get messages again; needs `webhooks:write`.

    What waited goes on by its schedule; what happened meanwhile can be replayed. Raises
    EndpointNotFound.
    """
    ctx.require(SCOPE_WRITE)
    held = await get(ctx, endpoint_id)
    if not held.enabled:
        await store.enable(ctx.tx, ctx.tenant_id, endpoint_id)
        audit.record(ctx, action="webhooks.endpoint_enabled", subject=endpoint_id)
    return await get(ctx, endpoint_id)


async def disable(ctx: Ctx, endpoint_id: str, *, reason: str = BY_HAND) -> Endpoint:
    """Send an endpoint nothing more until it is enabled; needs `webhooks:write`.

    Raises:
        EndpointNotFound.
        OutOfRange: a reason has 1 to 200 characters.
    """
    ctx.require(SCOPE_WRITE)
    if not 1 <= len(reason) <= REASON_CHARS_MAX:
        message = f"a reason has 1 to {REASON_CHARS_MAX} characters"
        raise OutOfRange(message, field="reason")
    held = await get(ctx, endpoint_id)
    await shut(ctx, held, reason=reason)
    return await get(ctx, endpoint_id)


async def shut(ctx: Ctx, endpoint: Endpoint, *, reason: str) -> None:
    """Disable an endpoint, with an event and an audit record, unless it is already."""
    now = await store.real_now(ctx.tx)
    if not await store.disable(ctx.tx, ctx.tenant_id, endpoint.id, reason=reason, at=now):
        return
    audit.record(
        ctx, action="webhooks.endpoint_disabled", subject=endpoint.id, data={"reason": reason}
    )
    await ctx.bus.emit(ctx, DisabledEvent(endpoint.id, reason, endpoint.failing_since))


async def remove(ctx: Ctx, endpoint_id: str) -> None:
    """Delete an endpoint with the records of what it got; needs `webhooks:write`.

    Raises EndpointNotFound.
    """
    ctx.require(SCOPE_WRITE)
    if not await store.delete_endpoint(ctx.tx, ctx.tenant_id, endpoint_id):
        raise EndpointNotFound(field="endpoint")
    audit.record(ctx, action="webhooks.endpoint_removed", subject=endpoint_id)


async def get(ctx: Ctx, endpoint_id: str) -> Endpoint:
    """Return an endpoint; needs `webhooks:read`. Raises EndpointNotFound."""
    ctx.require(SCOPE_READ)
    found = await store.find_endpoints(ctx.tx, ctx.tenant_id, [endpoint_id])
    if not found:
        raise EndpointNotFound(field="endpoint")
    return found[0]


async def list_endpoints(ctx: Ctx, *, after: str = "", limit: int) -> list[Endpoint]:
    """Return endpoints, the earliest first; needs `webhooks:read`."""
    ctx.require(SCOPE_READ)
    return await store.list_endpoints(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def has_endpoints(ctx: Ctx) -> bool:
    """Return whether anybody might hear of an event; a disabled endpoint may ask for it later."""
    return await store.has_endpoints(ctx.tx, ctx.tenant_id)


async def keys_of(ctx: Ctx, endpoint_ids: Sequence[str]) -> dict[str, list[Key]]:
    """Return what signs for each of these endpoints now, for the attempts that are due."""
    now = await store.real_now(ctx.tx)
    found: dict[str, list[Key]] = {one: [] for one in endpoint_ids}
    for endpoint_id, secret_id, scheme, sealed in await store.sealed_secrets(
        ctx.tx, ctx.tenant_id, endpoint_ids, now=now
    ):
        raw = ctx.vault.open(sealed, context=_context(ctx, endpoint_id, secret_id))
        found[endpoint_id].append(Key(scheme, raw))
    return found


async def _new_endpoint(ctx: Ctx, wanted: Wanted) -> Endpoint:
    now = await store.real_now(ctx.tx)
    return Endpoint(
        id=ctx.ids.new("whe"),
        url=wanted.url,
        description=wanted.description,
        event_types=wanted.event_types,
        order_wait_s=wanted.order_wait_s,
        enabled=True,
        disabled_reason=None,
        disabled_at=None,
        failing_since=None,
        failures=0,
        resume_at=None,
        created_at=now,
        updated_at=now,
    )


async def _add_secret(ctx: Ctx, endpoint_id: str, key: Key) -> str:
    now = await store.real_now(ctx.tx)
    made = SecretInfo(ctx.ids.new("whs"), key.scheme, key.public_text, now, None)
    sealed = ctx.vault.seal(key.raw, context=_context(ctx, endpoint_id, made.id))
    await store.insert_secret(ctx.tx, ctx.tenant_id, endpoint_id, made, sealed=sealed)
    return made.id


def _context(ctx: Ctx, endpoint_id: str, secret_id: str) -> str:
    return f"{ctx.tenant_id}/webhooks/{endpoint_id}/{secret_id}"


def _keys_of(signing: Signing) -> list[Key]:
    """Return the keys that a new endpoint gets: made here, or the secret that was agreed."""
    schemes = tuple(dict.fromkeys(signing.schemes))
    if not schemes:
        raise SchemeMissing(field="schemes")
    if signing.secret is not None and SignatureScheme.V1 not in schemes:
        message = "only a secret of v1 can be given; a v1a key is made here"
        raise SecretMalformed(message, field="secret")
    return [
        read_shared(signing.secret)
        if signing.secret is not None and scheme is SignatureScheme.V1
        else _new_key(scheme)
        for scheme in schemes
    ]


def _new_key(scheme: SignatureScheme) -> Key:
    if scheme is SignatureScheme.V1:
        return Key(scheme, os.urandom(SECRET_BYTES))
    return Key(scheme, Ed25519PrivateKey.generate().private_bytes_raw())


def _checked(wanted: Wanted) -> Wanted:
    if len(wanted.description) > DESCRIPTION_CHARS_MAX:
        message = f"a description has at most {DESCRIPTION_CHARS_MAX} characters"
        raise OutOfRange(message, field="description")
    if wanted.order_wait_s is not None and not 0 <= wanted.order_wait_s <= ORDER_WAIT_S_MAX:
        message = f"others are held up for 0 to {ORDER_WAIT_S_MAX} seconds"
        raise OutOfRange(message, field="order_wait_s")
    patterns = check_patterns(wanted.event_types, known=known_types())
    return replace(wanted, event_types=patterns)
