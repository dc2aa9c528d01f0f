"""Where does a customer go to pay, and to change what they bought?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.systems.payments.errors import (
    AccountNotFound,
    AddressInvalid,
    GatewayBusy,
    GatewayKeyMissing,
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
from solvent.systems.payments.model import CheckoutSession, PortalLink, Provider
from solvent.systems.payments.ports import CheckoutRequest, PaymentGateway
from solvent.systems.payments.service.accounts import SCOPE_WRITE, api_key, list_accounts
from solvent.systems.payments.store import standing as standing_store

T = TypeVar("T")


class GatewaySource(Protocol):
    """Makes the gateway of a provider for one account's API key."""

    def __call__(self, provider: Provider, api_key: str) -> PaymentGateway:
        """Return the gateway; this may import the provider's client."""
        ...


@dataclass(slots=True)
class Cashier:
    """Sends customers to the providers' pages; one a process, shared by its requests."""

    gateways: GatewaySource
    _under_way: int = 0

    async def create_checkout_session(
        self, ctx: Ctx, wanted: Wanted, *, idempotency_key: str
    ) -> CheckoutSession:
        """Return a page on which the customer can subscribe to a plan; needs `payments:write`.

        The checkout and the subscription it makes carry the customer's own name, so that no webhook
        has to guess it.

        Raises:
            PlanNotFound, PlanArchived, PlanNotForSale: the plan cannot be sold so.
            AccountNotFound, GatewayKeyMissing: the provider is not connected, or only half.
            AddressInvalid: a URL is not https (http is for loopback).
            GatewayRefused, GatewayUnavailable: what the provider said.
        """
        ctx.require(SCOPE_WRITE)
        _check_address(wanted.success_url, "success_url")
        _check_address(wanted.cancel_url, "cancel_url")
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
        gateway = self.gateways(provider, await _key(ctx, provider))
        made = await self._in_thread(
            lambda: gateway.create_checkout_session(request, idempotency_key=idempotency_key)
        )
        data = {"provider": provider.value, "plan": wanted.plan_key, "customer_id": customer.id}
        audit.record(ctx, action="payments.checkout_created", subject=made.id, data=data)
        return made

    async def create_portal_link(
        self,
        ctx: Ctx,
        customer_ref: str,
        *,
        provider: Provider | None,
        return_url: str | None,
        idempotency_key: str,
    ) -> PortalLink:
        """Return a page on which the customer manages what they bought; needs `payments:write`.

        Raises:
            CustomerUnknown, PortalCustomerUnknown: nobody of this name has bought there.
            AccountNotFound, GatewayKeyMissing, AddressInvalid, GatewayRefused, GatewayUnavailable.
        """
        ctx.require(SCOPE_WRITE)
        _check_address(return_url, "return_url")
        customer = await tenants.get_customer(ctx, customer_ref)
        known: dict[str, str] = {}
        for one in Provider:
            name = await standing_store.find_provider_customer(
                ctx.tx, ctx.tenant_id, one, customer.id
            )
            known |= {one.value: name} if name else {}
        if not known or (provider and provider not in known):
            raise PortalCustomerUnknown(field="customer")
        chosen = await _provider(ctx, provider, among=known)
        gateway = self.gateways(chosen, await _key(ctx, chosen))
        return await self._in_thread(
            lambda: gateway.create_portal_link(
                known[chosen], return_url=return_url, idempotency_key=idempotency_key
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


def _check_address(url: str | None, field: str) -> None:
    if url is None:
        return
    loopback = ("http://localhost", "http://127.0.0.1", "http://[::1]")
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= URL_CHARS_MAX
    if not plain or not (url.startswith("https://") or url.startswith(loopback)):
        raise AddressInvalid(field=field, given=url[:100])
