"""How does a machine come by its file: over the network, by a carried request, or by typing?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from solvent.contracts.licensing import MachineActivated
from solvent.kernel.audit import service as audit
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.systems.licensing.errors import (
    ActivationNotFound,
    LeaseLost,
    PolicyNotFound,
    ProductMismatch,
    RequestInvalid,
    RequestUsed,
    SchemeMismatch,
    TrialsTooMany,
    TrialUsed,
)
from solvent.systems.licensing.model import (
    ACTIVATION_PREFIX,
    Activation,
    License,
    Machine,
    Match,
    Request,
    Scheme,
)
from solvent.systems.licensing.rules import codes, fingerprint, life, requests, slots
from solvent.systems.licensing.service.files import granted, make_file, sign_code
from solvent.systems.licensing.service.licenses import add, by_key, get, locked, unkeyed
from solvent.systems.licensing.service.policies import SCOPE_WRITE
from solvent.systems.licensing.store import activations as store
from solvent.systems.licensing.store import licenses as license_store
from solvent.systems.licensing.store import policies as policy_store
from solvent.systems.licensing.store.activations import Answered

TRIALS_COMPARED = 200
TRIALS_A_DAY_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a machine gets: its activation, and a file or a typed code."""

    activation_id: str
    text: str


async def activate(ctx: Ctx, request: bytes, *, license_key: str | None = None) -> Answer:
    """Answer a request file with a license file for its machine; the license key is the right to.

    The key stands in the request, or is given beside it. Without one a trial may be asked for.
    Emits licensing.machine_activated.v1 the first time; the same request gets the same answer for
    as long as its activation lives.

    Raises:
        FileUnreadable, RequestInvalid: it is no unchanged request.
        LicenseNotFound, LicenseRevoked, LicenseSuspended, LicenseExpired, TrialUsed.
        RequestUsed: it was another machine's, or its activation has ended.
        ProductMismatch, SchemeMismatch: the license is for something else.
        SlotsTaken, FilesAlive: there is no room.
    """
    asked = requests.read_request(request)
    digest = hashlib.sha256(request).digest()
    if asked.trial:
        return await _try_out(ctx, asked, digest)
    held = await by_key(ctx, asked.license_key or license_key)
    return await _answer(ctx, held, asked, digest)


async def activate_for(ctx: Ctx, license_id: str, request: bytes) -> Answer:
    """As `activate`, for a license that the seller names; needs `licensing:write`."""
    ctx.require(SCOPE_WRITE)
    asked = requests.read_request(request)
    held = await get(ctx, license_id)
    return await _answer(ctx, held, asked, hashlib.sha256(request).digest())


async def renew(ctx: Ctx, license_key: str, activation_id: str) -> Answer:
    """Return a new file for a machine: a heartbeat of a lease, or before the old file expires.

    A lease that has run out is taken up again where there is room.

    Raises:
        LicenseNotFound, LicenseRevoked, LicenseSuspended, LicenseExpired, ActivationNotFound.
        LeaseLost: the activation has ended.
        SlotsTaken, FilesAlive: there is no room any more.
    """
    held = await locked(ctx, (await by_key(ctx, license_key)).id)
    mine = await activation_of(ctx, held, activation_id)
    if mine.ended_at is not None:
        raise LeaseLost(field="activation")
    life.check_usable(held, ctx.now())
    others = [one for one in await _counting(ctx, held) if one.id != mine.id]
    slots.check_room(held, others, mine, now=ctx.now())
    return await _hand_out(ctx, held, mine, license_key=license_key)


