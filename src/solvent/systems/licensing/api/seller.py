"""What may a seller do with policies, licenses and machines over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, Field, StrictBool, StrictInt
from starlette.responses import PlainTextResponse

from solvent.kernel.tenants import service as tenants
from solvent.kit.clock import as_utc
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.licensing import service
from solvent.systems.licensing.service import Issued
from solvent.systems.licensing.shapes import (
    ActivationShown,
    FileShown,
    FileText,
    KeyText,
    LicenseShown,
    LicenseWithKey,
    MissingPart,
    PolicyBody,
    PolicyShown,
    PurchaseWaiting,
    ShortText,
    Told,
    show_activation,
    show_license,
    show_missing,
    show_policy,
    show_purchase,
)

router = Router(tags=["licensing"])

FILE_TYPE = "text/plain; charset=us-ascii"


class ReleaseActivationBody(Told):
    """Which version of what came out when."""

    product: ShortText
    version: ShortText
    released_at: AwareDatetime


class LicenseBody(Told):
    """Whom to give which license; `key` takes over one that was sold elsewhere.

    A `signed_key` tells by itself what it is of; Keygen's clients verify it. `purchase` names one
    that waits for its license.
    """

    policy: ShortText
    customer: ShortText | None = None
    name: ShortText | None = None
    slots: Annotated[StrictInt, Field(ge=1, le=100_000)] | None = None
    expires_at: AwareDatetime | None = None
    key: KeyText | None = None
    signed_key: StrictBool = False
    purchase: ShortText | None = None


class MissingBody(Told):
    """Where to go on: `after` of the part before."""

    after: Annotated[str, Field(max_length=600)] = ""


class ReasonBody(Told):
    """Why."""

    reason: ShortText


class FileBody(Told):
    """The license key under which the file is encrypted; without it anybody can read the file."""

    license_key: KeyText | None = None


class RequestBody(Told):
    """A machine's request file."""

    request: FileText


class SeatBody(Told):
    """Who gets a seat."""

    user: ShortText


@router.put("/licensing/policies/{key}")
async def save_license_policy(ctx: RequestCtx, key: str, body: PolicyBody) -> PolicyShown:
    """Make a policy, or change it for every license that has it."""
    return show_policy(await service.save_policy(ctx, body.policy(key)))


@router.get("/licensing/policies")
async def list_license_policies(ctx: RequestCtx, page: PageQuery) -> Page[PolicyShown]:
    """List policies by key."""
    found = await service.list_policies(ctx, after=page.after or "", limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.key, render=show_policy)


@router.get("/licensing/policies/{key}")
async def get_license_policy(ctx: RequestCtx, key: str) -> PolicyShown:
    """Show a policy."""
    return show_policy(await service.get_policy(ctx, key))


@router.post("/licensing/releases", status_code=204)
async def add_license_release(ctx: RequestCtx, body: ReleaseActivationBody) -> None:
    """Say when a version came out, so that maintenance can cover it."""
    moment = as_utc(body.released_at, field="released_at")
    await service.add_release(ctx, product=body.product, version=body.version, released_at=moment)


@router.post("/licenses", status_code=201)
async def issue_license(ctx: RequestCtx, body: LicenseBody) -> LicenseWithKey:
    """Give a license; its key is in this answer and nowhere else."""
    issued = await service.issue(
        ctx,
        body.policy,
        customer=body.customer,
        name=body.name,
        limit=body.slots,
        expires_at=as_utc(body.expires_at, field="expires_at") if body.expires_at else None,
        key=body.key,
        signed_key=body.signed_key,
        purchase=body.purchase,
    )
    return _with_key(issued, ctx.now())


@router.get("/licensing/missing")
async def find_missing_licenses(
    ctx: RequestCtx, after: Annotated[str, Query(max_length=600)] = ""
) -> MissingPart:
    """Show who has paid and has no license, because its policy was made later; change nothing."""
    return show_missing(await service.find_missing(ctx, after=after), (), ctx.now())


@router.post("/licensing/missing")
async def issue_missing_licenses(ctx: RequestCtx, body: MissingBody) -> MissingPart:
    """Give those their licenses, a part at a time; who has one is passed over."""
    page, given = await service.issue_missing(ctx, after=body.after)
    return show_missing(page, given, ctx.now())


