"""Who pays again and again, for what, and until when?"""

from __future__ import annotations

from decimal import Decimal

from solvent.kit.money import round_minor
from solvent.systems.payments.stripe_emulator import invoices, payment_methods
from solvent.systems.payments.stripe_emulator.fault import CardDeclined, invalid, no_such
from solvent.systems.payments.stripe_emulator.meters import used
from solvent.systems.payments.stripe_emulator.months import next_after
from solvent.systems.payments.stripe_emulator.plain import Json, table
from solvent.systems.payments.stripe_emulator.prices import amount_of, create_price
from solvent.systems.payments.stripe_emulator.search import searching
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    merge,
    page,
    retrieving,
)

KIND = "subscription"
UPDATED = "customer.subscription.updated"
_DAY_S = 86_400
_ITEM_MAX = 20
_PLAIN = (
    "metadata",
    "description",
    "default_payment_method",
    "cancel_at_period_end",
    "collection_method",
    "days_until_due",
    "payment_settings",
    "pause_collection",
    "trial_settings",
)


def create(world: World, params: Json) -> Json:
    """Begin a subscription: in its trial, active when its first invoice is paid, or incomplete."""
    customer = world.get("customer", params["customer"], param="customer")
    made = _begin(world, customer, params)
    world.tell("customer.subscription.created", made)
    invoice = _first_invoice(world, made)
    behavior = params.get("payment_behavior") or "allow_incomplete"
    if behavior != "default_incomplete":
        _pay_first(world, invoice, strict=behavior == "error_if_incomplete")
    return world.get(KIND, made["id"])


def _begin(world: World, customer: Json, params: Json) -> Json:
    id, now = world.new_id("sub"), world.now(customer["id"])
    trial_end = _trial_end(params, now)
    items = [_item(world, id, one, now) for one in params["items"][:_ITEM_MAX]]
    anchor = trial_end or now
    end = trial_end or next_end(items, now, now)
    card = params.get("default_payment_method")
    if card:
        payment_methods.must_belong(world.get("payment_method", card), customer["id"])
    plain = {name: params[name] for name in _PLAIN if params.get(name) is not None}
    base: Json = {
        "billing_mode": {"type": "flexible"},
        "collection_method": "charge_automatically",
        "invoice_settings": {"issuer": {"type": "self"}},
        "payment_settings": {"save_default_payment_method": "off"},
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }
    return world.make(
        KIND,
        "sub",
        base | plain,
        id=id,
        billing_cycle_anchor=anchor,
        created=now,
        currency=items[0]["price"]["currency"],
        customer=customer["id"],
        items=_listed(id, [one | _period(now, end) for one in items]),
        start_date=now,
        status="trialing" if trial_end else "incomplete",
        trial_end=trial_end,
        trial_start=now if trial_end else None,
        cancel_at=params.get("cancel_at"),
    )


def _trial_end(params: Json, now: int) -> int | None:
    told = params.get("trial_end")
    if isinstance(told, int):
        return told
    days = params.get("trial_period_days")
    return now + days * _DAY_S if days else None


def _listed(id: str, items: list[Json]) -> Json:
    url = f"/v1/subscription_items?subscription={id}"
    found = {"object": "list", "data": items, "has_more": False, "url": url}
    return found | {"total_count": len(items)}


def _period(start: int, end: int) -> Json:
    return {"current_period_start": start, "current_period_end": end}


def _item(world: World, id: str, given: Json, now: int) -> Json:
    if given.get("price_data"):
        given = given | {"price": create_price(world, given["price_data"])["id"]}
    price = world.get("price", given.get("price") or "", param="items[0][price]")
    if price["type"] != "recurring":
        word = "The price specified is set to `type=one_time` but this needs `type=recurring`."
        raise invalid(word, param="items[0][price]")
    metered = price["recurring"]["usage_type"] == "metered"
    counted = {} if metered else {"quantity": given.get("quantity") or 1}
    return counted | {
        "id": world.new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "plan": _plan(price),
        "price": price,
        "subscription": id,
        "tax_rates": [],
    }


def _plan(price: Json) -> Json:
    """Return a price as the plan that it would have been."""
    kept = ("id", "active", "billing_scheme", "created", "currency", "livemode", "metadata")
    also = ("nickname", "product", "tiers_mode")
    recurring = price["recurring"]
    return {
        **{name: price[name] for name in (*kept, *also)},
        "object": "plan",
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "meter": recurring["meter"],
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": recurring["usage_type"],
    }


def next_end(items: list[Json], anchor: int, moment: int) -> int:
    """Return when the period ends that a moment lies in."""
    recurring = items[0]["price"]["recurring"]
    return next_after(anchor, recurring["interval"], recurring["interval_count"], moment)


def parent_of(subscription: Json) -> Json:
    """Return what an invoice of a subscription says of it."""
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    return {"type": "subscription_details", "quote_details": None, "subscription_details": details}


