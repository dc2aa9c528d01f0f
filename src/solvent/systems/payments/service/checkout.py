"""Where does a customer go to pay, and to change what they bought?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.errors import reason_of
from solvent.systems.payments.errors import (
    AccountNotFound,
    AddressInvalid,
    GatewayBusy,
    GatewayFailed,
    GatewayKeyMissing,
    GatewayRefused,
    GatewayUnavailable,
    PlanNotForSale,
    PortalCustomerUnknown,
)
from solvent.systems.payments.limits import (
    GATEWAY_CONCURRENCY,
    GATEWAY_TIMEOUT_S,
    QUANTITY_MAX,
    URL_CHARS_MAX,
)
from solvent.systems.payments.model import CheckoutSession, ErrandKind, PortalLink, Provider
from solvent.systems.payments.ports import CheckoutRequest, PaymentGateway, PortalRequest
from solvent.systems.payments.service.accounts import SCOPE_WRITE, api_key, list_accounts
from solvent.systems.payments.store import errands as store
from solvent.systems.payments.store import standing as standing_store
from solvent.systems.payments.store.errands import OpenErrand

T = TypeVar("T")
R = TypeVar("R", CheckoutRequest, PortalRequest)


class GatewaySource(Protocol):
    """Makes the gateway of a provider for one account's API key."""

    def __call__(self, provider: Provider, api_key: str) -> PaymentGateway:
        """Return the gateway; this may import the provider's client."""
        ...


@dataclass(frozen=True, slots=True)
class Asking(Generic[R]):
    """What a provider is to be asked, as it was written before it is; `id` is its key there."""

    id: str
    provider: Provider
    customer_id: str
    request: R
    api_key: str = field(repr=False)
    tried_at: datetime | None = None


@dataclass(slots=True)
class Cashier:
    """Sends customers to the providers' pages; one a process, shared by its requests.

    In three steps, as a provider may take half a minute: `prepare_…` writes what is to be asked,
    `ask_…` asks with no transaction open, `conclude_…` (or `fail`) writes what came of it. Prepared
    again under the same key before there was an outcome, the very same is asked again.
    """

    gateways: GatewaySource
    _under_way: int = 0

    async def prepare_checkout(
        self, ctx: Ctx, wanted: Wanted, *, key: str
    ) -> Asking[CheckoutRequest]:
        """Write that a customer is to subscribe to a plan; needs `payments:write`.

        The checkout and the subscription it makes carry the customer's own name, so that no webhook
        has to guess it.

        Raises:
            PlanNotFound, PlanArchived, PlanNotForSale: the plan cannot be sold so.
            AccountNotFound, GatewayKeyMissing: the provider is not connected, or only half.
            AddressInvalid: a URL is not https (http is for loopback).
        """
        ctx.require(SCOPE_WRITE)
        check_address(wanted.success_url, "success_url")
        check_address(wanted.cancel_url, "cancel_url")
        known = await store.take_up(ctx.tx, ctx.tenant_id, key=key, kind=ErrandKind.CHECKOUT)
        if known:
            return await _again(ctx, known, CheckoutRequest(**known.request))
        provider, customer_id, request = await _checkout(ctx, wanted)
        asking = Asking(
            ctx.ids.new("err"), provider, customer_id, request, await _key(ctx, provider)
        )
        await _begin(ctx, asking, key=key, kind=ErrandKind.CHECKOUT)
        return asking

    async def prepare_portal(
        self, ctx: Ctx, wanted: PortalWanted, *, key: str
    ) -> Asking[PortalRequest]:
        """Write that a customer is to manage what they bought; needs `payments:write`.

        Raises:
            CustomerUnknown, PortalCustomerUnknown: nobody of this name has bought there.
            AccountNotFound, GatewayKeyMissing, AddressInvalid: as for a checkout.
        """
        ctx.require(SCOPE_WRITE)
        check_address(wanted.return_url, "return_url")
        known = await store.take_up(ctx.tx, ctx.tenant_id, key=key, kind=ErrandKind.PORTAL)
        if known:
            return await _again(ctx, known, PortalRequest(**known.request))
        provider, customer_id, request = await _portal(ctx, wanted)
        asking = Asking(
            ctx.ids.new("err"), provider, customer_id, request, await _key(ctx, provider)
        )
        await _begin(ctx, asking, key=key, kind=ErrandKind.PORTAL)
        return asking

    async def ask_checkout(self, asking: Asking[CheckoutRequest]) -> CheckoutSession:
        """Have the provider make the page, in a thread.

        Raises:
            GatewayRefused, GatewayUnavailable, GatewayBusy.
        """
        return await self._in_thread(
            lambda: self.gateways(asking.provider, asking.api_key).create_checkout_session(
                asking.request, idempotency_key=asking.id, tried_at=asking.tried_at
            )
        )

    async def ask_portal(self, asking: Asking[PortalRequest]) -> PortalLink:
        """As `ask_checkout`."""
        return await self._in_thread(
            lambda: self.gateways(asking.provider, asking.api_key).create_portal_link(
                asking.request, idempotency_key=asking.id
            )
        )

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """Call a provider's blocking client beside the loop, a few at a time, not for ever."""
        if self._under_way >= GATEWAY_CONCURRENCY:
            raise GatewayBusy
        self._under_way += 1
        try:
            return await asyncio.wait_for(asyncio.to_thread(call), GATEWAY_TIMEOUT_S * 3)
        except TimeoutError:
            raise GatewayUnavailable from None
        finally:
            self._under_way -= 1


