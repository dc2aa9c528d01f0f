"""How does Paddle's own client make checkouts and portal links for us?"""

# The client is heavy and is loaded with this module, which is imported at the first call.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from paddle_billing import Client
from paddle_billing.Entities.Shared import CustomData, TransactionStatus
from paddle_billing.Entities.Transaction import Transaction
from paddle_billing.Resources.CustomerPortalSessions.Operations import CreateCustomerPortalSession
from paddle_billing.Resources.Shared.Operations import Comparator, DateComparison, OrderBy, Pager
from paddle_billing.Resources.Transactions.Operations import CreateTransaction, ListTransactions
from paddle_billing.Resources.Transactions.Operations.Create import TransactionCreateItem

from solvent.systems.payments.errors import GatewayUnavailable
from solvent.systems.payments.gateways.paddle_charges import PaddleCharges
from solvent.systems.payments.gateways.paddle_client import told
from solvent.systems.payments.model import CheckoutSession, PortalLink, Provider
from solvent.systems.payments.ports import CheckoutRequest, PortalRequest

ERRAND = "solvent_errand"
"""The name in Paddle's custom data under which a checkout carries our key."""

CLOCK_DRIFT = timedelta(minutes=2)
FOUND_PAGE = 200
FOUND_MAX = 2_000
"""Unpaid transactions looked through for one whose outcome was lost; past this it is made anew."""


@dataclass(frozen=True, slots=True)
class PaddleGateway(PaddleCharges):
    """Implements `PaymentGateway` on `paddle_billing.Client`.

    Paddle has no idempotency keys. A checkout carries our key in its custom data instead, and one
    whose outcome is not known is looked for among the transactions made since before it is made.
    """

    def create_checkout_session(
        self, request: CheckoutRequest, *, idempotency_key: str, tried_at: datetime | None = None
    ) -> CheckoutSession:
        """Return a transaction's checkout; it and its subscription carry the customer's name.

        Paddle opens it on the page that the account names as its default payment link, and returns
        to where that page says.
        """
        client = self._client(idempotency_key)
        made = told(lambda: _find(client, idempotency_key, since=tried_at)) if tried_at else None
        made = made or told(lambda: client.transactions.create(_checkout(request, idempotency_key)))
        if made.checkout is None or not made.checkout.url:
            raise GatewayUnavailable("Paddle made a transaction without a checkout address")
        return CheckoutSession(made.id, Provider.PADDLE, made.checkout.url, None)

    def create_portal_link(self, request: PortalRequest, *, idempotency_key: str) -> PortalLink:
        """Return a session of Paddle's customer portal, which has no way back of its own."""
        client, operation = self._client(idempotency_key), CreateCustomerPortalSession()
        made = told(
            lambda: client.customer_portal_sessions.create(request.provider_customer_id, operation)
        )
        return PortalLink(Provider.PADDLE, made.urls.general.overview)


def _checkout(request: CheckoutRequest, key: str) -> CreateTransaction:
    custom = {"customer": request.customer_ref, "plan": request.plan_key, ERRAND: key}
    operation = CreateTransaction(
        items=[TransactionCreateItem(price_id=request.price_id, quantity=request.quantity)],
        custom_data=CustomData(custom),
    )
    if request.provider_customer_id:
        operation.customer_id = request.provider_customer_id
    return operation


def _find(client: Client, key: str, *, since: datetime) -> Transaction | None:
    """Return the transaction that carries the key, among those made since, if there is one."""
    wanted = ListTransactions(
        pager=Pager(order_by=OrderBy.id_ascending(), per_page=FOUND_PAGE),
        created_at=DateComparison(since - CLOCK_DRIFT, Comparator.GTE),
        statuses=[TransactionStatus.Draft, TransactionStatus.Ready],
    )
    for one in islice(client.transactions.list(wanted), FOUND_MAX):
        custom = one.custom_data.data if one.custom_data else None
        if isinstance(custom, dict) and custom.get(ERRAND) == key:
            return one
    return None
