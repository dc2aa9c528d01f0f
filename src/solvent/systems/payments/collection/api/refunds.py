"""How is money given back, and how are disputes seen, over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from starlette.responses import Response

from solvent.kit.clock import format_time, parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.http import Errand, Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.payments.collection.json_form import (
    DisputeShown,
    RefundShown,
    show_dispute,
    show_refund,
)
from solvent.systems.payments.collection.limits import REASON_CHARS_MAX
from solvent.systems.payments.collection.service import refunds
from solvent.systems.payments.collection.service.collector import Collector
from solvent.systems.payments.service import disputes
from solvent.systems.payments.service.checkout import GatewaySource

TAG = "refunds"

PaymentQuery = Annotated[str | None, Query(max_length=64)]


class RefundBody(BaseModel):
    """What is to go back: of a payment or of an invoice, all that is left or an amount of it.

    `source` is your own name of it and counts once. `credit` takes the whole invoice back by a
    credit note as soon as the money is on its way. With `dry_run` nobody is asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    payment: StrictStr | None = Field(default=None, max_length=64)
    invoice: StrictStr | None = Field(default=None, max_length=64)
    amount_minor: StrictInt | None = None
    reason: StrictStr = Field(min_length=1, max_length=REASON_CHARS_MAX)
    source: StrictStr | None = Field(default=None, min_length=1, max_length=200)
    credit: StrictBool = False
    dry_run: StrictBool = False


def router(gateways: GatewaySource) -> Router:
    """Return the routes, of which one asks a provider."""
    routes = Router(tags=[TAG])
    _mount_lists(routes)

    @routes.post("/refunds", status_code=201, response_model=RefundShown)
    async def refund_payment(request: Request, ctx: RequestCtx, body: RefundBody) -> Response:
        """Give money back, once per source; an outcome that nobody saw is asked for again."""
        given = request.headers.get("idempotency-key")
        source = body.source or (f"key:{given}"[:200] if given else ctx.ids.new("src"))
        if body.dry_run:
            would_be = show_refund(await refunds.preview(ctx, _wish(body, source)))
            return Response(would_be.model_dump_json(), media_type="application/json")
        refund = await refunds.write(ctx, _wish(body, source))
        collector = Collector(request.app.state.edge, gateways)
        tenant_id = ctx.tenant_id

        async def conclude(later: Ctx, made: None) -> Response:
            del made
            now = await refunds.get_refund(later, refund.id)
            shown = show_refund(now).model_dump_json()
            return Response(shown, 201, media_type="application/json")

        return Errand(
            lambda: collector.give_back(tenant_id, refund.id), conclude=conclude, fail=_forget
        )

    del refund_payment
    return routes


def _wish(body: RefundBody, source: str) -> refunds.Wish:
    return refunds.Wish(
        source=source,
        reason=body.reason,
        payment_id=body.payment,
        invoice=body.invoice,
        amount_minor=body.amount_minor,
        credit=body.credit,
    )


def _mount_lists(routes: Router) -> None:
    @routes.get("/refunds")
    async def list_refunds(
        ctx: RequestCtx, page: PageQuery, payment: PaymentQuery = None
    ) -> Page[RefundShown]:
        """List refunds that were asked for here, newest first."""
        found = await refunds.list_refunds(
            ctx, payment_id=payment, after=page.after, limit=page.limit + 1
        )
        return page_of(found, page, key=lambda one: one.id, render=show_refund)

    @routes.get("/disputes")
    async def list_disputes(ctx: RequestCtx, page: PageQuery) -> Page[DisputeShown]:
        """List disputes, those last heard of first."""
        before: datetime | None = parse_time(page.after, field="cursor") if page.after else None
        found = await disputes.list_disputes(ctx, before=before, limit=page.limit + 1)
        return page_of(found, page, key=lambda one: format_time(one.seen_at), render=show_dispute)

    del list_refunds, list_disputes


async def _forget(ctx: Ctx, fault: Exception) -> None:
    """Write nothing: what is not known is written with the refund already."""
    del ctx, fault
