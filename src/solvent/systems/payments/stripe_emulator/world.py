"""What do the emulator's resources stand on: objects, the time, ids, and events to be told?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from solvent.kit.clock import Clock
from solvent.kit.ids import random_token
from solvent.systems.payments.stripe_emulator.fault import invalid, no_such
from solvent.systems.payments.stripe_emulator.plain import Json, table
from solvent.systems.payments.stripe_emulator.shapes import complete, version
from solvent.systems.payments.stripe_emulator.store import Store

Handler = Callable[..., Json]

ID_BYTES = 15
PAGE_DEFAULT = 10
PAGE_MAX = 100


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the API; `params` is what Stripe's client calls its parameters."""

    method: str
    path: str
    run: Handler
    params: str


@dataclass(slots=True)
class Request:
    """What the request that is being worked on is called."""

    id: str | None = None
    idempotency_key: str | None = None
    path: str = ""


@dataclass(slots=True)
class World:
    """The account at Stripe, as it stands."""

    store: Store
    clock: Clock
    url: str = ""
    request: Request = field(default_factory=Request)
    told: list[Json] = field(default_factory=list[Json])
    """Events that are to be delivered when what they tell has been kept."""
    paid: Callable[[World, Json], None] | None = None
    """Is told of each payment intent that has succeeded."""
    at: int | None = None
    """While a test clock is moved: the moment at which it stands."""

    def now(self, customer: str | None = None) -> int:
        """Return the time in seconds, a customer's by the test clock that they live by."""
        if self.at is not None:
            return self.at
        found = self.store.find(customer) if customer else None
        clock = self.store.find(found["test_clock"]) if found and found.get("test_clock") else None
        return int(clock["frozen_time"]) if clock else int(self.clock.now().timestamp())

    def new_id(self, prefix: str) -> str:
        """Return an id that nobody had before."""
        return f"{prefix}_{random_token(ID_BYTES)}"

    def make(self, kind: str, prefix: str, given: Json, **fields: object) -> Json:
        """Keep a new object of what is given of it, its other fields empty; return it."""
        customer: Any = fields.get("customer", given.get("customer"))
        own: Json = {"id": self.new_id(prefix), "created": self.now(customer)}
        present = {name: value for name, value in given.items() if value is not None}
        return self.store.save(complete(kind, own | present | fields))

    def get(self, kind: str, id: str, *, param: str | None = None) -> Json:
        """Return an object of a kind; raises a fault where there is none (any more)."""
        found = self.store.find(id)
        if found is None or found["object"] != kind or (param and found.get("deleted")):
            raise no_such(kind, id, param=param)
        return found

    def every(self, kind: str, **equal: object) -> list[Json]:
        """Return the objects of a kind whose fields are equal to these, newest first."""
        return [one for one in self.store.newest(kind) if matches(one, equal)]

    def change(self, found: Json, event: str | None = None, **fields: object) -> Json:
        """Keep an object with these fields changed, and tell of it if anything did."""
        before = {name: found.get(name) for name in fields if found.get(name) != fields[name]}
        changed = self.store.save(found | fields)
        if event and before:
            self.tell(event, changed, before=before)
        return changed

    def tell(self, kind: str, subject: Json, *, before: Json | None = None) -> None:
        """Make an event of what happened, to be delivered."""
        data: Json = {"object": subject}
        if before is not None:
            data["previous_attributes"] = before
        request = {"id": self.request.id, "idempotency_key": self.request.idempotency_key}
        heard = len(self.every("webhook_endpoint", status="enabled"))
        given = {"type": kind, "data": data, "api_version": version(), "request": request}
        given |= {"pending_webhooks": heard}
        customer = subject["id"] if subject["object"] == "customer" else subject.get("customer")
        name = customer if isinstance(customer, str) else None
        self.told.append(self.make("event", "evt", given, created=self.now(name)))


def matches(one: Json, equal: Json) -> bool:
    """Return whether an object is not deleted and has these fields."""
    return not one.get("deleted") and all(one.get(name) == equal[name] for name in equal)


def merge(found: Json, params: Json) -> Json:
    """Return what parameters change of an object: parts are merged, metadata by its keys."""
    told = {name: _merged(found[name], value) for name, value in params.items() if name in found}
    if "metadata" in told:
        kept = table(told["metadata"]) or {}
        told["metadata"] = {name: value for name, value in kept.items() if value not in ("", None)}
    return told


def _merged(held: object, value: object) -> object:
    before, change = table(held), table(value)
    return value if before is None or change is None else before | change


def retrieving(kind: str) -> Handler:
    """Return a handler that answers with an object."""

    def retrieve(world: World, params: Json, id: str) -> Json:
        del params
        return world.get(kind, id)

    return retrieve


def updating(kind: str, event: str | None = None) -> Handler:
    """Return a handler that changes an object's plain fields."""

    def update(world: World, params: Json, id: str) -> Json:
        found = world.get(kind, id)
        return world.change(found, event, **merge(found, params))

    return update


def listing(kind: str, *filters: str) -> Handler:
    """Return a handler that lists a kind, newest first, by these parameters."""

    def list_(world: World, params: Json) -> Json:
        equal = {name: params[name] for name in filters if params.get(name) is not None}
        found = [one for one in world.every(kind, **equal) if created_in(one, params)]
        return page(world, found, params)

    return list_


def created_in(one: Json, params: Json) -> bool:
    """Return whether an object was made in the time that is asked for."""
    asked, at = params.get("created"), one["created"]
    bounds = table(asked)
    if bounds is None:
        return asked is None or at == asked
    return all(_WITHIN[name](at, int(bound)) for name, bound in bounds.items())


_WITHIN: dict[str, Callable[[int, int], bool]] = {
    "gt": lambda at, bound: at > bound,
    "gte": lambda at, bound: at >= bound,
    "lt": lambda at, bound: at < bound,
    "lte": lambda at, bound: at <= bound,
}


def page(world: World, found: Iterable[Json], params: Json) -> Json:
    """Return one page of a list, after or before the object that is named.

    Raises:
        StripeFault: a page has 1 to 100 objects; the object named is not in the list.
    """
    every = list(found)
    limit = PAGE_DEFAULT if params.get("limit") is None else params["limit"]
    if not 1 <= limit <= PAGE_MAX:
        word = f"Invalid limit: {limit}, must be between 1 and {PAGE_MAX}"
        raise invalid(word, param="limit", code="parameter_invalid_integer")
    if params.get("starting_after"):
        every = every[_place(every, params["starting_after"], "starting_after") + 1 :]
    if params.get("ending_before"):
        every = every[: _place(every, params["ending_before"], "ending_before")]
        shown, more = every[-limit:], len(every) > limit
    else:
        shown, more = every[:limit], len(every) > limit
    return {"object": "list", "url": world.request.path, "has_more": more, "data": shown}


def _place(every: list[Json], id: str, param: str) -> int:
    for place, one in enumerate(every):
        if one["id"] == id:
            return place
    raise no_such("object", id, param=param)
