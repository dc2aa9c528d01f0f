"""What does an answer look like with the ids in it that are to be expanded?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator.fault import invalid
from solvent.systems.payments.stripe_emulator.plain import Json, items, table
from solvent.systems.payments.stripe_emulator.store import Store

DEPTH_MAX = 4


def expand(store: Store, answer: Json, paths: list[str]) -> Json:
    """Return the answer with the objects of these paths, say `data.customer`, in place of ids.

    Raises:
        StripeFault: a path is too deep, or what it names holds no id.
    """
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEPTH_MAX + (steps[0] == "data"):
            raise invalid(f"You cannot expand more than {DEPTH_MAX} levels: {path}", param="expand")
        _expand(store, answer, steps, path)
    return answer


def _expand(store: Store, here: object, steps: list[str], path: str) -> None:
    for one in items(here) or []:
        _expand(store, one, steps, path)
    if steps and (held := table(here)) is not None:
        first, *rest = steps
        if held.get(first) is None and (made := _made_of(store, held, first)):
            held[first] = made
        if first not in held:
            raise invalid(f"This property cannot be expanded ({path}).", param="expand")
        held[first] = _found(store, held[first], path)
        _expand(store, held[first], rest, path)


_LISTS = {
    ("invoice", "payments"): ("invoice_payment", "invoice"),
    ("customer", "subscriptions"): ("subscription", "customer"),
    ("charge", "refunds"): ("refund", "charge"),
}
"""Lists that stand in an object only where they are asked for: of which kind, named by what."""


def _made_of(store: Store, held: Json, field: str) -> Json | None:
    """Return a list that is only shown where it is asked for."""
    kind, by = _LISTS.get((str(held.get("object")), field), (None, ""))
    found = [one for one in store.newest(kind) if one.get(by) == held["id"]] if kind else None
    if (held.get("object"), field) == ("checkout.session", "line_items"):
        found = (store.find(held["id"]) or held)["_lines"]
    return (
        None if found is None else {"object": "list", "data": found, "has_more": False, "url": ""}
    )


def _found(store: Store, held: object, path: str) -> object:
    if held is None or table(held) is not None or items(held) is not None:
        return held
    found = store.find(held) if isinstance(held, str) else None
    if found is None:
        raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    return found


def render(value: Json) -> Json:
    """Return what an answer shows: what the emulator keeps for itself begins with `_`."""
    return {name: _rendered(one) for name, one in value.items() if not name.startswith("_")}


def _rendered(value: object) -> object:
    if (parts := items(value)) is not None:
        return [_rendered(one) for one in parts]
    held = table(value)
    return value if held is None else render(held)