@router.get("/licensing/purchases")
async def list_waiting_purchases(ctx: RequestCtx, page: PageQuery) -> Page[PurchaseWaiting]:
    """List what was bought once and no policy fulfills."""
    found = await service.list_waiting(ctx, after=page.after or "", limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.key, render=show_purchase)


@router.get("/licenses")
async def list_licenses(
    ctx: RequestCtx,
    page: PageQuery,
    *,
    customer: Annotated[str | None, Query(max_length=200)] = None,
    policy: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[LicenseShown]:
    """List licenses, the newest first; the customer is named by id or by own reference."""
    customer_id = (await tenants.get_customer(ctx, customer)).id if customer else None
    found = await service.list_licenses(
        ctx, customer_id=customer_id, policy_key=policy, before=page.after, limit=page.limit + 1
    )
    return page_of(
        found, page, key=lambda one: one.id, render=lambda one: show_license(one, ctx.now())
    )


@router.get("/licenses/{license_id}")
async def get_license(ctx: RequestCtx, license_id: str) -> LicenseShown:
    """Show a license."""
    return show_license(await service.get(ctx, license_id), ctx.now())


@router.post("/licenses/{license_id}/key")
async def make_license_key(ctx: RequestCtx, license_id: str) -> LicenseWithKey:
    """Give a license a new key in place of the one it had; it is in this answer only."""
    return _with_key(await service.make_key(ctx, license_id), ctx.now())


@router.post("/licenses/{license_id}/suspend")
async def suspend_license(ctx: RequestCtx, license_id: str, body: ReasonBody) -> LicenseShown:
    """Let a license rest until it is reinstated."""
    return show_license(await service.suspend(ctx, license_id, reason=body.reason), ctx.now())


@router.post("/licenses/{license_id}/reinstate")
async def reinstate_license(ctx: RequestCtx, license_id: str) -> LicenseShown:
    """Let a suspended license count again."""
    return show_license(await service.reinstate(ctx, license_id), ctx.now())


@router.post("/licenses/{license_id}/revoke")
async def revoke_license(ctx: RequestCtx, license_id: str, body: ReasonBody) -> LicenseShown:
    """Take a license back for good; files that are out live until they expire."""
    return show_license(await service.revoke(ctx, license_id, reason=body.reason), ctx.now())


@router.post("/licenses/{license_id}/file", response_class=PlainTextResponse)
async def make_license_file(ctx: RequestCtx, license_id: str, body: FileBody) -> PlainTextResponse:
    """Return a license file that is good on any machine."""
    made = await service.license_file(ctx, license_id, license_key=body.license_key)
    return PlainTextResponse(made.text, media_type=FILE_TYPE)


@router.get("/licenses/{license_id}/activations")
async def list_activations(ctx: RequestCtx, license_id: str) -> list[ActivationShown]:
    """List what holds a slot of a license, or has left a file that is still alive."""
    held = await service.get(ctx, license_id)
    found = await service.activations_of(ctx, held)
    return [show_activation(one, ctx.now()) for one in found]


@router.post("/licenses/{license_id}/activations", status_code=201)
async def activate_license(ctx: RequestCtx, license_id: str, body: RequestBody) -> FileShown:
    """Answer a machine's request file on behalf of a customer."""
    answer = await service.activate_for(ctx, license_id, body.request.encode())
    return FileShown(activation=answer.activation_id, text=answer.text)


@router.post("/licenses/{license_id}/seats", status_code=201)
async def assign_license_seat(ctx: RequestCtx, license_id: str, body: SeatBody) -> ActivationShown:
    """Give a named person a seat; the same person has one however often this is asked."""
    return show_activation(await service.assign_seat(ctx, license_id, body.user), ctx.now())


@router.post("/licenses/{license_id}/activations/{activation_id}/deactivate")
async def deactivate_activation(
    ctx: RequestCtx, license_id: str, activation_id: str
) -> ActivationShown:
    """End an activation; its slot is free when its last file has expired."""
    ended = await service.deactivate_for(ctx, license_id, activation_id)
    return show_activation(ended, ctx.now())


def _with_key(issued: Issued, now: datetime) -> LicenseWithKey:
    shown = show_license(issued.license, now)
    return LicenseWithKey(key=issued.key, **shown.model_dump())
