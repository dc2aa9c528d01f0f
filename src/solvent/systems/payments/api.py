"""How do webhooks come in over HTTP, and how are accounts, events and checkouts asked for?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from starlette.responses import JSONResponse, Response

from solvent.kit.ctx import Ctx
from solvent.kit.http import Errand, Page, PageQuery, PublicRouter, RequestCtx, Router, page_of
from solvent.systems.payments.limits import QUANTITY_MAX, URL_CHARS_MAX
from solvent.systems.payments.model import (
    Account,
    Admission,
    CheckoutSession,
    EventState,
    InboxEvent,
    PortalLink,
    Provider,
    StoredEvent,
)
from solvent.systems.payments.rules.signature import SCHEMES
from solvent.systems.payments.service import accounts, checkout, events
from solvent.systems.payments.service.checkout import Cashier, PortalWanted, Wanted
from solvent.systems.payments.service.receive import Address, Reception

TAG = "payments"
BASE_DOMAINS = ("localhost",)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Not genuine, not timely, or no event; `reason` says which."},
    404: {"description": "No webhooks of this provider are received here."},
    409: {"description": "An event of this id was accepted before and said something else."},
    503: {"description": "It could not be made durable; send it again."},
}


class WebhookAnswer(BaseModel):
    """The event is durable; `duplicate` if it was before."""

    received: bool = True
    duplicate: bool


class WebhookRoute(APIRoute):
    """Hands the request over as it is: a webhook is raw bytes, and nothing of it is to be parsed.

    What the framework would do for the endpoint's parameters takes a fifth of a webhook's time.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the endpoint, called with the path's own parameters."""

        async def handle(request: Request) -> Response:
            return await self.endpoint(request, **request.path_params)

        return handle


webhooks = PublicRouter(tags=[TAG])
webhooks.route_class = WebhookRoute

_DESCRIBED = {
    "parameters": [
        {"name": scheme.header, "in": "header", "schema": {"type": "string"}}
        for scheme in SCHEMES.values()
    ],
    "requestBody": {
        "content": {"application/json": {"schema": {"type": "object"}}},
        "required": True,
    },
}


@webhooks.post(
    "/webhooks/{provider}",
    response_model=WebhookAnswer,
    responses=_ANSWERS,
    openapi_extra=_DESCRIBED,
)
async def receive_webhook(request: Request, provider: str) -> Response:
    """Take a provider's webhook in, for the tenant whose subdomain it was sent to."""
    return await _receive(request, provider, slug=None)


@webhooks.post(
    "/t/{slug}/webhooks/{provider}",
    response_model=WebhookAnswer,
    responses=_ANSWERS,
    openapi_extra=_DESCRIBED,
)
async def receive_webhook_at(request: Request, slug: str, provider: str) -> Response:
    """Take a provider's webhook in, for the tenant in the path."""
    return await _receive(request, provider, slug=slug)


async def _receive(request: Request, provider: str, *, slug: str | None) -> Response:
    hosts = request.headers.getlist("host")
    domains = getattr(request.app.state, "base_domains", BASE_DOMAINS)
    address = Address(provider, slug, hosts[0] if len(hosts) == 1 else "", domains)
    signatures = _signatures(request, provider)
    body = await request.body()
    admission = await _reception(request).receive(address, body, signatures)
    return JSONResponse({"received": True, "duplicate": admission is Admission.DUPLICATE})


def _signatures(request: Request, provider: str) -> list[str]:
    names = [scheme.header for one, scheme in SCHEMES.items() if one.value == provider]
    return request.headers.getlist(names[0]) if names else []


def _reception(request: Request) -> Reception:
    """Return the process's reception, made at the first webhook."""
    state = request.app.state
    if not hasattr(state, "payments_reception"):
        state.payments_reception = Reception.at(state.edge)
    return state.payments_reception


class SecretShown(BaseModel):
    """A signing secret by its name; the secret itself is never shown."""

    id: str
    created_at: datetime
    not_after: datetime | None


class AccountShown(BaseModel):
    """A connected account."""

    id: str
    provider: Provider
    window_s: int
    has_api_key: bool
    secrets: list[SecretShown]
    created_at: datetime
    updated_at: datetime


