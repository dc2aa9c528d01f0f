"""What may a program, or its user, do with nothing but a license key?"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from fastapi import Request
from pydantic import Field
from starlette.responses import PlainTextResponse

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Actor, Ctx
from solvent.kit.errors import Conflict, Denied, LimitReached
from solvent.kit.http import PublicRouter
from solvent.systems.licensing import service
from solvent.systems.licensing.shapes import (
    ActivationShown,
    CodeText,
    FileShown,
    FileText,
    KeyText,
    LicenseShown,
    ShortText,
    Shown,
    Told,
    UsedCounts,
    show_activation,
    show_license,
)

if TYPE_CHECKING:
    from solvent.kit.ctx import Edge

router = PublicRouter(tags=["licensing"])

HOLDER = Actor("license", "holder")
"""Whoever holds a license key: it opens one license, and gives no scope."""

FILE_TYPE = "text/plain; charset=us-ascii"


class ActivationBody(Told):
    """A machine's request file; the license key beside it where it is not in it."""

    request: FileText
    license_key: KeyText | None = None


class KeyBody(Told):
    """A license key."""

    license_key: KeyText


class HeldBody(KeyBody):
    """One of the license's activations."""

    activation: ShortText


class RenewalBody(HeldBody):
    """One of the license's activations, and what it has used: period -> meter -> total."""

    used: UsedCounts = Field(default_factory=dict[str, "dict[str, int]"])


class UsageTotals(HeldBody):
    """One of the license's activations, and what it has used: period -> meter -> total."""

    used: UsedCounts


class UsageTaken(Shown):
    """How many counts have grown since they were told before."""

    grown: int


class ProofBody(Told):
    """A machine's deactivation proof."""

    proof: FileText


class CodeBody(KeyBody):
    """A code that was typed off a machine's screen."""

    code: CodeText


class LicenseHeld(Shown):
    """A license and what holds a slot of it."""

    license: LicenseShown
    activations: list[ActivationShown]


@contextlib.asynccontextmanager
async def holder(request: Request, slug: str) -> AsyncGenerator[Ctx]:
    """Open a context for whoever holds a key of this tenant; refusals are audited after it.

    A key that opens nothing leaves no record: guessing must not fill the log.

    Raises:
        TenantUnknown: there is no such tenant.
    """
    edge: Edge = request.app.state.edge
    tenant = await tenants.find_by_slug(edge, slug)
    try:
        async with edge.open(tenant.id, HOLDER) as ctx:
            yield ctx
    except (Conflict, Denied, LimitReached) as refused:
        await audit.record_refusal(
            edge, tenant.id, actor=HOLDER, action="licensing.use_refused", subject=refused.code
        )
        raise


@router.post("/t/{slug}/licensing/activations", status_code=201)
async def activate(request: Request, slug: str, body: ActivationBody) -> FileShown:
    """Answer a machine's request with its license file; the same request gets the same answer."""
    async with holder(request, slug) as ctx:
        answer = await service.activate(ctx, body.request.encode(), license_key=body.license_key)
    return FileShown(activation=answer.activation_id, text=answer.text)


@router.post("/t/{slug}/licensing/renewals")
async def renew(request: Request, slug: str, body: RenewalBody) -> FileShown:
    """Return a new file for a machine: a lease's heartbeat, or before the old file expires.

    What it used meanwhile may be told with it.
    """
    async with holder(request, slug) as ctx:
        if body.used:
            await service.report_usage(ctx, body.license_key, body.activation, body.used)
        answer = await service.renew(ctx, body.license_key, body.activation)
    return FileShown(activation=answer.activation_id, text=answer.text)


@router.post("/t/{slug}/licensing/usage")
async def report_usage(request: Request, slug: str, body: UsageTotals) -> UsageTaken:
    """Take what a machine has used in all; told again it adds nothing."""
    async with holder(request, slug) as ctx:
        grown = await service.report_usage(ctx, body.license_key, body.activation, body.used)
    return UsageTaken(grown=grown)


@router.post("/t/{slug}/licensing/deactivations")
async def prove_deactivation(request: Request, slug: str, body: ProofBody) -> ActivationShown:
    """Take a machine's proof that it has destroyed its file: its slot is free at once."""
    async with holder(request, slug) as ctx:
        return show_activation(
            await service.prove_deactivation(ctx, body.proof.encode()), ctx.now()
        )


@router.post("/t/{slug}/licensing/deactivations/unproven")
async def deactivate(request: Request, slug: str, body: HeldBody) -> ActivationShown:
    """End the activation of a machine that is out of reach: its slot waits for its file's end."""
    async with holder(request, slug) as ctx:
        ended = await service.deactivate(ctx, body.license_key, body.activation)
        return show_activation(ended, ctx.now())


@router.post("/t/{slug}/licensing/codes")
async def answer_code(request: Request, slug: str, body: CodeBody) -> FileShown:
    """Answer a typed request with a code to type."""
    async with holder(request, slug) as ctx:
        answer = await service.answer_code(ctx, body.license_key, body.code)
    return FileShown(activation=answer.activation_id, text=answer.text)


@router.post("/t/{slug}/licensing/codes/deactivations")
async def deactivate_by_code(request: Request, slug: str, body: CodeBody) -> ActivationShown:
    """Take a typed proof that a machine has destroyed its license: its slot is free at once."""
    async with holder(request, slug) as ctx:
        ended = await service.deactivate_by_code(ctx, body.license_key, body.code)
        return show_activation(ended, ctx.now())


@router.post("/t/{slug}/licensing/license")
async def show_held(request: Request, slug: str, body: KeyBody) -> LicenseHeld:
    """Show the license that a key opens, and its machines."""
    async with holder(request, slug) as ctx:
        held = await service.by_key(ctx, body.license_key)
        found = await service.activations_of(ctx, held)
        return LicenseHeld(
            license=show_license(held, ctx.now()),
            activations=[show_activation(one, ctx.now()) for one in found],
        )


@router.get("/t/{slug}/licensing/revocations", response_class=PlainTextResponse)
async def read_revocations(request: Request, slug: str) -> PlainTextResponse:
    """Return the signed revocation list."""
    async with holder(request, slug) as ctx:
        return PlainTextResponse(await service.revocation_list(ctx), media_type=FILE_TYPE)