async def answer_code(ctx: Ctx, license_key: str, code: str) -> Answer:
    """Answer a typed request with a code to type; the room it comes from has no other way out.

    Raises:
        CodeMistyped: a line was mistyped.
        FeaturesTooLong: they do not fit into a code. And as `activate`.
    """
    asked = codes.read_request(code)
    digest = hashlib.sha256(f"{asked.fingerprint}/{asked.nonce}".encode()).digest()
    held = await locked(ctx, (await by_key(ctx, license_key)).id)
    known = await _known(ctx, asked.nonce, digest)
    if known is not None:
        return known
    machine = Machine(fingerprint=asked.fingerprint, components={}, name="typed code")
    mine = await _take_slot(ctx, held, machine, nonce=asked.nonce)
    now = ctx.now().replace(microsecond=0)
    features, _ = await granted(ctx, held)
    told = codes.TypedResponse(
        issued=now,
        expiry=life.file_end(held, now),
        trial=held.policy.trial,
        features=codes.short_list(features),
    )
    message = told.message(
        product=held.policy.product, key_digest=held.key_digest or "", request=asked
    )
    text = codes.write(told.body + await sign_code(ctx, message))
    await store.save(ctx.tx, ctx.tenant_id, replace(mine, file_until=told.expiry))
    return await _keep(ctx, asked.nonce, Answered(mine.id, digest, text))


async def assign_seat(ctx: Ctx, license_id: str, user: str) -> Activation:
    """Give a named person a seat, once; needs `licensing:write`.

    Raises:
        RequestInvalid: the name is not one line of text.
        SchemeMismatch: the license counts machines. And as `activate`.
    """
    ctx.require(SCOPE_WRITE)
    if not user.strip() or not user.isprintable():
        raise RequestInvalid("expected a name of one line", field="user")
    held = await locked(ctx, license_id)
    if held.policy.scheme is not Scheme.SEATS:
        raise SchemeMismatch(field="license")
    return await _take_slot(ctx, held, fingerprint.person(held.policy.product, user), nonce=None)


async def activation_of(ctx: Ctx, held: License, activation_id: str) -> Activation:
    """Return an activation of this license; raises ActivationNotFound."""
    known = is_id(activation_id, prefix=ACTIVATION_PREFIX)
    found = await store.find(ctx.tx, ctx.tenant_id, activation_id) if known else None
    if found is None or found.license_id != held.id:
        raise ActivationNotFound(field="activation")
    return found


# -------------------------------------------------------------------------------------- one answer


async def _known(ctx: Ctx, nonce: str, digest: bytes) -> Answer | None:
    """Return the answer that this very request got before.

    Raises:
        RequestUsed: the nonce is another request's, or its activation has ended.
    """
    known = await store.find_request(ctx.tx, ctx.tenant_id, nonce)
    if known is None:
        return None
    if known.digest != digest or known.answer is None:
        raise RequestUsed(field="request")
    return Answer(known.activation_id, known.answer)


async def _answer(ctx: Ctx, held: License, asked: Request, digest: bytes) -> Answer:
    held = await locked(ctx, held.id)
    known = await _known(ctx, asked.nonce, digest)
    if known is not None:
        return known
    if asked.product != held.policy.product:
        raise ProductMismatch(field="request", expected=held.policy.product)
    mine = await _take_slot(
        ctx, held, asked.machine, nonce=asked.nonce, tool_version=asked.tool_version
    )
    if held.policy.trial:
        await store.keep_trial(ctx.tx, ctx.tenant_id, mine)
    answer = await _hand_out(ctx, held, mine, license_key=asked.license_key)
    return await _keep(ctx, asked.nonce, Answered(mine.id, digest, answer.text))


async def _keep(ctx: Ctx, nonce: str, answered: Answered) -> Answer:
    if not await store.keep_request(ctx.tx, ctx.tenant_id, nonce, answered, at=ctx.now()):
        raise RequestUsed(field="request")
    return Answer(answered.activation_id, answered.answer or "")


async def _take_slot(
    ctx: Ctx,
    held: License,
    machine: Machine,
    *,
    nonce: str | None,
    tool_version: str | None = None,
) -> Activation:
    """Return the machine's activation of a locked license, made now or taken up again."""
    now = ctx.now()
    life.check_usable(held, now)
    if (nonce is None) != (held.policy.scheme is Scheme.SEATS):
        raise SchemeMismatch(field="license")
    counting = await _counting(ctx, held)
    before = next(
        (one for one in counting if fingerprint.is_same(one.machine, machine, held.policy.match)),
        None,
    )
    others = [one for one in counting if one is not before]
    slots.check_room(held, others, before, now=now)
    if before is not None:
        await _take_up(ctx, before)
    mine = replace(
        before or _new(ctx, held, machine),
        machine=machine,
        nonce=nonce,
        lease_until=_lease_end(held, now),
        ended_at=None,
        proven=False,
    )
    await store.save(ctx.tx, ctx.tenant_id, mine)
    if before is None or before.ended_at is not None:
        await _tell(ctx, held, mine, tool_version)
    return mine


