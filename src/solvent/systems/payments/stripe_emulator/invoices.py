"""What is a customer billed, and was it paid?"""

from __future__ import annotations

from decimal import Decimal

from solvent.systems.payments.stripe_emulator import payment_intents
from solvent.systems.payments.stripe_emulator.fault import CardDeclined, invalid, missing
from solvent.systems.payments.stripe_emulator.plain import Json, part
from solvent.systems.payments.stripe_emulator.prices import amount_of
from solvent.systems.payments.stripe_emulator.search import searching
from solvent.systems.payments.stripe_emulator.world import (
    Route,
    World,
    listing,
    merge,
    page,
    retrieving,
)

KIND = "invoice"
ITEM = "invoiceitem"
PAYMENT = "invoice_payment"
DRAFT_FOR_S = 3_600
"""A renewal's invoice stays a draft for an hour, so that lines can be added to it."""
RETRY_AFTER_DAYS = (3, 5, 7)
_DAY_S = 86_400


def line(world: World, given: Json) -> Json:
    """Return a line; `given` has its amount, currency and period at least."""
    amount = given["amount"]
    own: Json = {"id": world.new_id("il"), "object": "line_item", "livemode": False}
    empty: Json = {
        "description": None,
        "discount_amounts": [],
        "discountable": not given.get("proration"),
        "discounts": [],
        "metadata": {},
        "parent": None,
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "quantity_decimal": str(given.get("quantity", 1)),
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
    }
    return own | empty | {name: given[name] for name in given if name != "proration"}


def pricing(price: Json) -> Json:
    """Return which price a line is for."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def draft(world: World, customer: str, lines: list[Json], **told: object) -> Json:
    """Keep a new draft with these lines, and with what waited for the customer's next one."""
    found = world.get("customer", customer, param="customer")
    waiting = world.every(ITEM, customer=customer, invoice=None)
    lines = [*lines, *(line_of_item(world, one) for one in reversed(waiting))]
    now = world.now(customer)
    currency = lines[0]["currency"] if lines else found["currency"] or "usd"
    base: Json = {
        "account_country": "US",
        "auto_advance": True,
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "customer": customer,
        "customer_email": found["email"],
        "customer_name": found["name"],
        "period_start": now,
        "period_end": now,
        "status": "draft",
        "issuer": {"type": "self"},
    }
    id = world.new_id("in")
    amounts = _amounts(id, lines)
    made = world.make(KIND, "in", base | amounts | told, id=id, currency=currency, created=now)
    for one in waiting:
        world.change(one, invoice=id)
    world.tell("invoice.created", made)
    return made


def _amounts(id: str, lines: list[Json]) -> Json:
    lines = [one | {"invoice": id} for one in lines]
    total = sum(one["amount"] for one in lines)
    due = max(total, 0)
    listed = {"object": "list", "data": lines, "has_more": False, "url": f"/v1/invoices/{id}/lines"}
    return {
        "lines": listed | {"total_count": len(lines)},
        "subtotal": total,
        "subtotal_excluding_tax": total,
        "total": total,
        "total_excluding_tax": total,
        "amount_due": due,
        "amount_remaining": due,
    }


def line_of_item(world: World, item: Json) -> Json:
    """Return the line that an invoice item becomes."""
    details: Json = {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "proration_details": None,
        "subscription": _subscription_of(item),
    }
    parent = {
        "type": "invoice_item_details",
        "invoice_item_details": details,
        "subscription_item_details": None,
    }
    kept = ("amount", "currency", "description", "metadata", "period", "quantity", "pricing")
    return line(world, {name: item[name] for name in kept} | {"parent": parent})


def _subscription_of(one: Json) -> str | None:
    return part(part(one, "parent"), "subscription_details").get("subscription")


def add_item(world: World, params: Json) -> Json:
    """Keep something to be billed with the customer's next invoice, or a draft that is named."""
    customer = world.get("customer", params["customer"], param="customer")["id"]
    now = world.now(customer)
    priced = _priced(world, params)
    made = world.make(
        ITEM,
        "ii",
        {"description": params.get("description"), "metadata": params.get("metadata")} | priced,
        customer=customer,
        date=now,
        created=now,
        discountable=not params.get("proration"),
        invoice=params.get("invoice"),
        period=params.get("period") or {"start": now, "end": now},
        proration=bool(params.get("proration")),
        parent=params.get("parent"),
    )
    world.tell("invoiceitem.created", made)
    if params.get("invoice"):
        _extend(world, world.get(KIND, params["invoice"], param="invoice"), made)
    return made


def _priced(world: World, params: Json) -> Json:
    named = part(params, "pricing").get("price")
    quantity = params.get("quantity") or 1
    both: Json = {"quantity": quantity, "quantity_decimal": str(quantity)}
    if named:
        price = world.get("price", named, param="pricing[price]")
        amount = amount_of(price, Decimal(quantity))
        return both | {"amount": amount, "currency": price["currency"], "pricing": pricing(price)}
    if params.get("amount") is None:
        raise missing("amount")
    currency = (params.get("currency") or "usd").lower()
    return both | {"amount": params["amount"], "currency": currency, "pricing": None}


