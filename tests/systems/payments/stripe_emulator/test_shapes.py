"""Have the emulator's objects the shapes of Stripe's, by its client's types and its own document?

Both are generated from Stripe's OpenAPI document: the client's types are its newest version and are
always checked. The document itself comes from npm by `make stripe-openapi`; npm's copy is some
years old, so what it knows is checked and what has changed since is named below.
"""

import json

import pytest
import source
import stripe
import stripe_shapes

from solvent.systems.payments.stripe_emulator.expand import render
from solvent.systems.payments.stripe_emulator.routes import ROUTES
from solvent.systems.payments.stripe_emulator.shapes import object_shape, version

DOCUMENT = source.ROOT / "build" / "stripe-openapi" / "stripe.json"
KINDS = {name.rpartition(".")[2] for name in stripe_shapes.KINDS}
TYPES = {
    "str": str,
    "int": int,
    "bool": bool,
    "map": dict,
    "list": dict,
    "ref": (str, dict),
    "decimal": str,
    "number": (int, float),
}
CHANGED = {
    "checkout.session.ui_mode",  # hosted is hosted_page since
    "invoice.billing_reason",
    "invoice.issuer",
    "event.request",
    "line_item.parent",
    "invoiceitem.parent",
    "payment_method.card.networks",
    "dispute.payment_method_details",
    "dispute.evidence",  # every text of it is left out, not null
    "dispute.evidence_details.enhanced_eligibility",
    "payment_intent.payment_method_options",
    "payment_intent.last_payment_error.payment_method",
    "refund.destination_details",
    "subscription.trial_settings",
}


@pytest.fixture(scope="module")
def account(request):
    """Everything that an account can hold, made by Stripe's client."""
    from solvent.systems.payments.stripe_emulator.emulator import StripeEmulator

    with StripeEmulator() as emulator:
        emulator.listen("http://127.0.0.1:9/", events=["none.such"])
        live(
            emulator,
            stripe.StripeClient(emulator.api_key, base_addresses={"api": emulator.url}).v1,
        )
        yield emulator


def live(emulator, client):
    clock = client.test_helpers.test_clocks.create({"frozen_time": 1_790_000_000})
    ada = client.customers.create({"email": "ada@example.com", "test_clock": clock.id})
    card = client.payment_methods.attach("pm_card_visa", {"customer": ada.id})
    client.customers.update(
        ada.id, {"invoice_settings": {"default_payment_method": card.id}, "name": "Ada"}
    )
    meter = client.billing.meters.create(
        {"display_name": "C", "event_name": "c", "default_aggregation": {"formula": "sum"}}
    )
    product = client.products.create({"name": "Pro"})
    month = {"interval": "month"}
    base = {"product": product.id, "currency": "usd"}
    flat = client.prices.create(base | {"unit_amount": 2900, "recurring": month})
    metered = {"usage_type": "metered", "meter": meter.id}
    used = client.prices.create(base | {"unit_amount": 2, "recurring": month | metered})
    payload = {"stripe_customer_id": ada.id, "value": "5"}
    client.billing.meter_events.create({"event_name": "c", "payload": payload})
    items = [{"price": flat.id}, {"price": used.id}]
    made = client.subscriptions.create({"customer": ada.id, "items": items})
    change = {"items": [{"id": made["items"].data[0].id, "quantity": 2}]}
    client.subscriptions.update(made.id, change)
    client.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1_793_000_000})
    emulator.let_card_fail(card.id, "insufficient_funds")
    client.test_helpers.test_clocks.advance(clock.id, {"frozen_time": 1_799_000_000})
    emulator.let_card_fail(card.id, None)
    wanted = {"amount": 500, "currency": "usd", "customer": ada.id, "confirm": True}
    intent = client.payment_intents.create(wanted | {"payment_method": card.id})
    client.refunds.create({"payment_intent": intent.id, "amount": 100})
    emulator.dispute(client.payment_intents.create(wanted | {"payment_method": card.id}).id)
    asks = wanted | {"payment_method": "pm_card_authenticationRequired"}
    client.payment_intents.create(asks)
    client.setup_intents.create({"customer": ada.id, "payment_method": card.id, "confirm": True})
    session = client.checkout.sessions.create(
        {
            "mode": "subscription",
            "line_items": [{"price": flat.id, "quantity": 1}],
            "success_url": "https://app.example.com/",
        }
    )
    emulator.pay(session.id)
    client.billing_portal.sessions.create({"customer": ada.id})
    client.invoice_items.create({"customer": ada.id, "amount": 100, "currency": "usd"})


def everything(emulator):
    for kind in sorted(stripe_kinds()):
        for one in emulator.world.every(kind):
            yield render(one)
    for event in {one["type"]: one for one in emulator.events()}.values():
        yield event["data"]["object"]


def stripe_kinds():
    return {stripe_shapes.object_shape(name)[0] for name in stripe_shapes.KINDS}


