"""Where are events delivered?"""

from __future__ import annotations

from solvent.systems.payments.stripe_emulator.fault import invalid
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    merge,
    retrieving,
)

KIND = "webhook_endpoint"


def create(world: World, params: Json) -> Json:
    """Make an endpoint; only this answer tells its signing secret."""
    if not str(params["url"]).startswith(("http://", "https://")):
        raise invalid(
            "Invalid URL: it begins with http:// or https://", param="url", code="url_invalid"
        )
    secret = f"whsec_{world.new_id('x')[2:]}{world.new_id('x')[2:]}"
    made = world.make(KIND, "we", params, status="enabled")
    world.store.save(made | {"_secret": secret})
    return made | {"secret": secret}


def update(world: World, params: Json, id: str) -> Json:
    """Change an endpoint, switch it off or on."""
    found = world.get(KIND, id)
    changed = merge(found, params)
    if params.get("disabled") is not None:
        changed["status"] = "disabled" if params["disabled"] else "enabled"
    return world.change(found, **changed)


def delete(world: World, params: Json, id: str) -> Json:
    """Forget an endpoint."""
    del params
    world.get(KIND, id)
    world.store.drop(id)
    return {"id": id, "object": KIND, "deleted": True}


def wants(endpoint: Json, kind: str) -> bool:
    """Return whether an endpoint is to hear of events of this kind."""
    named = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in named or kind in named)


ROUTES = (
    Route("POST", "/v1/webhook_endpoints", create, "WebhookEndpointCreateParams"),
    Route("GET", "/v1/webhook_endpoints", listing(KIND), "WebhookEndpointListParams"),
    Route("GET", "/v1/webhook_endpoints/{}", retrieving(KIND), "WebhookEndpointRetrieveParams"),
    Route("POST", "/v1/webhook_endpoints/{}", update, "WebhookEndpointUpdateParams"),
    Route("DELETE", "/v1/webhook_endpoints/{}", delete, "WebhookEndpointDeleteParams"),
)
