"""Which fields and parameters does Stripe's API have, told small enough to stand in the tree?

`make stripe-shapes` reads the types of Stripe's own client (its files are generated from Stripe's
OpenAPI document, MIT) and writes `shapes.json` of the emulator: a field or parameter a line, with a
`?` where it may be null or left out.
"""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import source

from solvent.systems.payments.stripe_emulator.routes import ROUTES

Shape = Any
TARGET = source.SRC / "systems" / "payments" / "stripe_emulator" / "shapes.json"
KINDS = (
    "BalanceTransaction",
    "Charge",
    "Coupon",
    "Customer",
    "Dispute",
    "Event",
    "Invoice",
    "InvoiceItem",
    "InvoiceLineItem",
    "InvoicePayment",
    "PaymentIntent",
    "PaymentMethod",
    "Price",
    "Product",
    "Refund",
    "SetupIntent",
    "Subscription",
    "SubscriptionItem",
    "WebhookEndpoint",
    "billing.Meter",
    "billing.MeterEvent",
    "billing.MeterEventAdjustment",
    "billing.MeterEventSummary",
    "billing_portal.Session",
    "billing_portal.Configuration",
    "checkout.Session",
    "test_helpers.TestClock",
)
NAMES_MAX = 16
"""An enumeration with more values is any text."""
FIELDS_MAX = 45
"""A part (not an object itself) with more fields is any object: one for each way to pay."""
VAST = {
    "payment_method_options",
    "payment_method_details",
    "payment_method_data",
    "payment_details",
    "flow_data",
    "hooks",
    "issuing_card",
    "next_action",
    "destination_details",
    "evidence",
    "features",
    "level3",
    "networks",
    "presentment_details",
    "shipping",
    "tax",
    "managed_payments",
    "wallet",
}
ATOMS = {"str": "str", "int": "int", "bool": "bool", "float": "number", "Decimal": "decimal"}


def main() -> int:
    """Write the file if it differs; say so."""
    text = render()
    if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != text:
        TARGET.write_text(text, encoding="utf-8")
        print(f"stripe-shapes: wrote {source.name_of(TARGET)} ({len(text):,} bytes)")
    return 0


def render() -> str:
    """Return the file's text, made from the installed client."""
    names = sorted({one.params for one in ROUTES if one.params})
    told: dict[str, Shape] = {
        "source": "Types of Stripe's Python client, (c) Stripe, MIT License; `make stripe-shapes`.",
        "version": version(),
        "objects": dict(sorted(map(object_shape, KINDS))),
        "params": {name: class_shape(*find(name)) for name in names},
    }
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).replace("},", "},\n") + "\n"


def version() -> str:
    """Return the version of the API that the client speaks."""
    tree = parsed(root() / "_api_version.py")
    return next(str(node.value) for node in ast.walk(tree) if is_version(node))


def is_version(node: ast.AST) -> bool:
    """Say whether this constant is the current version: a date and a name."""
    return isinstance(node, ast.Constant) and str(node.value).startswith("20")


@functools.cache
def root() -> Path:
    """Return the folder of the client."""
    found = find_spec("stripe")
    assert found
    assert found.origin
    return Path(found.origin).parent


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def classes(folder: Path, name: str) -> dict[str, ast.ClassDef]:
    """Return the classes of the file that a class has to itself: Invoice in `_invoice.py`."""
    file = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    body = parsed(folder / f"_{file}.py").body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


def find(name: str) -> tuple[ast.ClassDef, dict[str, ast.ClassDef]]:
    """Return a class of parameters, by the name that the client gives it, and its neighbors."""
    *folders, last = name.split(".")
    near = classes(root().joinpath("params", *folders), last)
    return near[last], near


def object_shape(name: str) -> tuple[str, Shape]:
    """Return an object's name in the API and its fields."""
    *folders, last = name.split(".")
    node = classes(root().joinpath(*folders), last)[last]
    shape = class_shape(node, {})
    return shape["object"][0], shape


def class_shape(node: ast.ClassDef, near: dict[str, ast.ClassDef]) -> dict[str, Shape]:
    """Return the fields of a class; those of the request's options are none of the API's."""
    inner = {one.name: one for one in node.body if isinstance(one, ast.ClassDef)}
    told: dict[str, Shape] = {}
    for field in node.body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name, hint = field.target.id.rstrip("_"), unquoted(field.annotation)
        if "ClassVar" in ast.unparse(hint):
            continue
        shape, optional = type_shape(hint, near | inner)
        if name in VAST:
            shape = "any"
        told[name + ("?" if optional else "")] = shape
    return told


def type_shape(hint: ast.expr, near: dict[str, ast.ClassDef]) -> tuple[Shape, bool]:
    """Return a type as the file tells it, and whether it may be null or left out."""
    hint = unquoted(hint)
    if isinstance(hint, ast.Subscript):
        outer, inside = ast.unparse(hint.value), hint.slice
        if outer in {"Optional", "NotRequired"}:
            return type_shape(inside, near)[0], True
        return subscript_shape(outer, inside, near), False
    if isinstance(hint, ast.BinOp):
        return union_shape(members(hint), near), False
    name = ast.unparse(hint)
    if name in ATOMS:
        return ATOMS[name], False
    found = near.get(name)
    if found is None:
        return "any", False
    shape = class_shape(found, near)
    return ("any" if len(shape) > FIELDS_MAX else shape), False


def subscript_shape(outer: str, inside: ast.expr, near: dict[str, ast.ClassDef]) -> Shape:
    if outer == "Literal":
        values = [ast.literal_eval(one) for one in several(inside)]
        return values if len(values) <= NAMES_MAX else "str"
    if outer == "List":
        return {"[]": type_shape(inside, near)[0]}
    if outer == "Union":
        return union_shape(several(inside), near)
    return {"ListObject": "list", "ExpandableField": "ref", "Dict": "map"}.get(
        outer, "map" if outer.endswith("StripeObject") else "any"
    )


def union_shape(parts: list[ast.expr], near: dict[str, ast.ClassDef]) -> Shape:
    """Return the members that tell something: `''` only says that a parameter can be unset."""
    shapes: list[Shape] = []
    for one in parts:
        shape = type_shape(one, near)[0]
        if shape not in [[""], "none", *shapes]:
            shapes.append(shape)
    if any(isinstance(one, list) for one in shapes):
        shapes = [one for one in shapes if one != "str"]  # an enumeration that may grow
    return shapes[0] if len(shapes) == 1 else {"|": shapes}


def members(hint: ast.expr) -> list[ast.expr]:
    if isinstance(hint, ast.BinOp):
        return [*members(hint.left), *members(hint.right)]
    return [hint]


def several(inside: ast.expr) -> list[ast.expr]:
    return list(inside.elts) if isinstance(inside, ast.Tuple) else [inside]


def unquoted(hint: ast.expr) -> ast.expr:
    """Return a type that is written as a text as the type that it means."""
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        return ast.parse(hint.value.strip(), mode="eval").body
    return hint


if __name__ == "__main__":
    sys.exit(main())