async def conclude_checkout(
    ctx: Ctx, asking: Asking[CheckoutRequest], made: CheckoutSession
) -> None:
    """Write which page was made."""
    await store.settle(ctx.tx, ctx.tenant_id, asking.id, made_id=made.id, reason=None)
    data = {
        "provider": asking.provider.value,
        "plan": asking.request.plan_key,
        "customer_id": asking.customer_id,
    }
    audit.record(ctx, action="payments.checkout_created", subject=made.id, data=data)


async def conclude_portal(ctx: Ctx, asking: Asking[PortalRequest]) -> None:
    """Write that the page was made; its address opens somebody's account and is not kept here."""
    await store.settle(ctx.tx, ctx.tenant_id, asking.id, made_id=None, reason=None)


async def fail(ctx: Ctx, asking: Asking[R], fault: Exception) -> None:
    """Write that the provider refused or failed for good; else the outcome stays open."""
    reason = reason_of(fault)
    if isinstance(fault, GatewayRefused | GatewayFailed):
        await store.settle(ctx.tx, ctx.tenant_id, asking.id, made_id=None, reason=reason)
    else:
        await store.note_fault(ctx.tx, ctx.tenant_id, asking.id, reason=reason)


async def _again(ctx: Ctx, known: OpenErrand, request: R) -> Asking[R]:
    api_key = await _key(ctx, known.provider)
    return Asking(
        known.id, known.provider, known.customer_id, request, api_key, tried_at=known.asked_at
    )


async def _begin(
    ctx: Ctx, asking: Asking[CheckoutRequest] | Asking[PortalRequest], *, key: str, kind: ErrandKind
) -> None:
    await store.begin(
        ctx.tx,
        ctx.tenant_id,
        id=asking.id,
        key=key,
        kind=kind,
        provider=asking.provider,
        customer_id=asking.customer_id,
        request=asdict(asking.request),
    )


async def _checkout(ctx: Ctx, wanted: Wanted) -> tuple[Provider, str, CheckoutRequest]:
    plan = await catalogue.offer(ctx, wanted.plan_key, customer_ref=wanted.customer_ref)
    sold_under = {one.provider: one.price_id for one in plan.provider_prices}
    provider = await _provider(ctx, wanted.provider, among=sold_under)
    customer = await tenants.ensure_customer(ctx, wanted.customer_ref, email=wanted.email)
    request = CheckoutRequest(
        price_id=sold_under[provider],
        customer_ref=customer.external_ref,
        plan_key=wanted.plan_key,
        success_url=wanted.success_url,
        cancel_url=wanted.cancel_url,
        quantity=wanted.quantity,
        email=customer.email,
        provider_customer_id=await standing_store.find_provider_customer(
            ctx.tx, ctx.tenant_id, provider, customer.id
        ),
    )
    return provider, customer.id, request


async def _portal(ctx: Ctx, wanted: PortalWanted) -> tuple[Provider, str, PortalRequest]:
    customer = await tenants.get_customer(ctx, wanted.customer_ref)
    known: dict[str, str] = {}
    for one in Provider:
        name = await standing_store.find_provider_customer(ctx.tx, ctx.tenant_id, one, customer.id)
        known |= {one.value: name} if name else {}
    if not known or (wanted.provider and wanted.provider not in known):
        raise PortalCustomerUnknown(field="customer")
    chosen = await _provider(ctx, wanted.provider, among=known)
    return chosen, customer.id, PortalRequest(known[chosen], wanted.return_url)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which plan a customer is to subscribe to, and where they come back to."""

    plan_key: str
    customer_ref: str
    success_url: str
    cancel_url: str | None = None
    provider: Provider | None = None
    email: str | None = None
    quantity: int = 1

    def __post_init__(self) -> None:
        """Refuse a quantity that no checkout takes."""
        if not 1 <= self.quantity <= QUANTITY_MAX:
            message = f"a quantity is 1 to {QUANTITY_MAX}"
            raise PlanNotForSale(message, field="quantity")


@dataclass(frozen=True, slots=True)
class PortalWanted:
    """Who is to manage what they bought, and where they come back to."""

    customer_ref: str
    provider: Provider | None = None
    return_url: str | None = None


async def _provider(ctx: Ctx, asked: Provider | None, *, among: dict[str, str]) -> Provider:
    """Return the provider to go to: the one asked for, or the first connected that can serve."""
    connected = {account.provider for account in await list_accounts(ctx)}
    able = [one for one in Provider if one in connected and one.value in among]
    wanted = [one for one in able if asked in (None, one)]
    if wanted:
        return wanted[0]
    if asked in connected or (connected and not asked):
        raise PlanNotForSale(field="plan")
    raise AccountNotFound(field="provider")


async def _key(ctx: Ctx, provider: Provider) -> str:
    key = await api_key(ctx, provider)
    if not key:
        raise GatewayKeyMissing(field="provider", provider=provider.value)
    return key


def check_address(url: str | None, field: str) -> None:
    """Pass an address that a customer may be sent back to; raises AddressInvalid."""
    if url is None:
        return
    loopback = ("http://localhost", "http://127.0.0.1", "http://[::1]")
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= URL_CHARS_MAX
    if not plain or not (url.startswith("https://") or url.startswith(loopback)):
        raise AddressInvalid(field=field, given=url[:100])
