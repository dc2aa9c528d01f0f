"""How do guards ask, use up, hold, and listen, over HTTP?"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

from fastapi import FastAPI, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from solvent.kernel.entitlements import service as entitlements
from solvent.kernel.entitlements.events import EntitlementChanged
from solvent.kernel.entitlements.model import Code, Decision, Reservation, ReservationState, Wish
from solvent.kit.http import Credentials, PublicRouter, RequestCtx, Router
from solvent.kit.money import plain_number
from solvent.systems.paywall.feed import Feed
from solvent.systems.paywall.metrics import CHECKS
from solvent.systems.paywall.stream import EventStream, Listener, frames

router = Router(tags=["paywall"])
streams = PublicRouter(tags=["paywall"])

Name = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Quantity = Annotated[Decimal, Field(gt=0, max_digits=32, decimal_places=12)]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


class Asked(BaseModel):
    """Who wants how much; of which product, where that matters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer: Name
    product: Name | None = None
    quantity: Quantity = Decimal(1)

    def wish(self, feature: str | None) -> Wish:
        """Return it as the kernel knows it."""
        return Wish(feature=feature, product=self.product, quantity=self.quantity)


class CheckBody(Asked):
    """What a customer wants: any access, that to a product, a feature, so much of a quota."""

    feature: Name | None = None


class ConsumeBody(Asked):
    """What is to be used up; `enforce` false records what was used while nobody could be asked."""

    feature: Name
    enforce: StrictBool = True


class ReserveBody(Asked):
    """What is to be held for `ttl_s` seconds."""

    feature: Name
    ttl_s: Annotated[int, Field(strict=True, ge=1, le=86_400)] = 60


class CommitBody(BaseModel):
    """How much of what was held has been used; all of it if left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    quantity: Quantity | None = None


class DecisionShown(BaseModel):
    """The answer; `remaining` is what is left of a quota's limit, null where there is none."""

    allowed: bool
    code: Code
    reason: str
    until: datetime | None
    remaining: str | None


class ReservationShown(BaseModel):
    """A hold on a quota."""

    id: str
    feature: str
    quantity: str
    committed: str
    state: ReservationState
    expires_at: datetime


class HeldShown(DecisionShown):
    """The answer to a wish to hold something, and the hold if it was allowed."""

    reservation: ReservationShown | None


@router.post("/entitlements/check")
async def check(ctx: RequestCtx, body: CheckBody) -> DecisionShown:
    """Say whether a customer may have something now, from the database; nothing is used up."""
    return _show(await entitlements.check(ctx, body.customer, body.wish(body.feature)))


@router.post("/entitlements/consume")
async def consume(ctx: RequestCtx, body: ConsumeBody, idempotency_key: Key = None) -> DecisionShown:
    """Use up a quantity of a quota if it is left; the same Idempotency-Key does so once."""
    return _show(
        await entitlements.consume(
            ctx, body.customer, body.wish(body.feature), key=idempotency_key, enforce=body.enforce
        )
    )


@router.post(
    "/entitlements/reservations",
    status_code=201,
    responses={200: {"description": "Refused: nothing is held.", "model": HeldShown}},
)
async def reserve(
    ctx: RequestCtx, response: Response, body: ReserveBody, idempotency_key: Key = None
) -> HeldShown:
    """Hold a quantity of a quota for a time, if it is left; it lapses by itself."""
    held = await entitlements.reserve(
        ctx,
        body.customer,
        body.wish(body.feature),
        life=timedelta(seconds=body.ttl_s),
        key=idempotency_key,
    )
    shown = _show(held.decision)
    reservation = _show_reservation(held.reservation) if held.reservation else None
    response.status_code = 201 if reservation else 200
    return HeldShown(**dict(shown), reservation=reservation)


@router.post("/entitlements/reservations/{reservation_id}/commit")
async def commit_reservation(
    ctx: RequestCtx, reservation_id: str, body: CommitBody | None = None
) -> ReservationShown:
    """Use up what was held, or less of it, and free the rest."""
    quantity = body.quantity if body else None
    return _show_reservation(
        await entitlements.commit_reservation(ctx, reservation_id, quantity=quantity)
    )


@router.post("/entitlements/reservations/{reservation_id}/release")
async def release_reservation(ctx: RequestCtx, reservation_id: str) -> ReservationShown:
    """Free what was held."""
    return _show_reservation(await entitlements.release_reservation(ctx, reservation_id))


@streams.get(
    "/entitlements/stream", response_class=Response, openapi_extra={"security": [{"key": []}]}
)
async def stream(request: Request) -> EventStream:
    """Push all that the tenant's customers may use, and each change, as server-sent events.

    In this order: `hello`, `clock`, `snapshot` (several), `ready`, then `change`, `clock` and
    `beat` as they come. A beat names a moment of the database's clock: what was committed
    before it has been sent. For secret keys only.
    """
    state = request.app.state
    listener = Listener(state.edge, state.authenticator, Credentials.of(request))
    who = await listener.admit()
    feed = feed_of(request.app)
    outlet = await feed.open(who.tenant_id)
    return EventStream(frames(listener, who, outlet), feed=feed, outlet=outlet)


@router.get("/entitlements/{customer:path}")
async def show_record(ctx: RequestCtx, customer: str) -> EntitlementChanged:
    """Show all that a customer (by your own name, or id) may use now, as guards hold it."""
    return entitlements.describe(await entitlements.get_record(ctx, customer))


def feed_of(app: FastAPI) -> Feed:
    """Return the process's feed; made for its first stream, ended when the process stops."""
    feed: Feed | None = getattr(app.state, "paywall_feed", None)
    if feed is None:
        feed = app.state.paywall_feed = Feed(app.state.bus)
        app.state.paywall_end = asyncio.create_task(_end_with(app, feed))
    return feed


async def _end_with(app: FastAPI, feed: Feed) -> None:
    await app.state.stopping.wait()
    feed.end_all("stopping")


def _show(decision: Decision) -> DecisionShown:
    CHECKS.labels(decision.code.value).inc()
    remaining = decision.remaining
    return DecisionShown(
        allowed=decision.allowed,
        code=decision.code,
        reason=decision.reason,
        until=decision.until,
        remaining=None if remaining is None else plain_number(remaining),
    )


def _show_reservation(reservation: Reservation) -> ReservationShown:
    return ReservationShown(
        id=reservation.id,
        feature=reservation.feature_key,
        quantity=plain_number(reservation.quantity),
        committed=plain_number(reservation.committed),
        state=reservation.state,
        expires_at=reservation.expires_at,
    )
