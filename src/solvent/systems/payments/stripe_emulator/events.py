"""What has happened?"""

from __future__ import annotations

from fnmatch import fnmatchcase

from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    created_in,
    page,
    retrieving,
)

KIND = "event"


def list_events(world: World, params: Json) -> Json:
    """List events, newest first, by their types (`invoice.*`) and times."""
    names = params.get("types") or [params.get("type") or "*"]
    found = [
        one
        for one in world.every(KIND)
        if created_in(one, params) and any(fnmatchcase(one["type"], name) for name in names)
    ]
    return page(world, found, params)


ROUTES = (
    Route("GET", "/v1/events", list_events, "EventListParams"),
    Route("GET", "/v1/events/{}", retrieving(KIND), "EventRetrieveParams"),
)
