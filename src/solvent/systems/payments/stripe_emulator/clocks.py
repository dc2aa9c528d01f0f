"""What happens when a test clock is moved on?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator import lifecycle
from solvent.systems.payments.stripe_emulator.fault import invalid
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import Route, World, listing, retrieving

KIND = "test_helpers.test_clock"
_KEPT_S = 30 * 86_400


def create(world: World, params: Json) -> Json:
    """Make a clock that stands at a moment."""
    gone = world.now() + _KEPT_S
    made = world.make(KIND, "clock", params, status="ready", deletes_after=gone)
    world.tell("test_helpers.test_clock.created", made)
    return made


def advance(world: World, params: Json, id: str) -> Json:
    """Move a clock on: what falls due for its customers happens, in order, each at its moment.

    The answer says that it is advancing, as Stripe's does; the next look says that it is ready.
    """
    found = world.get(KIND, id)
    target = params["frozen_time"]
    if target <= found["frozen_time"]:
        word = "A test clock can only be advanced to a time after its frozen_time."
        raise invalid(word, param="frozen_time")
    moving = {"advancing": {"target_frozen_time": target}}
    advancing = world.change(found, status="advancing", status_details=moving)
    world.tell("test_helpers.test_clock.advancing", advancing)
    lifecycle.live_until(world, target, clock=id)
    done = world.change(
        advancing, frozen_time=target, status="ready", status_details={"advancing": None}
    )
    world.tell("test_helpers.test_clock.ready", done)
    return advancing


def delete(world: World, params: Json, id: str) -> Json:
    """Forget a clock with its customers and what they bought."""
    del params
    world.tell("test_helpers.test_clock.deleted", world.get(KIND, id))
    for customer in world.every("customer", test_clock=id):
        for subscription in world.every("subscription", customer=customer["id"]):
            world.store.drop(subscription["id"])
        world.store.drop(customer["id"])
    world.store.drop(id)
    return {"id": id, "object": KIND, "deleted": True}


_ALL = "/v1/test_helpers/test_clocks"

ROUTES = (
    Route("POST", _ALL, create, "test_helpers.TestClockCreateParams"),
    Route("GET", _ALL, listing(KIND), "test_helpers.TestClockListParams"),
    Route("GET", f"{_ALL}/{{}}", retrieving(KIND), "test_helpers.TestClockRetrieveParams"),
    Route("POST", f"{_ALL}/{{}}/advance", advance, "test_helpers.TestClockAdvanceParams"),
    Route("DELETE", f"{_ALL}/{{}}", delete, "test_helpers.TestClockDeleteParams"),
)