async def _take_up(ctx: Ctx, before: Activation) -> None:
    """Let a machine that comes again be believed again, under its new request only."""
    await store.spend_requests(ctx.tx, ctx.tenant_id, before.id)
    await store.unrevoke(ctx.tx, ctx.tenant_id, before.id)


async def _hand_out(
    ctx: Ctx, held: License, mine: Activation, *, license_key: str | None
) -> Answer:
    """Make a file for an activation, and note until when that lives.

    It is encrypted where its machine can open it: where that has told the license's own key.
    """
    key = codes.normal_key(license_key) if license_key and held.policy.encrypt else ""
    opens = bool(key) and codes.key_digest(key) == held.key_digest
    secret = key + mine.machine.fingerprint if opens else None
    file = await make_file(ctx, held, mine, secret=secret)
    until = max(file.expires_at, mine.file_until or file.expires_at)
    kept = replace(mine, file_until=until, lease_until=_lease_end(held, ctx.now()))
    await store.save(ctx.tx, ctx.tenant_id, kept)
    return Answer(mine.id, file.text)


async def _counting(ctx: Ctx, held: License) -> Sequence[Activation]:
    return await store.that_count(ctx.tx, ctx.tenant_id, held.id, now=ctx.now())


def _new(ctx: Ctx, held: License, machine: Machine) -> Activation:
    return Activation(
        id=ctx.ids.new(ACTIVATION_PREFIX),
        license_id=held.id,
        machine=machine,
        created_at=ctx.now().replace(microsecond=0),
    )


def _lease_end(held: License, now: datetime) -> datetime | None:
    if held.policy.scheme is not Scheme.FLOATING:
        return None
    return now.replace(microsecond=0) + timedelta(seconds=held.policy.lease_s)


async def _tell(ctx: Ctx, held: License, mine: Activation, tool_version: str | None) -> None:
    event = MachineActivated(
        license_id=held.id,
        activation_id=mine.id,
        product=held.policy.product,
        customer_id=held.customer_id,
        name=mine.machine.name,
        platform=mine.machine.platform,
        tool_version=tool_version,
    )
    await ctx.bus.emit(ctx, event)
    data = {"activation": mine.id}
    audit.record(ctx, action="licensing.machine_activated", subject=held.id, data=data)


# ------------------------------------------------------------------------------------------ trials


async def _try_out(ctx: Ctx, asked: Request, digest: bytes) -> Answer:
    """Answer a machine that has had no trial of this product with one.

    Raises:
        PolicyNotFound: the product has no trial.
        TrialsTooMany: whoever makes machines up is let in so often a day.
        TrialUsed: this machine had its trial.
    """
    policy = await policy_store.lock_trial(ctx.tx, ctx.tenant_id, asked.product)
    if policy is None:
        raise PolicyNotFound("this product has no trial", field="request")
    known = await _known(ctx, asked.nonce, digest)
    if known is not None:
        return known
    await _must_be_first(ctx, asked.machine, policy.match)
    began = await license_store.count_since(
        ctx.tx, ctx.tenant_id, policy.key, ctx.now() - timedelta(days=1)
    )
    if began >= TRIALS_A_DAY_MAX:
        raise TrialsTooMany(limit=TRIALS_A_DAY_MAX)
    new = unkeyed(ctx, policy, customer_id=None)
    await add(ctx, new)
    return await _answer(ctx, new, asked, digest)


async def _must_be_first(ctx: Ctx, machine: Machine, match: Match) -> None:
    past = await store.trials_sharing(
        ctx.tx, ctx.tenant_id, machine.components.values(), limit=TRIALS_COMPARED
    )
    if any(fingerprint.is_same(one.machine, machine, match) for one in past):
        raise TrialUsed