class AccountBody(BaseModel):
    """What is connected; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    webhook_secret: StrictStr | None = None
    api_key: StrictStr | None = None
    window_s: StrictInt | None = None


class RotationBody(BaseModel):
    """The new signing secret, and how long the others still count."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    webhook_secret: StrictStr
    overlap_hours: StrictInt = 24


class ProviderEventShown(BaseModel):
    """A stored event of a provider, and what became of it."""

    id: str
    provider: Provider
    provider_event_id: str
    type: str
    occurred_at: datetime
    received_at: datetime
    subscription_ref: str | None
    state: EventState
    reason: str | None
    settled_at: datetime | None


class ProviderEventWithBody(ProviderEventShown):
    """A stored event with its body as it was signed."""

    body: str


class CheckoutBody(BaseModel):
    """Who is to subscribe to what, and where they come back to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan: StrictStr = Field(max_length=64)
    customer: StrictStr = Field(min_length=1, max_length=200)
    success_url: StrictStr = Field(max_length=URL_CHARS_MAX)
    cancel_url: StrictStr | None = Field(default=None, max_length=URL_CHARS_MAX)
    provider: Provider | None = None
    email: StrictStr | None = Field(default=None, max_length=320)
    quantity: StrictInt = Field(default=1, ge=1, le=QUANTITY_MAX)


class CheckoutShown(BaseModel):
    """The page to send the customer to."""

    id: str
    provider: Provider
    url: str
    expires_at: datetime | None


class PortalBody(BaseModel):
    """Whose portal is asked for, and where they come back to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer: StrictStr = Field(min_length=1, max_length=200)
    provider: Provider | None = None
    return_url: StrictStr | None = Field(default=None, max_length=URL_CHARS_MAX)


class PortalShown(BaseModel):
    """The page to send the customer to."""

    provider: Provider
    url: str


ProviderPath = Annotated[Provider, Path()]


def router(cashier: Cashier) -> Router:
    """Return the routes for authenticated callers."""
    routes = Router(tags=[TAG])
    _mount_accounts(routes)
    _mount_events(routes)
    _mount_checkout(routes, cashier)
    return routes


def _mount_accounts(routes: Router) -> None:
    @routes.get("/payments/accounts")
    async def list_accounts(ctx: RequestCtx, page: PageQuery) -> Page[AccountShown]:
        """List the connected accounts, by provider."""
        found = await accounts.list_accounts(ctx)
        rest = [one for one in found if page.after is None or one.provider.value > page.after]
        shown = rest[: page.limit + 1]
        return page_of(shown, page, key=lambda one: one.provider.value, render=_show_account)

    @routes.put("/payments/accounts/{provider}")
    async def connect_account(
        ctx: RequestCtx, provider: ProviderPath, body: AccountBody
    ) -> AccountShown:
        """Connect an account, add a signing secret to it, or change its API key or window."""
        connected = await accounts.connect(
            ctx,
            provider,
            webhook_secret=body.webhook_secret,
            api_key=body.api_key,
            window_s=body.window_s,
        )
        return _show_account(connected)

    @routes.post("/payments/accounts/{provider}/rotate-secret")
    async def rotate_secret(
        ctx: RequestCtx, provider: ProviderPath, body: RotationBody
    ) -> AccountShown:
        """Let a new signing secret count from now on, and the others for some hours more."""
        rotated = await accounts.rotate_secret(
            ctx, provider, webhook_secret=body.webhook_secret, overlap_hours=body.overlap_hours
        )
        return _show_account(rotated)

    @routes.delete("/payments/accounts/{provider}", status_code=204)
    async def disconnect_account(ctx: RequestCtx, provider: ProviderPath) -> None:
        """Forget an account with its secrets; what it told stays."""
        await accounts.disconnect(ctx, provider)

    del list_accounts, connect_account, rotate_secret, disconnect_account


