"""How does a machine give its slot back, with proof and without?"""

from __future__ import annotations

from dataclasses import replace

from solvent.contracts.licensing import MachineDeactivated
from solvent.kernel.audit import service as audit
from solvent.kit.ctx import Ctx
from solvent.kit.ids import is_id
from solvent.systems.licensing.errors import ActivationNotFound, ProofInvalid
from solvent.systems.licensing.model import ACTIVATION_PREFIX, Activation, License, Revoked
from solvent.systems.licensing.rules import codes, requests
from solvent.systems.licensing.service.activate import activation_of
from solvent.systems.licensing.service.licenses import activations_of, by_key, locked
from solvent.systems.licensing.service.policies import SCOPE_WRITE
from solvent.systems.licensing.store import activations as store


async def deactivate(ctx: Ctx, license_key: str, activation_id: str) -> Activation:
    """End an activation without a proof: its slot is free when its last file has expired.

    It goes on the revocation list. Emits licensing.machine_deactivated.v1 the first time.

    Raises:
        LicenseNotFound, ActivationNotFound.
    """
    held = await locked(ctx, (await by_key(ctx, license_key)).id)
    return await _end(ctx, held, await activation_of(ctx, held, activation_id), proven=False)


async def deactivate_for(ctx: Ctx, license_id: str, activation_id: str) -> Activation:
    """As `deactivate`, for a license that the seller names; needs `licensing:write`."""
    ctx.require(SCOPE_WRITE)
    held = await locked(ctx, license_id)
    return await _end(ctx, held, await activation_of(ctx, held, activation_id), proven=False)


async def prove_deactivation(ctx: Ctx, proof: bytes) -> Activation:
    """End an activation whose machine shows that it destroyed its file: its slot is free at once.

    The proof is what its request's nonce was made of, which the machine told nobody before.

    Raises:
        FileUnreadable, ProofInvalid: it is no proof, or not for the activation as it is now.
        ActivationNotFound.
    """
    told = requests.read_proof(proof)
    known = is_id(told.activation_id, prefix=ACTIVATION_PREFIX)
    found = await store.find(ctx.tx, ctx.tenant_id, told.activation_id) if known else None
    if found is None:
        raise ActivationNotFound(field="proof")
    held = await locked(ctx, found.license_id)
    mine = await activation_of(ctx, held, found.id)
    is_mine = told.nonce == mine.nonce and told.product == held.policy.product
    if not is_mine or not requests.proves(told.secret, told.nonce):
        raise ProofInvalid(field="proof")
    return await _end(ctx, held, mine, proven=True)


async def deactivate_by_code(ctx: Ctx, license_key: str, code: str) -> Activation:
    """As `prove_deactivation`, by a code that a person typed off the machine's screen.

    Raises:
        LicenseNotFound, CodeMistyped.
        ProofInvalid: it is of no activation of this license.
    """
    secret = codes.read_deactivation(code)
    held = await locked(ctx, (await by_key(ctx, license_key)).id)
    for one in await activations_of(ctx, held):
        if one.nonce and requests.proves(secret, one.nonce):
            return await _end(ctx, held, one, proven=True)
    raise ProofInvalid(field="code")


async def _end(ctx: Ctx, held: License, mine: Activation, *, proven: bool) -> Activation:
    ended = replace(
        mine, ended_at=mine.ended_at or ctx.now(), proven=mine.proven or proven, lease_until=None
    )
    if ended == mine:
        return mine
    await store.save(ctx.tx, ctx.tenant_id, ended)
    await store.spend_requests(ctx.tx, ctx.tenant_id, mine.id)
    if mine.file_until and mine.file_until >= ctx.now():
        told = Revoked(id=mine.id, at=ctx.now(), reason="deactivated")
        await store.revoke(ctx.tx, ctx.tenant_id, told, listed_until=mine.file_until)
    await _tell(ctx, held, ended)
    return ended


async def _tell(ctx: Ctx, held: License, ended: Activation) -> None:
    event = MachineDeactivated(
        license_id=held.id,
        activation_id=ended.id,
        product=held.policy.product,
        customer_id=held.customer_id,
        proven=ended.proven,
        file_until=ended.file_until,
    )
    await ctx.bus.emit(ctx, event)
    data = {"activation": ended.id, "proven": ended.proven}
    audit.record(ctx, action="licensing.machine_deactivated", subject=held.id, data=data)
