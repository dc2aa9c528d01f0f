"""What do a form-encoded body and a query say, with brackets read as Stripe reads them?"""

from __future__ import annotations

from urllib.parse import parse_qsl

from solvent.systems.payments.stripe_emulator.fault import invalid
from solvent.systems.payments.stripe_emulator.plain import Json, table

FIELDS_MAX = 5_000
DEPTH_MAX = 12


def read_form(text: str) -> Json:
    """Return the nested parameters of `a[b][0][c]=1&a[d][]=2`; every value is still text.

    Raises:
        StripeFault: more fields or deeper brackets than anybody means, or one name used two ways.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError as odd:
        raise invalid(f"Invalid request body: {odd}") from None
    told: Json = {}
    for name, value in pairs:
        _put(told, _steps(name), value)
    return {name: _as_lists(value) for name, value in told.items()}


def _steps(name: str) -> list[str]:
    first, _, rest = name.partition("[")
    steps = [first, *rest.removesuffix("]").split("][")] if rest else [first]
    if len(steps) > DEPTH_MAX:
        raise invalid(f"Invalid parameter: {name[:80]}", param=first)
    return steps


def _put(told: Json, steps: list[str], value: str) -> None:
    here = told
    for step in steps[:-1]:
        part = table(here.setdefault(step or str(len(here)), {}))
        if part is None:
            raise invalid(f"Invalid parameter: {steps[0]}", param=steps[0])
        here = part
    here[steps[-1] or str(len(here))] = value


def _as_lists(value: object) -> object:
    """Return tables whose keys are all numbers as lists, in the order of the numbers."""
    held = table(value)
    if held is None:
        return value
    told: Json = {name: _as_lists(one) for name, one in held.items()}
    if told and all(name.isdecimal() for name in told):
        return [told[name] for name in sorted(told, key=int)]
    return told