def _extend(world: World, found: Json, item: Json) -> None:
    if found["status"] != "draft":
        raise invalid("This invoice is no longer editable", code="invoice_not_editable")
    lines = [*found["lines"]["data"], line_of_item(world, item)]
    world.change(found, "invoice.updated", **_amounts(found["id"], lines))


def create(world: World, params: Json) -> Json:
    """Make a draft by hand."""
    if not params.get("customer"):
        raise missing("customer")
    plain = ("description", "footer", "metadata", "auto_advance", "collection_method")
    told = {name: params[name] for name in plain if params.get(name) is not None}
    return draft(world, params["customer"], [], **({"auto_advance": False} | told))


def update(world: World, params: Json, id: str) -> Json:
    """Change a draft; of an invoice that is final its metadata."""
    found = world.get(KIND, id)
    return world.change(found, "invoice.updated", **merge(found, params))


def finalize(world: World, params: Json, id: str) -> Json:
    """Give a draft its number: from now on it can be paid, and not be changed."""
    del params
    found = _must_be(world.get(KIND, id), "draft")
    customer = world.get("customer", found["customer"])
    number = customer["next_invoice_sequence"] + 1
    world.change(customer, next_invoice_sequence=number)
    now = world.now(found["customer"])
    done = world.change(
        found,
        status="open",
        number=f"{customer['invoice_prefix']}-{number - 1:04}",
        automatically_finalizes_at=None,
        effective_at=now,
        hosted_invoice_url=f"{world.url}/i/{id}",
        status_transitions=found["status_transitions"] | {"finalized_at": now},
    )
    world.tell("invoice.finalized", done)
    if done["amount_due"] == 0:
        return settle(world, done)
    return _ask(world, done)


def _ask(world: World, found: Json) -> Json:
    """Make the payment intent that is to pay an invoice."""
    wanted = {
        "amount": found["amount_due"],
        "currency": found["currency"],
        "customer": found["customer"],
        "setup_future_usage": "off_session",
        "description": "Subscription update" if _subscription_of(found) else None,
    }
    intent = payment_intents.create(world, wanted)
    world.store.save(intent | {"_invoice": found["id"]})
    world.make(
        PAYMENT,
        "inpay",
        {"amount_requested": found["amount_due"], "currency": found["currency"]},
        created=intent["created"],
        invoice=found["id"],
        is_default=True,
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
        status="open",
    )
    return world.store.save(found | {"_payment_intent": intent["id"]})


