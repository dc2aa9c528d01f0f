"""Which fields has an object of Stripe's, and which parameters has a request?

`shapes.json` says it, made from the types of Stripe's own client by `make stripe-shapes`. A field
that ends in `?` may be null or left out.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from solvent.systems.payments.stripe_emulator.fault import (
    StripeFault,
    invalid,
    missing,
    unknown,
)
from solvent.systems.payments.stripe_emulator.plain import Json, items, table

Shape = Any

ABSENT: Mapping[str, str] = {
    "charge": "authorization_code level3 presentment_details radar_options transfer",
    "checkout.session": "allowed_payment_method_types branding_settings line_items"
    " excluded_payment_method_types name_collection optional_items presentment_details"
    " redirect_on_completion return_url tax_id_collection",
    "coupon": "applies_to currency_options deleted",
    "customer": "business_name cash_balance customer_account deleted individual_name sources"
    " invoice_credit_balance subscriptions tax tax_ids",
    "dispute": "intended_submission_method network_reason_code",
    "event": "account context",
    "invoice": "amount_paid_off_stripe confirmation_secret deleted payments status_details"
    " threshold_reason",
    "invoiceitem": "deleted frozen_fields invoicing_rules proration_details",
    "payment_intent": "allowed_payment_method_types hooks payment_details payment_record"
    " presentment_details",
    "price": "currency_options deleted tiers",
    "product": "deleted tax_details",
    "refund": "description failure_balance_transaction failure_reason instructions_email"
    " next_action pending_reason presentment_details",
    "setup_intent": "allowed_payment_method_types attach_to_self managed_payments",
    "subscription": "presentment_details status_details",
    "subscription_item": "billed_until current_trial deleted",
    "test_helpers.test_clock": "deleted",
    "webhook_endpoint": "deleted secret",
}
"""Fields that Stripe leaves out where they say nothing; all others are null then."""
ABSENT_PARTS = {
    "charge.outcome.advice_code",
    "charge.outcome.rule",
    "checkout.session.total_details.breakdown",
    "event.data.previous_attributes",
    "payment_intent.amount_details.tip.amount",
}
"""Such fields within objects."""
PRESENT: Mapping[str, str] = {"payment_method": "allow_redisplay customer customer_account"}
"""Kinds of which most fields are left out, one for each way to pay: which are not."""


@cache
def _told() -> Json:
    return json.loads((Path(__file__).parent / "shapes.json").read_text(encoding="utf-8"))


def version() -> str:
    """Return the version of the API whose shapes these are."""
    return str(_told()["version"])


def object_shape(kind: str) -> dict[str, Shape]:
    """Return the fields of a kind of object."""
    return _told()["objects"][kind]


def complete(kind: str, given: Json) -> Json:
    """Return an object with every field that Stripe's has: what is not given is null or empty.

    Fields that the kind has not are left out, so that parameters can be given as they are.

    Raises:
        KeyError: a field without which the object says nothing is not given.
    """
    shape = {
        field: one
        for field, one in object_shape(kind).items()
        if given.get(field.removesuffix("?")) is not None or not _may_be_left_out(kind, field)
    }
    return _filled(shape, {"object": kind, "livemode": False, **given}, kind)


def _may_be_left_out(kind: str, field: str) -> bool:
    name = field.removesuffix("?")
    if kind in PRESENT:
        return name != field and name not in PRESENT[kind].split()
    return name in ABSENT.get(kind, "").split()


def _filled(shape: dict[str, Shape], given: Json, where: str) -> Json:
    told: Json = {}
    for field, one in shape.items():
        name = field.removesuffix("?")
        place = f"{where}.{name}"
        if place in ABSENT_PARTS and given.get(name) is None:
            continue
        if name in given:
            told[name] = _whole(one, given[name], place)
        else:
            may_be_null = name not in {field, "metadata"}
            told[name] = None if may_be_null else _empty(one, place)
    return told


def _whole(shape: Shape, value: object, where: str) -> object:
    """Return a value with the parts of it filled in, too."""
    fields, given = table(shape), table(value)
    if fields is None or given is None or {"[]", "|"} & fields.keys():
        return value
    return _filled(fields, given, where)


def _empty(shape: Shape, where: str) -> object:
    if (fields := table(shape)) is not None:
        if "|" in fields:
            return _empty(fields["|"][0], where)
        return [] if "[]" in fields else _filled(fields, {}, where)
    told: dict[str, object] = {"map": {}, "any": {}, "bool": False, "int": 0, "list": _LIST}
    if not isinstance(shape, str) or shape not in told:
        raise KeyError(where)
    return copy.deepcopy(told[shape])


_LIST: Json = {"object": "list", "data": [], "has_more": False, "url": ""}


def read_params(name: str, given: Json) -> Json:
    """Return the parameters of a request with the types that they have at Stripe.

    Raises:
        StripeFault: one is missing, unknown, or not of its type.
    """
    return _read_table(_told()["params"][name], given, "")


def _read_table(shape: dict[str, Shape], given: Json, where: str) -> Json:
    types = {field.removesuffix("?"): one for field, one in shape.items()}
    for name in given:
        if name not in types:
            raise unknown(_path(where, name))
    for field in shape:
        if not field.endswith("?") and given.get(field) in _UNSET:
            raise missing(_path(where, field))
    return {name: _read(types[name], value, _path(where, name)) for name, value in given.items()}


def _path(where: str, name: str) -> str:
    return f"{where}[{name}]" if where else name


def _read(shape: Shape, value: object, where: str) -> object:
    if value == "":
        return None
    if (fields := table(shape)) is not None:
        return _read_part(fields, value, where)
    if (names := items(shape)) is not None:
        return _one_of(names, value, where)
    if shape == "map":
        return _flat(value, where)
    if shape in {"str", "decimal"} and not isinstance(value, str | int):
        raise invalid("Invalid string", param=where)
    return _ATOMS[shape](value, where) if shape in _ATOMS else value


def _flat(value: object, where: str) -> object:
    """Return a table of texts, as metadata is."""
    given = table(value)
    if given is None:
        raise invalid("Invalid hash", param=where)
    for name, one in given.items():
        if not isinstance(one, str):
            raise invalid("Invalid string", param=f"{where}[{name}]")
    return given


def _read_part(shape: dict[str, Shape], value: object, where: str) -> object:
    if "|" in shape:
        return _read_either(shape["|"], value, where)
    if "[]" in shape:
        parts = items(value)
        if parts is None:
            raise invalid("Invalid array", param=where)
        return [_read(shape["[]"], one, f"{where}[{at}]") for at, one in enumerate(parts)]
    given = table(value)
    if given is None:
        raise invalid("Invalid object", param=where)
    return _read_table(shape, given, where)


def _read_either(shapes: list[Shape], value: object, where: str) -> object:
    """Return the value as the first of these that it can be; raise what the last one says."""
    *others, last = shapes
    for shape in others:
        try:
            return _read(shape, value, where)
        except StripeFault:
            continue
    return _read(last, value, where)


def _one_of(names: list[str], value: object, where: str) -> object:
    if value not in names:
        listing = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
        raise invalid(f"Invalid {where}: must be one of {listing}", param=where)
    return value


def _integer(value: object, where: str) -> int:
    text = str(value)
    if isinstance(value, bool) or not text.removeprefix("-").isdecimal():
        message = f"Invalid integer: {text[:80]}"
        raise invalid(message, param=where, code="parameter_invalid_integer")
    return int(text)


def _boolean(value: object, where: str) -> bool:
    told = {"true": True, "false": False}.get(str(value).lower())
    if told is None:
        raise invalid(f"Invalid boolean: {str(value)[:80]}", param=where)
    return told


_UNSET = (None, "")
_ATOMS = {"int": _integer, "bool": _boolean}
