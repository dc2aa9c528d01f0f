"""What is sold, for how much, and how often?"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from solvent.kit.money import round_minor
from solvent.systems.payments.stripe_emulator.fault import invalid, missing
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.search import searching
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    merge,
    retrieving,
)

PRODUCT = "product"
PRICE = "price"
_TIER_FIELDS = ("flat_amount", "unit_amount")


def create_product(world: World, params: Json) -> Json:
    """Make a product, and its first price where one is given."""
    id = params.get("id") or world.new_id("prod")
    if world.store.find(id):
        raise invalid(f"Product already exists: {id}", param="id", code="resource_already_exists")
    defaults: Json = {"active": True, "marketing_features": [], "type": "service"}
    made = world.make(PRODUCT, "prod", defaults | params, id=id, updated=world.now())
    world.tell("product.created", made)
    if params.get("default_price_data"):
        price = create_price(world, params["default_price_data"] | {"product": id})
        made = world.change(made, default_price=price["id"])
    return made


def update_product(world: World, params: Json, id: str) -> Json:
    """Change a product."""
    found = world.get(PRODUCT, id)
    return world.change(found, "product.updated", **merge(found, params), updated=world.now())


def delete_product(world: World, params: Json, id: str) -> Json:
    """Forget a product that has no prices."""
    del params
    found = world.get(PRODUCT, id)
    if world.every(PRICE, product=id):
        raise invalid(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    world.tell("product.deleted", found)
    return world.store.save({"id": id, "object": PRODUCT, "deleted": True})


def create_price(world: World, params: Json) -> Json:
    """Make a price of a product that is there, or is made with it.

    Raises:
        StripeFault: no product, no amount, tiers with gaps, a meter that counts nothing.
    """
    if not params.get("product") and not params.get("product_data"):
        raise missing("product")
    product = params.get("product") or create_product(world, params["product_data"])["id"]
    world.get(PRODUCT, product, param="product")
    recurring = params.get("recurring")
    made = world.make(
        PRICE,
        "price",
        params | _amounts(params),
        product=product,
        active=params.get("active", True) is not False,
        currency=params["currency"].lower(),
        type="recurring" if recurring else "one_time",
        recurring=_recurring(world, recurring) if recurring else None,
        tax_behavior=params.get("tax_behavior") or "unspecified",
    )
    world.tell("price.created", made)
    return made


def _amounts(params: Json) -> Json:
    if params.get("billing_scheme") == "tiered":
        return {"tiers": _tiers(params), "unit_amount": None, "unit_amount_decimal": None}
    amount = _decimal(params, "unit_amount")
    if amount is None:
        raise missing("unit_amount")
    whole = int(amount) if amount == int(amount) else None
    text = format(amount.normalize(), "f")
    return {"billing_scheme": "per_unit", "unit_amount": whole, "unit_amount_decimal": text}


def _decimal(given: Json, name: str) -> Decimal | None:
    told = given.get(f"{name}_decimal")
    told = given.get(name) if told is None else told
    if told is None:
        return None
    try:
        return Decimal(str(told))
    except InvalidOperation:
        raise invalid(f"Invalid decimal: {told}", param=f"{name}_decimal") from None


def _tiers(params: Json) -> list[Json]:
    if not params.get("tiers") or not params.get("tiers_mode"):
        raise missing("tiers" if params.get("tiers_mode") else "tiers_mode")
    tiers = [_tier(one) for one in params["tiers"]]
    if any(one["up_to"] is None for one in tiers[:-1]) or tiers[-1]["up_to"] is not None:
        raise invalid("The last tier, and only it, has up_to=inf.", param="tiers")
    return tiers


def _tier(given: Json) -> Json:
    told: Json = {"up_to": None if given["up_to"] == "inf" else int(given["up_to"])}
    for name in _TIER_FIELDS:
        amount = _decimal(given, name)
        told[f"{name}_decimal"] = None if amount is None else format(amount.normalize(), "f")
        told[name] = int(amount) if amount is not None and amount == int(amount) else None
    return told


def _recurring(world: World, given: Json) -> Json:
    meter = given.get("meter")
    usage = given.get("usage_type") or "licensed"
    if meter and world.get("billing.meter", meter, param="recurring[meter]")["status"] != "active":
        raise invalid(f"The meter {meter} is inactive.", param="recurring[meter]")
    if (usage == "metered") != bool(meter):
        word = "A price of usage_type metered, and only such a one, names its meter."
        raise invalid(word, param="recurring[meter]")
    return {
        "interval": given["interval"],
        "interval_count": given.get("interval_count") or 1,
        "meter": meter,
        "trial_period_days": None,
        "usage_type": usage,
    }


def amount_of(price: Json, quantity: Decimal) -> int:
    """Return what a quantity costs at a price, in minor units."""
    packs = price.get("transform_quantity")
    if packs:
        each, rest = divmod(quantity, packs["divide_by"])
        quantity = each + (1 if rest and packs["round"] == "up" else 0)
    if price["billing_scheme"] == "per_unit":
        return round_minor(Decimal(price["unit_amount_decimal"]) * quantity)
    if price["tiers_mode"] == "volume":
        tier = next(one for one in price["tiers"] if _reaches(one, quantity))
        return round_minor(_of_tier(tier, quantity))
    return round_minor(_graduated(price["tiers"], quantity))


def _reaches(tier: Json, quantity: Decimal) -> bool:
    return tier["up_to"] is None or quantity <= tier["up_to"]


def _of_tier(tier: Json, quantity: Decimal) -> Decimal:
    unit = Decimal(tier["unit_amount_decimal"] or 0)
    return unit * quantity + Decimal(tier["flat_amount_decimal"] or 0)


def _graduated(tiers: list[Json], quantity: Decimal) -> Decimal:
    total, below = Decimal(0), Decimal(0)
    for tier in tiers:
        top = quantity if tier["up_to"] is None else min(quantity, Decimal(tier["up_to"]))
        if top > below or not total:
            total += _of_tier(tier, max(top - below, Decimal(0)))
        below = max(below, top)
        if _reaches(tier, quantity):
            break
    return total


def update_price(world: World, params: Json, id: str) -> Json:
    """Change what may be changed of a price."""
    found = world.get(PRICE, id)
    return world.change(found, "price.updated", **merge(found, params))


def list_prices(world: World, params: Json) -> Json:
    """List prices, also by their lookup keys."""
    keys = params.get("lookup_keys")
    told = listing(PRICE, "product", "currency", "type", "active")(world, params)
    if keys:
        told["data"] = [one for one in told["data"] if one["lookup_key"] in keys]
    return told


ROUTES = (
    Route("POST", "/v1/products", create_product, "ProductCreateParams"),
    Route("GET", "/v1/products", listing(PRODUCT, "active"), "ProductListParams"),
    Route("GET", "/v1/products/search", searching(PRODUCT), "ProductSearchParams"),
    Route("GET", "/v1/products/{}", retrieving(PRODUCT), "ProductRetrieveParams"),
    Route("POST", "/v1/products/{}", update_product, "ProductUpdateParams"),
    Route("DELETE", "/v1/products/{}", delete_product, "ProductDeleteParams"),
    Route("POST", "/v1/prices", create_price, "PriceCreateParams"),
    Route("GET", "/v1/prices", list_prices, "PriceListParams"),
    Route("GET", "/v1/prices/search", searching(PRICE), "PriceSearchParams"),
    Route("GET", "/v1/prices/{}", retrieving(PRICE), "PriceRetrieveParams"),
    Route("POST", "/v1/prices/{}", update_price, "PriceUpdateParams"),
)