def odd_parts(shape, value, where):
    """Yield where a value is not of its shape."""
    if not isinstance(shape, dict):
        yield from odd_leaf(shape, value, where)
    elif "|" in shape:
        if all(list(odd_parts(one, value, where)) for one in shape["|"]):
            yield f"{where}: none of the alternatives"
    elif not isinstance(value, list if "[]" in shape else dict):
        yield f"{where}: {value!r} is no list or table"
    elif "[]" in shape:
        for one in value:
            yield from odd_parts(shape["[]"], one, f"{where}[]")
    else:
        yield from odd_fields(shape, value, where)


def odd_leaf(shape, value, where):
    if isinstance(shape, list):
        if value not in shape:
            yield f"{where}: {value!r} is none of {shape}"
    elif shape != "any" and (
        not isinstance(value, TYPES[shape]) or (shape == "int" and isinstance(value, bool))
    ):
        yield f"{where}: {value!r} is no {shape}"


def odd_fields(shape, value, where):
    names = {field.removesuffix("?"): field for field in shape}
    for name in value:
        if name not in names:
            yield f"{where}.{name}: unknown"
    for name, field in names.items():
        if value.get(name) is not None:
            yield from odd_parts(shape[field], value[name], f"{where}.{name}")
        elif field == name:
            yield f"{where}.{name}: missing"


def test_every_object_has_the_fields_and_types_of_stripes_client(account):
    seen, odd = set(), set()
    for one in everything(account):
        if one.get("deleted"):
            continue
        seen.add(one["object"])
        odd |= set(odd_parts(object_shape(one["object"]), one, one["object"]))
    assert not odd, sorted(odd)
    unseen = {"coupon", "billing_portal.configuration", "billing.meter_event_adjustment"}
    embedded = {"line_item", "subscription_item", "billing.meter_event_summary"}
    assert stripe_kinds() - seen <= unseen | embedded


@pytest.mark.parametrize(
    "damage",
    [
        {"status": "great"},
        {"amount": "500"},
        {"currency": None},
        {"surprise": 1},
        {"payment_method_types": "card"},
        {"last_payment_error": {"type": "odd"}},
    ],
)
def test_a_wrong_shape_is_noticed(account, damage):
    [one, *_] = account.world.every("payment_intent")
    shape = object_shape("payment_intent")
    assert not list(odd_parts(shape, render(one), ""))
    assert list(odd_parts(shape, render(one) | damage, ""))


def test_the_shapes_are_those_of_the_client_that_is_installed():
    assert stripe_shapes.TARGET.read_text(encoding="utf-8") == stripe_shapes.render()
    assert version() == stripe.api_version


def test_every_address_of_the_api_reads_parameters_by_their_types():
    assert {one.path for one in ROUTES if not one.params} == {
        one.path for one in ROUTES if one.path.startswith("/_emulator")
    }


# ---------------------------------------------------------------------------- Stripe's own document


@pytest.fixture(scope="module")
def schemas():
    if not DOCUMENT.is_file():
        pytest.skip("Stripe's OpenAPI document is not here: `make stripe-openapi` fetches it")
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))["components"]["schemas"]


def breaks(schemas, schema, value, where):
    """Yield where a value breaks a schema of OpenAPI 3.0, in the fields that both know."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if where in CHANGED or (value is None and schema.get("nullable")):
        return
    if "anyOf" in schema:
        if all(list(breaks(schemas, one, value, where)) for one in schema["anyOf"]):
            yield f"{where}: {str(value)[:60]!r} is none of its alternatives"
        return
    if problem := broken(schema, value):
        yield f"{where}: {problem}"
    elif isinstance(value, list):
        for one in value:
            yield from breaks(schemas, schema.get("items", {}), one, where)
    elif isinstance(value, dict):
        for name in value.keys() & schema.get("properties", {}).keys():
            yield from breaks(schemas, schema["properties"][name], value[name], f"{where}.{name}")


JSON_TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def broken(schema, value):
    kind = JSON_TYPES.get(schema.get("type"), object)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return f"{str(value)[:60]!r} is no {schema.get('type')}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r} is none of {schema['enum'][:8]}"
    if len(str(value)) > schema.get("maxLength", 10**9) and isinstance(value, str):
        return f"more than {schema['maxLength']} characters"
    return None


def test_every_object_fits_stripes_own_document(account, schemas):
    found = {
        problem
        for one in everything(account)
        if one["object"] in schemas and not one.get("deleted")
        for problem in breaks(schemas, schemas[one["object"]], one, one["object"])
    }
    assert not found, "\n".join(sorted(found))


def test_what_is_required_there_and_still_there_is_never_missing(account, schemas):
    missing = {
        f"{one['object']}.{name}"
        for one in everything(account)
        if one["object"] in schemas and not one.get("deleted")
        for name in schemas[one["object"]].get("required", [])
        if name not in one and {name, name + "?"} & object_shape(one["object"]).keys()
    }
    assert not missing
