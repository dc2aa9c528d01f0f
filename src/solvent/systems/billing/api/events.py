"""Which usage events does a line of an invoice charge, told over HTTP?"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import LineEvent
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.kit.money import plain_number
from solvent.systems.billing import service
from solvent.systems.billing.api.invoices import InvoiceRef

router = Router(tags=["invoices"])

LINE_MAX = 100_000


class LineEventShown(BaseModel):
    """A usage event of a line: its own id, when it happened, and what it counted as then.

    `counted` is a decimal text, or the text that a `unique` meter counts. On a line that corrects
    another, `what` says what came after that one: `late`, `void`, `amend` or `undo`.
    """

    model_config = ConfigDict(frozen=True)

    event_id: str
    at: datetime
    counted: str | None
    what: str


@router.get("/invoices/{invoice}/lines/{line}/events")
async def list_line_events(
    ctx: RequestCtx,
    page: PageQuery,
    invoice: InvoiceRef,
    line: Annotated[int, Path(ge=1, le=LINE_MAX, description="Which line, counted from 1.")],
) -> Page[LineEventShown]:
    """List the events that a line charges, by their time: those that its evidence counts."""
    found = await service.find_invoice(ctx, invoice)
    events = await ledger.line_events(ctx, found.id, line, after=page.after, limit=page.limit + 1)
    return page_of(events, page, key=lambda one: one.event_id, render=_show)


def _show(one: LineEvent) -> LineEventShown:
    counted = plain_number(one.counted) if isinstance(one.counted, Decimal) else one.counted
    return LineEventShown(event_id=one.event_id, at=one.at, counted=counted, what=one.what)
