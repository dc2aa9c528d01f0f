"""How is the collecting of invoices seen and steered over HTTP?"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from starlette.responses import Response

from solvent.kit.ctx import Ctx
from solvent.kit.http import Errand, Page, PageQuery, RequestCtx, Router, page_of
from solvent.systems.payments.collection.json_form import (
    CollectionPolicyShown,
    CollectionShown,
    CollectionWithAttempts,
    PaymentAttemptShown,
    show_attempt,
    show_collection,
    show_policy,
    show_story,
)
from solvent.systems.payments.collection.limits import LINK_URL_CHARS_MAX, REASON_CHARS_MAX
from solvent.systems.payments.collection.model import CollectionState, Decline, FinalStep
from solvent.systems.payments.collection.service import begin, links, policy, read
from solvent.systems.payments.collection.service.collector import Collector
from solvent.systems.payments.service.checkout import GatewaySource

TAG = "collections"

Reference = Annotated[
    str, Path(max_length=64, description="The collection, or its invoice by id or number.")
]
CustomerQuery = Annotated[str | None, Query(max_length=200)]
StateQuery = Annotated[CollectionState | None, Query()]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CollectionPolicyBody(_Body):
    """How invoices are collected; what is left out is as in a tenant without a policy."""

    automatic: StrictBool | None = None
    retries: dict[Decline, list[StrictInt]] | None = None
    give_up_days: StrictInt | None = None
    final: FinalStep | None = None


class StopBody(_Body):
    """Why nothing more is to be tried."""

    reason: StrictStr = Field(default="by_hand", min_length=1, max_length=REASON_CHARS_MAX)


class LinkBody(_Body):
    """Where the customer comes back to after paying."""

    return_url: StrictStr = Field(max_length=LINK_URL_CHARS_MAX)


def router(gateways: GatewaySource) -> Router:
    """Return the routes, some of which ask a provider."""
    routes = Router(tags=[TAG])
    _mount_policy(routes)
    _mount_reading(routes)
    _mount_steering(routes)
    _mount_asking(routes, gateways)
    return routes


def _mount_policy(routes: Router) -> None:
    @routes.get("/collection-policy")
    async def get_collection_policy(ctx: RequestCtx) -> CollectionPolicyShown:
        """Show how invoices are collected, and when one is given up."""
        return show_policy(await policy.get_policy(ctx))

    @routes.put("/collection-policy")
    async def set_collection_policy(
        ctx: RequestCtx, body: CollectionPolicyBody
    ) -> CollectionPolicyShown:
        """Say how invoices are collected from now on."""
        document = body.model_dump(mode="json", exclude_none=True)
        return show_policy(await policy.set_policy(ctx, document))

    del get_collection_policy, set_collection_policy


def _mount_reading(routes: Router) -> None:
    @routes.get("/collections")
    async def list_collections(
        ctx: RequestCtx, page: PageQuery, state: StateQuery = None, customer: CustomerQuery = None
    ) -> Page[CollectionShown]:
        """List what is or was collected, newest first."""
        found = await read.list_collections(
            ctx, state=state, customer=customer, after=page.after, limit=page.limit + 1
        )
        return page_of(found, page, key=lambda one: one.id, render=show_collection)

    @routes.get("/collections/{reference}")
    async def get_collection(ctx: RequestCtx, reference: Reference) -> CollectionWithAttempts:
        """Show a collection with all its attempts."""
        story = await read.get_story(ctx, reference)
        return show_story(story.collection, story.attempts)

    del list_collections, get_collection


def _mount_steering(routes: Router) -> None:
    @routes.post("/collections/{reference}/collect", status_code=202)
    async def collect_now(ctx: RequestCtx, reference: Reference) -> CollectionShown:
        """Try now, whatever it waits for; the attempt is written and made at once after."""
        return show_collection(await begin.collect_now(ctx, reference))

    @routes.post("/collections/{reference}/stop")
    async def stop_collection(
        ctx: RequestCtx, reference: Reference, body: StopBody
    ) -> CollectionShown:
        """Try nothing more by itself."""
        return show_collection(await begin.stop(ctx, reference, reason=body.reason))

    del collect_now, stop_collection


def _mount_asking(routes: Router, gateways: GatewaySource) -> None:
    @routes.post(
        "/collections/{reference}/link", status_code=201, response_model=PaymentAttemptShown
    )
    async def create_payment_link(
        request: Request, ctx: RequestCtx, reference: Reference, body: LinkBody
    ) -> Response:
        """Make a page on which the customer pays what is due, once; an open one is given again."""
        attempt = await links.prepare_link(ctx, reference, return_url=body.return_url)
        collector = Collector(request.app.state.edge, gateways)
        tenant_id = ctx.tenant_id

        async def conclude(later: Ctx, made: None) -> Response:
            del made
            shown = show_attempt(await links.made_link(later, attempt.id))
            return Response(shown.model_dump_json(), 201, media_type="application/json")

        return Errand(
            lambda: collector.carry_out(tenant_id, attempt.id), conclude=conclude, fail=_forget
        )

    @routes.post("/collections/{reference}/look", response_model=CollectionWithAttempts)
    async def look_at_collection(
        request: Request, ctx: RequestCtx, reference: Reference
    ) -> Response:
        """Ask the provider now how an open attempt stands: for the page after a payment."""
        story = await read.get_story(ctx, reference)
        open_id = story.under_way.id if story.under_way else None
        collector = Collector(request.app.state.edge, gateways)
        tenant_id = ctx.tenant_id

        async def ask() -> None:
            if open_id is not None:
                await collector.carry_out(tenant_id, open_id)

        async def conclude(later: Ctx, made: None) -> Response:
            del made
            now = await read.get_story(later, story.collection.id)
            shown = show_story(now.collection, now.attempts)
            return Response(shown.model_dump_json(), 200, media_type="application/json")

        return Errand(ask, conclude=conclude, fail=_forget)

    del create_payment_link, look_at_collection


async def _forget(ctx: Ctx, fault: Exception) -> None:
    """Write nothing: what is not known is written with the attempt already."""
    del ctx, fault