def line_for(world: World, subscription: Json, item: Json, period: tuple[int, int]) -> Json:
    """Return the line of an item: what is bought for a period, or was used in it."""
    start, end = period
    price = item["price"]
    quantity = Decimal(item.get("quantity") or 0)
    if price["recurring"]["usage_type"] == "metered":
        meter = world.get("billing.meter", price["recurring"]["meter"])
        quantity = used(world, meter, subscription["customer"], start=start, end=end)
    free = subscription["status"] == "trialing"
    told: Json = {
        "amount": 0 if free else amount_of(price, quantity),
        "currency": price["currency"],
        "description": world.get("product", price["product"])["name"],
        "period": {"start": start, "end": end},
        "pricing": pricing_of(item),
        "quantity": int(quantity),
        "quantity_decimal": format(quantity.normalize(), "f"),
        "subscription": subscription["id"],
        "parent": _line_parent(item),
    }
    return invoices.line(world, told)


def pricing_of(item: Json) -> Json:
    """Return which price an item's lines are for."""
    return invoices.pricing(item["price"])


def _line_parent(item: Json) -> Json:
    details: Json = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": item["subscription"],
        "subscription_item": item["id"],
    }
    return {
        "type": "subscription_item_details",
        "invoice_item_details": None,
        "subscription_item_details": details,
    }


def licensed(subscription: Json) -> list[Json]:
    """Return the items that are bought beforehand."""
    return [one for one in subscription["items"]["data"] if "quantity" in one]


def metered(subscription: Json) -> list[Json]:
    """Return the items that are paid by what was used."""
    return [one for one in subscription["items"]["data"] if "quantity" not in one]


def bounds(subscription: Json) -> tuple[int, int]:
    """Return the period that a subscription is in."""
    first = subscription["items"]["data"][0]
    return first["current_period_start"], first["current_period_end"]


def bill(world: World, subscription: Json, lines: list[Json], reason: str, **more: object) -> Json:
    """Keep a draft of a subscription, and let it name that one as its latest."""
    start, end = bounds(subscription)
    made = invoices.draft(
        world,
        subscription["customer"],
        lines,
        billing_reason=reason,
        collection_method=subscription["collection_method"],
        parent=parent_of(subscription),
        period_start=start,
        period_end=end,
        **more,
    )
    world.change(world.get(KIND, subscription["id"]), latest_invoice=made["id"])
    return made


def _first_invoice(world: World, made: Json) -> Json:
    lines = [line_for(world, made, item, bounds(made)) for item in licensed(made)]
    return invoices.finalize(world, {}, bill(world, made, lines, "subscription_create")["id"])


def _pay_first(world: World, invoice: Json, *, strict: bool) -> None:
    if invoice["status"] != "open":
        return
    try:
        if strict or invoices.card_of(world, invoice):
            invoices.pay(world, {}, invoice["id"])
    except CardDeclined as declined:
        if strict:
            raise invalid(str(declined), code=declined.error["code"]) from None


def update(world: World, params: Json, id: str) -> Json:
    """Change a subscription: items with or without proration, its end, its card."""
    found = world.get(KIND, id)
    if found["status"] in {"canceled", "incomplete_expired"}:
        raise invalid(f"No such subscription: {id}, it has ended.", code="resource_missing")
    changes = merge(found, {name: params[name] for name in _PLAIN if name in params})
    changes |= _endings(world, found, params)
    items = params.get("items")
    changed = world.change(found, None if items else UPDATED, **changes)
    if items:
        changed = _change_items(world, changed, found, params)
    if params.get("trial_end") == "now" and changed["status"] == "trialing":
        return _begin_now(world, changed, UPDATED, "subscription_update")
    return changed


def _endings(world: World, found: Json, params: Json) -> Json:
    now = world.now(found["customer"])
    told: Json = {}
    if "cancel_at_period_end" in params:
        wanted = bool(params["cancel_at_period_end"])
        told |= {"cancel_at": bounds(found)[1] if wanted else None}
        told |= {"canceled_at": now if wanted else None}
    if "cancel_at" in params:
        told |= {"cancel_at": params["cancel_at"], "canceled_at": params["cancel_at"] and now}
    return told


def _change_items(world: World, changed: Json, before: Json, params: Json) -> Json:
    now = world.now(changed["customer"])
    items = [dict(one) for one in changed["items"]["data"]]
    start, end = bounds(changed)
    for given in params["items"]:
        _apply(world, items, given, id=changed["id"], now=now)
    listed = _listed(changed["id"], [one | _period(start, end) for one in items])
    done = world.change(before | changed, UPDATED, items=listed)
    prorates = params.get("proration_behavior") or "create_prorations"
    if prorates != "none" and done["status"] != "trialing":
        _prorate(world, before, done, now)
    if prorates == "always_invoice":
        invoices.try_to_pay(world, bill(world, done, [], "subscription_update")["id"])
    return world.get(KIND, done["id"])


