"""How is one function put behind the paywall, whatever its color?"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from solvent_client.decision import Decision, Quantity
from solvent_client.errors import PaymentRequired

if TYPE_CHECKING:
    from solvent_client.paywall import Paywall

Params = ParamSpec("Params")
Result = TypeVar("Result")
Customer = str | Callable[..., str | None]
"""The name of the parameter that holds the customer's reference, or what returns it."""


def guard(
    paywall: "Paywall",
    customer: Customer,
    *,
    feature: str | None,
    product: str | None,
    quantity: Quantity,
) -> Callable[[Any], Any]:
    """Return the decorator that `Paywall.required` promises."""

    def decorate(function: Callable[Params, Result]) -> Callable[Params, Result]:
        who = _reader_of(customer, function)

        def admit(decision: Decision) -> None:
            if not decision.allowed:
                raise PaymentRequired(decision, upgrade_url=paywall.upgrade_url)

        if inspect.iscoroutinefunction(function):
            run = cast("Callable[Params, Coroutine[Any, Any, object]]", function)

            @functools.wraps(function)
            async def guarded_async(*args: Params.args, **kwargs: Params.kwargs) -> object:
                found = who(*args, **kwargs)
                admit(await paywall.check_async(found, feature, product, quantity))
                return await run(*args, **kwargs)

            return cast("Callable[Params, Result]", guarded_async)

        @functools.wraps(function)
        def guarded(*args: Params.args, **kwargs: Params.kwargs) -> Result:
            admit(paywall.check(who(*args, **kwargs), feature, product, quantity))
            return function(*args, **kwargs)

        return guarded

    return decorate


def _reader_of(customer: Customer, function: Callable[..., object]) -> Callable[..., str | None]:
    """Return what finds the customer among a call's arguments.

    Raises:
        ValueError: the function has no such parameter.
    """
    if not isinstance(customer, str):
        return customer
    parameters = list(inspect.signature(function).parameters.values())
    names = [parameter.name for parameter in parameters]
    if customer not in names:
        raise ValueError(f"customer: {function.__qualname__} has no parameter {customer!r}")
    place = names.index(customer)
    default = parameters[place].default
    otherwise = None if default is inspect.Parameter.empty else default

    def read(*args: object, **kwargs: object) -> str | None:
        found = kwargs.get(customer, args[place] if place < len(args) else otherwise)
        return cast("str | None", found)

    return read
