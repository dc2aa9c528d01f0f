"""How is Paddle's own client called, and how are its errors told as ours?"""

# The client is heavy and is loaded with this module, which is imported at the first call.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import requests
from paddle_billing import Client, Environment, Options
from paddle_billing.Exceptions.ApiError import ApiError

from solvent.systems.payments.errors import GatewayRefused, GatewayUnavailable
from solvent.systems.payments.limits import GATEWAY_TIMEOUT_S
from solvent.systems.payments.model import Provider

T = TypeVar("T")

NOT_LET_IN = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class _Address:
    """Stands in for the client's two fixed environments."""

    base_url: str


def client_of(api_key: str, api_base: str, *, key: str) -> Client:
    """Return a client of one account whose requests carry our key into Paddle's log."""
    options = Options(cast("Environment", _Address(api_base)))
    client = Client(api_key, options, timeout=GATEWAY_TIMEOUT_S, retry_count=0)
    setattr(client, "transaction_id", key)  # noqa: B010 - declared as None
    return client


def told(call: Callable[[], T]) -> T:
    """Call, and tell the client's errors as ours.

    Raises:
        GatewayRefused, GatewayUnavailable.
    """
    try:
        return call()
    except ApiError as fault:
        raise _error(fault) from fault
    except (requests.RequestException, ValueError, KeyError) as fault:
        message = f"Paddle: {type(fault).__name__}"
        raise GatewayUnavailable(message, provider=Provider.PADDLE.value) from fault


def told_of_money(call: Callable[[], T]) -> T:
    """As `told`; a key that is not let in may be after somebody mends it, and refuses nothing."""
    try:
        return told(call)
    except GatewayRefused as refused:
        cause = refused.__cause__
        response = cause.response if isinstance(cause, ApiError) else None
        if response is None or response.status_code not in NOT_LET_IN:
            raise
        raise GatewayUnavailable(refused.message, provider=Provider.PADDLE.value) from refused


def _error(fault: ApiError) -> GatewayRefused | GatewayUnavailable:
    status = fault.response.status_code if fault.response is not None else 0
    message = f"Paddle: {fault.detail}"[:300]
    if status == 429 or status >= 500:  # noqa: PLR2004 - HTTP
        return GatewayUnavailable(message, provider=Provider.PADDLE.value)
    code = str(fault.error_code)
    return GatewayRefused(message, provider=Provider.PADDLE.value, provider_code=code)