def _mount_events(routes: Router) -> None:
    @routes.get("/payments/events")
    async def list_events(
        ctx: RequestCtx, page: PageQuery, state: Annotated[EventState | None, Query()] = None
    ) -> Page[ProviderEventShown]:
        """List stored events, newest first."""
        found = await events.list_events(ctx, state=state, before=page.after, limit=page.limit + 1)
        return page_of(found, page, key=lambda one: one.id, render=_show_event)

    @routes.get("/payments/events/{event}")
    async def get_event(ctx: RequestCtx, event: str) -> ProviderEventWithBody:
        """Show a stored event with its body, by our id of it or the provider's."""
        return _show_stored(await events.get_event(ctx, event))

    @routes.post("/payments/events/{event}/replay", status_code=202)
    async def replay_event(ctx: RequestCtx, event: str) -> ProviderEventShown:
        """Try a failed event again."""
        return _show_event(await events.replay(ctx, event))

    del list_events, get_event, replay_event


def _mount_checkout(routes: Router, cashier: Cashier) -> None:
    @routes.post("/checkout-sessions", status_code=201, response_model=CheckoutShown)
    async def create_checkout_session(
        request: Request, ctx: RequestCtx, body: CheckoutBody
    ) -> Response:
        """Make a page of the provider on which a customer can subscribe to a plan.

        An outcome that nobody saw is asked for again by the same `Idempotency-Key`: there is never
        a second page.
        """
        wanted = Wanted(
            plan_key=body.plan,
            customer_ref=body.customer,
            success_url=body.success_url,
            cancel_url=body.cancel_url,
            provider=body.provider,
            email=body.email,
            quantity=body.quantity,
        )
        asking = await cashier.prepare_checkout(ctx, wanted, key=_errand_key(request, ctx))

        async def conclude(later: Ctx, made: CheckoutSession) -> Response:
            await checkout.conclude_checkout(later, asking, made)
            return _created(_show_checkout(made))

        return Errand(
            lambda: cashier.ask_checkout(asking),
            conclude=conclude,
            fail=lambda later, fault: checkout.fail(later, asking, fault),
        )

    @routes.post("/portal-links", status_code=201, response_model=PortalShown)
    async def create_portal_link(request: Request, ctx: RequestCtx, body: PortalBody) -> Response:
        """Make a page of the provider on which a customer manages what they bought."""
        wanted = PortalWanted(body.customer, body.provider, body.return_url)
        asking = await cashier.prepare_portal(ctx, wanted, key=_errand_key(request, ctx))

        async def conclude(later: Ctx, made: PortalLink) -> Response:
            await checkout.conclude_portal(later, asking)
            return _created(PortalShown(provider=made.provider, url=made.url))

        return Errand(
            lambda: cashier.ask_portal(asking),
            conclude=conclude,
            fail=lambda later, fault: checkout.fail(later, asking, fault),
        )

    del create_checkout_session, create_portal_link


def _errand_key(request: Request, ctx: Ctx) -> str:
    """Return the name of what is asked: the caller's key, bound to its address, or a fresh one.

    Bound to the body as well it would not be: a key used for another request is our 409 already.
    """
    given = request.headers.get("idempotency-key")
    if not given:
        return ctx.ids.new("idk")
    named = f"{ctx.tenant_id}\n{request.scope['path']}\n{given}"
    return f"idk_{hashlib.sha256(named.encode()).hexdigest()}"


def _created(shown: BaseModel) -> Response:
    return Response(shown.model_dump_json(), 201, media_type="application/json")


def _show_checkout(made: CheckoutSession) -> CheckoutShown:
    return CheckoutShown(
        id=made.id, provider=made.provider, url=made.url, expires_at=made.expires_at
    )


def _show_account(account: Account) -> AccountShown:
    return AccountShown(
        id=account.id,
        provider=account.provider,
        window_s=account.window_s,
        has_api_key=account.has_api_key,
        secrets=[
            SecretShown(id=one.id, created_at=one.created_at, not_after=one.not_after)
            for one in account.secrets
        ],
        created_at=account.created_at,
        updated_at=account.updated_at,
    )


def _show_event(event: InboxEvent) -> ProviderEventShown:
    return ProviderEventShown(
        id=event.id,
        provider=event.provider,
        provider_event_id=event.provider_event_id,
        type=event.type,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        subscription_ref=event.subscription_ref,
        state=event.state,
        reason=event.reason,
        settled_at=event.settled_at,
    )


def _show_stored(stored: StoredEvent) -> ProviderEventWithBody:
    shown = _show_event(stored.info).model_dump()
    return ProviderEventWithBody(**shown, body=stored.body.decode(errors="replace"))