def _apply(world: World, items: list[Json], given: Json, *, id: str, now: int) -> None:
    """Change, add or take away one item."""
    place = next((at for at, one in enumerate(items) if one["id"] == given.get("id")), None)
    if given.get("id") and place is None:
        raise no_such("subscription_item", given["id"], param="items[0][id]")
    if place is None:
        items.append(_item(world, id, given, now))
    elif given.get("deleted"):
        items.pop(place)
    else:
        old = items[place]
        wanted = {"price": old["price"]["id"], "quantity": old.get("quantity")} | given
        items[place] = _item(world, id, wanted, now) | {"id": old["id"], "created": old["created"]}


def _prorate(world: World, before: Json, after: Json, now: int) -> None:
    """Give back what is left of the old items, and charge the new ones for as long, by seconds."""
    start, end = bounds(after)
    left = Decimal(end - now) / Decimal(end - start)
    for sign, word, one in ((-1, "Unused time on", before), (1, "Remaining time on", after)):
        for item in licensed(one):
            amount = sign * amount_of(item["price"], Decimal(item["quantity"]))
            wanted: Json = {
                "amount": round_minor(amount * left),
                "currency": item["price"]["currency"],
                "customer": after["customer"],
                "description": f"{word} {item['quantity']} of {item['price']['id']}",
                "parent": parent_of(after),
                "period": {"start": now, "end": end},
                "proration": True,
            }
            invoices.add_item(world, wanted)


def cancel(world: World, params: Json, id: str) -> Json:
    """End a subscription now."""
    found = world.get(KIND, id)
    if found["status"] in {"canceled", "incomplete_expired"}:
        raise no_such(KIND, id)
    return end(world, found, details=table(params.get("cancellation_details")))


def end(world: World, found: Json, *, details: Json | None = None) -> Json:
    """End a subscription; what was used and not yet billed is billed."""
    now = world.now(found["customer"])
    usage = [line_for(world, found, item, (bounds(found)[0], now)) for item in metered(found)]
    reason = {"comment": None, "feedback": None, "reason": "cancellation_requested"}
    done = world.change(
        found,
        status="canceled",
        canceled_at=found["canceled_at"] or now,
        ended_at=now,
        cancellation_details=reason | (details or {}),
    )
    world.tell("customer.subscription.deleted", done)
    if any(one["amount"] for one in usage):
        invoices.try_to_pay(world, bill(world, done, usage, "subscription_cycle")["id"])
    return world.get(KIND, done["id"])


def resume(world: World, params: Json, id: str) -> Json:
    """Let a paused subscription go on, with a period that begins now."""
    del params
    found = world.get(KIND, id)
    if found["status"] != "paused":
        raise invalid(f"Subscription {id} is {found['status']}, not paused.")
    return _begin_now(world, found, "customer.subscription.resumed", "subscription_cycle")


def _begin_now(world: World, found: Json, event: str, reason: str) -> Json:
    """Let a subscription be active, with a period that begins and is billed now."""
    now = world.now(found["customer"])
    items = found["items"]["data"]
    until = next_end(items, now, now)
    listed = _listed(found["id"], [one | _period(now, until) for one in items])
    awake = world.change(
        found,
        status="active",
        billing_cycle_anchor=now,
        items=listed,
        trial_end=now if found["status"] == "trialing" else found["trial_end"],
    )
    world.tell(event, awake, before={"status": found["status"]})
    lines = [line_for(world, awake, item, bounds(awake)) for item in licensed(awake)]
    invoices.try_to_pay(world, bill(world, awake, lines, reason)["id"])
    return world.get(KIND, found["id"])


def list_all(world: World, params: Json) -> Json:
    """List subscriptions: without a status, those that have not ended."""
    asked = params.get("status")
    equal = {"customer": params["customer"]} if params.get("customer") else {}
    found = [
        one
        for one in world.every(KIND, **equal)
        if asked == "all" or (one["status"] == asked if asked else one["status"] != "canceled")
    ]
    price = params.get("price")
    found = [one for one in found if not price or _has(one, price)]
    return page(world, found, params)


def _has(one: Json, price: str) -> bool:
    return any(item["price"]["id"] == price for item in one["items"]["data"])


def list_items(world: World, params: Json) -> Json:
    """List the items of a subscription."""
    found = world.get(KIND, params["subscription"], param="subscription")
    return page(world, found["items"]["data"], params)


_ALL, _ONE = "/v1/subscriptions", "/v1/subscriptions/{}"

ROUTES = (
    Route("POST", _ALL, create, "SubscriptionCreateParams"),
    Route("GET", _ALL, list_all, "SubscriptionListParams"),
    Route("GET", f"{_ALL}/search", searching(KIND), "SubscriptionSearchParams"),
    Route("GET", _ONE, retrieving(KIND), "SubscriptionRetrieveParams"),
    Route("POST", _ONE, update, "SubscriptionUpdateParams"),
    Route("DELETE", _ONE, cancel, "SubscriptionCancelParams"),
    Route("POST", f"{_ONE}/resume", resume, "SubscriptionResumeParams"),
    Route("GET", "/v1/subscription_items", list_items, "SubscriptionItemListParams"),
)