def pay(world: World, params: Json, id: str) -> Json:
    """Pay an invoice that is open, by the card named or the customer's; raises CardDeclined."""
    found = world.get(KIND, id)
    if found["status"] == "draft":
        found = finalize(world, {}, id)
    if found["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    _must_be(found, "open")
    if params.get("paid_out_of_band"):
        return settle(world, found)
    card = params.get("payment_method") or card_of(world, found)
    if card is None:
        attempted(world, found, "There is no default payment method set on this Customer.")
        raise invalid(
            "There is no default payment method set on this Customer or Subscription.",
            code="invoice_payment_intent_requires_action",
        )
    try:
        charge_with = {"payment_method": card, "off_session": True}
        payment_intents.confirm(world, charge_with, found["_payment_intent"])
    except CardDeclined as declined:
        attempted(world, world.get(KIND, id), declined.error["code"])
        raise
    return world.get(KIND, id)


def try_to_pay(world: World, id: str) -> Json:
    """Pay an invoice if that is possible now; what comes of it is told by events."""
    found = world.get(KIND, id)
    if found["status"] == "draft":
        found = finalize(world, {}, id)
    if found["status"] != "open" or found["collection_method"] == "send_invoice":
        return found
    if card_of(world, found) is None:
        return attempted(world, found, "no_payment_method")
    try:
        return pay(world, {}, id)
    except CardDeclined:
        return world.get(KIND, id)


def card_of(world: World, found: Json) -> str | None:
    """Return by which card an invoice would be paid."""
    id = _subscription_of(found)
    subscription = world.store.find(id) if id else None
    named = found["default_payment_method"] or (subscription or {}).get("default_payment_method")
    if named:
        return named
    return part(world.get("customer", found["customer"]), "invoice_settings").get(
        "default_payment_method"
    )


def attempted(world: World, found: Json, code: str) -> Json:
    """Count an attempt that failed, and say when the next one is due."""
    count = found["attempt_count"] + 1
    now = world.now(found["customer"])
    renews = found["billing_reason"] == "subscription_cycle"
    pauses = RETRY_AFTER_DAYS[count - 1 : count] if renews else ()
    due = now + pauses[0] * _DAY_S if pauses else None
    failed = world.change(found, attempt_count=count, attempted=True, next_payment_attempt=due)
    world.tell("invoice.payment_failed", failed)
    if code == "authentication_required":
        world.tell("invoice.payment_action_required", failed)
    subscription = world.store.find(_subscription_of(found) or "")
    if subscription and subscription["status"] == "active":
        world.change(subscription, "customer.subscription.updated", status="past_due")
    return failed


def settle(world: World, found: Json) -> Json:
    """Let an invoice be paid, and the subscription that waited for it be active."""
    now = world.now(found["customer"])
    paid = world.change(
        found,
        status="paid",
        amount_paid=found["amount_due"],
        amount_remaining=0,
        attempted=True,
        attempt_count=found["attempt_count"] + int(found["amount_due"] > 0),
        next_payment_attempt=None,
        status_transitions=found["status_transitions"] | {"paid_at": now},
    )
    for one in world.every(PAYMENT, invoice=found["id"]):
        times = one["status_transitions"] | {"paid_at": now}
        done = world.change(
            one, status="paid", amount_paid=one["amount_requested"], status_transitions=times
        )
        world.tell("invoice_payment.paid", done)
    world.tell("invoice.paid", paid)
    world.tell("invoice.payment_succeeded", paid)
    subscription = world.store.find(_subscription_of(found) or "")
    if subscription and subscription["status"] in {"incomplete", "past_due", "unpaid"}:
        world.change(subscription, "customer.subscription.updated", status="active")
    return paid


def on_paid(world: World, intent: Json) -> None:
    """Let the invoice be paid whose payment intent has succeeded."""
    found = world.store.find(intent.get("_invoice") or "")
    if found and found["status"] == "open":
        settle(world, found)


def void(world: World, params: Json, id: str) -> Json:
    """Take an invoice back: it is as if it had never been."""
    del params
    return _end(world, id, "void", "voided")


def mark_uncollectible(world: World, params: Json, id: str) -> Json:
    """Give an invoice up."""
    del params
    return _end(world, id, "uncollectible", "marked_uncollectible")


def _end(world: World, id: str, status: str, word: str) -> Json:
    found = _must_be(world.get(KIND, id), "open")
    times = found["status_transitions"] | {f"{word}_at": world.now(found["customer"])}
    done = world.change(found, status=status, status_transitions=times, next_payment_attempt=None)
    world.tell(f"invoice.{word}", done)
    return done


def _must_be(found: Json, status: str) -> Json:
    if found["status"] != status:
        word = f"This invoice is {found['status']}; it must be {status} for that."
        raise invalid(word, code="invoice_not_editable")
    return found


def delete(world: World, params: Json, id: str) -> Json:
    """Forget a draft."""
    del params
    world.tell("invoice.deleted", _must_be(world.get(KIND, id), "draft"))
    world.store.drop(id)
    return {"id": id, "object": KIND, "deleted": True}


def list_invoices(world: World, params: Json) -> Json:
    """List invoices by customer, subscription and status."""
    asked = params.get("subscription")
    equal = {name: params[name] for name in ("customer", "status") if params.get(name)}
    found = [
        one for one in world.every(KIND, **equal) if not asked or _subscription_of(one) == asked
    ]
    return page(world, found, params)


def list_lines(world: World, params: Json, id: str) -> Json:
    """List an invoice's lines."""
    return page(world, world.get(KIND, id)["lines"]["data"], params)


def list_payments(world: World, params: Json) -> Json:
    """List the payments of an invoice, or the one that is a payment intent's."""
    intent = part(params, "payment").get("payment_intent")
    equal = {name: params[name] for name in ("invoice", "status") if params.get(name)}
    found = [
        one
        for one in world.every(PAYMENT, **equal)
        if not intent or one["payment"]["payment_intent"] == intent
    ]
    return page(world, found, params)


_ONE = "/v1/invoices/{}"

ROUTES = (
    Route("POST", "/v1/invoices", create, "InvoiceCreateParams"),
    Route("GET", "/v1/invoices", list_invoices, "InvoiceListParams"),
    Route("GET", "/v1/invoices/search", searching(KIND), "InvoiceSearchParams"),
    Route("GET", _ONE, retrieving(KIND), "InvoiceRetrieveParams"),
    Route("POST", _ONE, update, "InvoiceUpdateParams"),
    Route("DELETE", _ONE, delete, "InvoiceDeleteParams"),
    Route("GET", f"{_ONE}/lines", list_lines, "InvoiceListLinesParams"),
    Route("POST", f"{_ONE}/finalize", finalize, "InvoiceFinalizeInvoiceParams"),
    Route("POST", f"{_ONE}/pay", pay, "InvoicePayParams"),
    Route("POST", f"{_ONE}/void", void, "InvoiceVoidInvoiceParams"),
    Route(
        "POST",
        f"{_ONE}/mark_uncollectible",
        mark_uncollectible,
        "InvoiceMarkUncollectibleParams",
    ),
    Route("POST", "/v1/invoiceitems", add_item, "InvoiceItemCreateParams"),
    Route("GET", "/v1/invoiceitems", listing(ITEM, "customer", "invoice"), "InvoiceItemListParams"),
    Route("GET", "/v1/invoiceitems/{}", retrieving(ITEM), "InvoiceItemRetrieveParams"),
    Route("GET", "/v1/invoice_payments", list_payments, "InvoicePaymentListParams"),
    Route("GET", "/v1/invoice_payments/{}", retrieving(PAYMENT), "InvoicePaymentRetrieveParams"),
)
