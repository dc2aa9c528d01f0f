"""How is credit given, and how are final invoices corrected, over HTTP?"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import CreditPart, CreditTo
from solvent.kernel.tenants import service as tenants
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.kit.money import Money
from solvent.systems.billing import printing, service
from solvent.systems.billing.api.answers import attached
from solvent.systems.billing.json_form import CreditNoteShown, GrantShown, show_grant, show_note

router = Router(tags=["credit"])

NoteId = Annotated[str, Path(max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
CustomerQuery = Annotated[str, Query(max_length=200, description="Its id, or your own name.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GrantBody(_Body):
    """Credit to be given, in minor units. `source` is your own name of it and counts once."""

    customer: Text
    amount_minor: int
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    name: Text
    source: Text
    priority: int = 5
    expires_at: datetime | None = None


class PartBody(_Body):
    """What of a line (from 1) is taken back: so many units, or an amount of the line."""

    line: int
    quantity: Decimal | None = None
    amount_minor: int | None = None


class CreditNoteBody(_Body):
    """A correction; without `lines`, of all that is left. `source` counts once."""

    reason: Text
    source: Text
    lines: list[PartBody] | None = Field(default=None, max_length=500)
    to: CreditTo = CreditTo.BALANCE


@router.post("/credits", status_code=201)
async def grant_credit(ctx: RequestCtx, body: GrantBody) -> GrantShown:
    """Give a customer credit; invoices use it before money, open ones at once."""
    buyer = await tenants.get_customer(ctx, body.customer)
    grant = await ledger.grant_credit(
        ctx,
        customer_id=buyer.id,
        amount=Money(body.amount_minor, body.currency),
        name=body.name,
        source=body.source,
        priority=body.priority,
        expires_at=body.expires_at,
    )
    return show_grant(grant)


@router.get("/credits")
async def list_credits(
    ctx: RequestCtx, customer: CustomerQuery, page: PageQuery
) -> Page[GrantShown]:
    """List the credit that a customer was given, the newest first."""
    buyer = await tenants.get_customer(ctx, customer)
    found = await ledger.list_grants(ctx, buyer.id, after=page.after, limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.id, render=show_grant)


@router.post("/credits/{grant}/take-back")
async def take_back(ctx: RequestCtx, grant: Annotated[str, Path(max_length=64)]) -> GrantShown:
    """Take back what is left of given credit; what invoices have used stays used."""
    await ledger.take_back(ctx, grant)
    return show_grant(await ledger.get_grant(ctx, grant))


@router.post("/invoices/{invoice}/credit-notes", status_code=201)
async def issue_credit_note(
    ctx: RequestCtx, invoice: Annotated[str, Path(max_length=64)], body: CreditNoteBody
) -> CreditNoteShown:
    """Take back parts of a final invoice, or all that is left; what is due goes first."""
    found = await service.find_invoice(ctx, invoice)
    parts = None
    if body.lines is not None:
        parts = [CreditPart(one.line, one.quantity, one.amount_minor) for one in body.lines]
    note = await ledger.issue_credit_note(
        ctx, found.id, reason=body.reason, source=body.source, parts=parts, to=body.to
    )
    return show_note(note)


@router.get("/credit-notes")
async def list_credit_notes(ctx: RequestCtx, page: PageQuery) -> Page[CreditNoteShown]:
    """List credit notes, the newest first."""
    found = await ledger.list_credit_notes(ctx, after=page.after, limit=page.limit + 1)
    return page_of(found, page, key=lambda one: one.id, render=show_note)


@router.get(
    "/credit-notes/{note}.pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The credit note."}},
)
async def print_credit_note(ctx: RequestCtx, note: NoteId) -> Response:
    """Return a credit note as a PDF."""
    found = await ledger.get_credit_note(ctx, note)
    pdf = await printing.print_note(ctx, found)
    return attached(pdf, f"{found.reference}.pdf", kind="application/pdf")


@router.get(
    "/credit-notes/{note}.xml",
    response_class=Response,
    responses={200: {"content": {"application/xml": {}}, "description": "The e-invoice."}},
)
async def write_credit_note(ctx: RequestCtx, note: NoteId) -> Response:
    """Return a credit note as XML by EN 16931 (type 381), or why it cannot be one."""
    found = await ledger.get_credit_note(ctx, note)
    xml = await printing.note_xml(ctx, found)
    return attached(xml, f"{found.reference}.xml", kind="application/xml")


@router.get("/credit-notes/{note}")
async def get_credit_note(ctx: RequestCtx, note: NoteId) -> CreditNoteShown:
    """Show a credit note."""
    return show_note(await ledger.get_credit_note(ctx, note))
