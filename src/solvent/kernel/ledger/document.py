"""How is an invoice written down, so that the same invoice is always the same bytes?

The document of an invoice is canonical JSON: keys sorted, no spaces, UTF-8, decimals as plain text
without trailing zeros, times as RFC 3339 in UTC. Its SHA-256 is the invoice's digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from solvent.kernel.catalogue.model import Proration, StepKind
from solvent.kernel.ledger.errors import DocumentMalformed
from solvent.kernel.ledger.model import (
    AddonHeld,
    Corrected,
    CreditDraft,
    CreditLine,
    CreditTo,
    Discount,
    Evidence,
    InvoiceDraft,
    InvoiceKind,
    InvoiceLine,
    LegalEntity,
    Letterhead,
    LineCorrection,
    LineKind,
    Parties,
    TaxLine,
    TaxRule,
    TierLine,
)
from solvent.kernel.metering.model import Condition
from solvent.kit.clock import format_time, parse_time
from solvent.kit.money import plain_number

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA = 1
"""Raised when the document's meaning changes, so that old documents stay readable."""

Plain: TypeAlias = "str | int | list[Plain] | dict[str, Plain] | None"

T = TypeVar("T")
C = TypeVar("C", bound=StrEnum)


def canonical(draft: InvoiceDraft) -> str:
    """Return the document of a draft: the same draft is always the same text."""
    plain = cast("dict[str, Plain]", to_plain(draft)) | {"schema": SCHEMA}
    return _dump(plain)


def digest(document: str) -> str:
    """Return the SHA-256 of a document as 64 hexadecimal digits."""
    return hashlib.sha256(document.encode()).hexdigest()


def canonical_parties(parties: Parties) -> str:
    """Return the text of the parties, in the same canonical form."""
    return _dump(to_plain(parties))


def canonical_credit(said: CreditDraft) -> str:
    """Return the document of a credit note."""
    return _dump(cast("dict[str, Plain]", to_plain(said)) | {"schema": SCHEMA})


def parse_credit(document: str) -> CreditDraft:
    """Return what a credit note's document holds.

    Raises:
        DocumentMalformed: it is not a document of this schema.
    """
    node = _Node.load(document)
    return CreditDraft(
        invoice_id=node.text("invoice_id"),
        invoice_number=node.number("invoice_number"),
        customer_id=node.text("customer_id"),
        currency=node.text("currency"),
        reason=node.text("reason"),
        to=node.choice(CreditTo, "to"),
        lines=tuple(_credit_line(item) for item in node.items("lines")),
        taxes=tuple(_tax(item) for item in node.items("taxes")),
        net_minor=node.number("net_minor"),
        tax_minor=node.number("tax_minor"),
        total_minor=node.number("total_minor"),
    )


def _credit_line(node: _Node) -> CreditLine:
    return CreditLine(
        line=node.number("line"),
        description=node.text("description"),
        quantity=node.decimal("quantity"),
        amount_minor=node.number("amount_minor"),
    )


def to_plain(value: object) -> Plain:
    """Return a value of the model as plain JSON values; decimals and times become text."""
    if isinstance(value, StrEnum):
        return value.value
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, tuple):
        return [to_plain(item) for item in cast("tuple[object, ...]", value)]
    if is_dataclass(value):
        return {name: to_plain(given) for name, given in _stated(value)}
    msg = f"no canonical form for {type(value).__name__}"
    raise TypeError(msg)


def _stated(value: object) -> Iterator[tuple[str, object]]:
    """Yield a dataclass's fields; one that came later is silent while it is at rest.

    So the document of an invoice of before is still the same bytes when it is derived again.
    """
    for one in fields(cast("DataclassInstance", value)):
        given: object = getattr(value, one.name)
        if not (one.metadata.get("later") and given == one.default):
            yield one.name, given


def parse(document: str) -> InvoiceDraft:
    """Return the draft that a document holds.

    Raises:
        DocumentMalformed: it is not a document of this schema.
    """
    node = _Node.load(document)
    if node.number("schema") != SCHEMA:
        raise DocumentMalformed(field="schema")
    return InvoiceDraft(
        kind=node.choice(InvoiceKind, "kind"),
        customer_id=node.text("customer_id"),
        subscription_id=node.text("subscription_id"),
        product_key=node.text("product_key"),
        plan_key=node.text("plan_key"),
        plan_version=node.number("plan_version"),
        plan_name=node.text("plan_name"),
        currency=node.text("currency"),
        period_start=node.time("period_start"),
        period_end=node.time("period_end"),
        period_seconds=node.number("period_seconds"),
        usage_up_to=node.number("usage_up_to"),
        lines=tuple(_line(item) for item in node.items("lines")),
        taxes=tuple(_tax(item) for item in node.items("taxes")),
        net_minor=node.number("net_minor"),
        tax_minor=node.number("tax_minor"),
        total_minor=node.number("total_minor"),
        tax=_tax_rule(tax) if (tax := node.child("tax")) else None,
        advanced=tuple(_advanced(item) for item in node.lists("advanced")),
        discounts=tuple(_discount(item) for item in node.items("discounts"))
        if node.has("discounts")
        else (),
        fee_start=node.optional(node.time, "fee_start"),
        fee_end=node.optional(node.time, "fee_end"),
        period_index=node.number("period_index") if node.has("period_index") else 0,
        quantity=node.number("quantity") if node.has("quantity") else 1,
        time_zone=node.text("time_zone") if node.has("time_zone") else "UTC",
        addons=tuple(_addon(item) for item in node.items("addons")) if node.has("addons") else (),
        places=tuple(_advanced(item) for item in node.lists("places")),
        corrected=tuple(map(_corrected, node.items("corrected"))) if node.has("corrected") else (),
        late_from=node.optional(node.number, "late_from"),
    )


def parse_parties(text: str) -> Parties:
    """Return the parties that a text of `canonical_parties` holds."""
    node = _Node.load(text)
    return Parties(
        seller_name=node.text("seller_name"),
        buyer_ref=node.text("buyer_ref"),
        buyer_name=node.optional(node.text, "buyer_name"),
        buyer_email=node.optional(node.text, "buyer_email"),
        buyer_country=node.optional(node.text, "buyer_country"),
        time_zone=node.text("time_zone"),
        test_mode=bool(node.number("test_mode")),
        letterhead=_letterhead(node.child("letterhead")),
    )


def _letterhead(node: _Node | None) -> Letterhead | None:
    if node is None:
        return None
    return Letterhead(
        seller=_legal_entity(node.child("seller")),
        buyer=_legal_entity(node.child("buyer")),
        footer=node.text("footer"),
        accent=node.text("accent"),
        logo=node.text("logo"),
    )


def _legal_entity(node: _Node | None) -> LegalEntity | None:
    if node is None:
        return None
    return LegalEntity(
        name=node.text("name"),
        lines=tuple(node.texts("lines")),
        postal_code=node.text("postal_code"),
        city=node.text("city"),
        country=node.text("country"),
        tax_id=node.text("tax_id"),
        tax_number=node.text("tax_number"),
        registration=node.text("registration"),
        email=node.text("email"),
    )


def _line(node: _Node) -> InvoiceLine:
    evidence = node.child("evidence")
    return InvoiceLine(
        kind=node.choice(LineKind, "kind"),
        price_key=node.text("price_key"),
        price_model=node.text("price_model"),
        plan_key=node.text("plan_key"),
        plan_version=node.number("plan_version"),
        description=node.text("description"),
        meter_key=node.optional(node.text, "meter_key"),
        quantity=node.decimal("quantity"),
        period_start=node.time("period_start"),
        period_end=node.time("period_end"),
        period_seconds=node.number("period_seconds"),
        amount_minor=node.number("amount_minor"),
        tax_rate=node.optional(node.decimal, "tax_rate"),
        tiers=tuple(_tier(item) for item in node.items("tiers")),
        evidence=None if evidence is None else _evidence(evidence),
        group=tuple(_pair(item) for item in node.lists("group")),
        item_id=node.optional(node.text, "item_id"),
        where=tuple(_condition(item) for item in node.items("where")) if node.has("where") else (),
        proration=node.choice(Proration, "proration")
        if node.has("proration")
        else Proration.SECOND,
        days=_days(node),
        addon_id=node.optional(node.text, "addon_id"),
        corrects=_corrects(node.child("corrects")),
    )


def _corrects(node: _Node | None) -> LineCorrection | None:
    if node is None:
        return None
    return LineCorrection(
        invoice_id=node.text("invoice_id"),
        reference=node.text("reference"),
        kind=node.choice(LineKind, "kind"),
        before_minor=node.number("before_minor"),
        after_minor=node.number("after_minor"),
        before_quantity=node.decimal("before_quantity"),
        after_quantity=node.decimal("after_quantity"),
        event_ids=tuple(node.texts("event_ids")),
    )


def _corrected(node: _Node) -> Corrected:
    return Corrected(
        invoice_id=node.text("invoice_id"),
        seen_up_to=node.number("seen_up_to"),
        places=tuple(_advanced(item) for item in node.lists("places")),
    )


def _addon(node: _Node) -> AddonHeld:
    return AddonHeld(
        id=node.text("id"),
        plan_key=node.text("plan_key"),
        plan_version=node.number("plan_version"),
        quantity=node.number("quantity"),
        start=node.time("start"),
        end=node.time("end"),
    )


def _days(node: _Node) -> tuple[int, int] | None:
    if not node.has("days"):
        return None
    match node.numbers("days"):
        case [part, whole]:
            return part, whole
        case _:
            raise DocumentMalformed(field="days")


def _advanced(item: list[object]) -> tuple[str, int]:
    match item:
        case [str(key), int(amount_minor)]:
            return key, amount_minor
        case _:
            raise DocumentMalformed(field="advanced")


def _discount(node: _Node) -> Discount:
    return Discount(
        code=node.text("code"),
        name=node.text("name"),
        percent=node.optional(node.decimal, "percent"),
        amount_minor=node.optional(node.number, "amount_minor"),
    )


def _pair(item: list[object]) -> tuple[str, str | None]:
    match item:
        case [str(name), str(value)]:
            return name, value
        case [str(name), None]:
            return name, None
        case _:
            raise DocumentMalformed(field="group")


def _condition(node: _Node) -> Condition:
    return Condition(node.text("property"), tuple(node.texts("values")))


def _evidence(node: _Node) -> Evidence:
    return Evidence(
        event_count=node.number("event_count"),
        first_event_id=node.optional(node.text, "first_event_id"),
        last_event_id=node.optional(node.text, "last_event_id"),
        digest=node.text("digest"),
    )


def _tier(node: _Node) -> TierLine:
    return TierLine(
        first=node.decimal("first"),
        last=node.optional(node.decimal, "last"),
        quantity=node.decimal("quantity"),
        rate_minor=node.decimal("rate_minor"),
        flat_minor=node.number("flat_minor"),
        amount=node.decimal("amount"),
        kind=node.choice(StepKind, "kind") if node.has("kind") else StepKind.UNITS,
    )


def _tax(node: _Node) -> TaxLine:
    return TaxLine(
        name=node.text("name"),
        rate=node.decimal("rate"),
        net_minor=node.number("net_minor"),
        amount_minor=node.number("amount_minor"),
        category=node.text("category") if node.has("category") else "S",
        reason=node.text("reason") if node.has("reason") else "",
    )


def _tax_rule(node: _Node) -> TaxRule:
    return TaxRule(
        name=node.text("name"),
        rate=node.decimal("rate"),
        included=bool(node.number("included")),
        category=node.text("category"),
        reason=node.text("reason"),
    )


class _Node:
    """A JSON object read field by field; whatever is not as expected is named."""

    def __init__(self, plain: Mapping[str, object]) -> None:
        self._plain = plain

    @classmethod
    def load(cls, text: str) -> _Node:
        try:
            plain: object = json.loads(text)
        except ValueError:
            raise DocumentMalformed(field="document") from None
        return cls(_object(plain, "document"))

    def has(self, key: str) -> bool:
        return key in self._plain

    def lists(self, key: str) -> list[list[object]]:
        found = self._plain.get(key, [])
        items = cast("list[object]", found) if isinstance(found, list) else [None]
        if not all(isinstance(item, list) for item in items):
            raise DocumentMalformed(field=key)
        return cast("list[list[object]]", items)

    def texts(self, key: str) -> list[str]:
        found = self._plain.get(key)
        if not isinstance(found, list):
            raise DocumentMalformed(field=key)
        return [str(item) for item in cast("list[object]", found)]

    def numbers(self, key: str) -> list[int]:
        found = self._plain.get(key)
        items = cast("list[object]", found) if isinstance(found, list) else [None]
        numbers = [item for item in items if isinstance(item, int)]
        if len(numbers) < len(items):
            raise DocumentMalformed(field=key)
        return numbers

    def text(self, key: str) -> str:
        value = self._plain.get(key)
        if not isinstance(value, str):
            raise DocumentMalformed(field=key)
        return value

    def number(self, key: str) -> int:
        value = self._plain.get(key)
        if not isinstance(value, int):
            raise DocumentMalformed(field=key)
        return value

    def decimal(self, key: str) -> Decimal:
        try:
            return Decimal(self.text(key))
        except InvalidOperation:
            raise DocumentMalformed(field=key) from None

    def choice(self, kind: type[C], key: str) -> C:
        try:
            return kind(self.text(key))
        except ValueError:
            raise DocumentMalformed(field=key) from None

    def time(self, key: str) -> datetime:
        return parse_time(self.text(key), field=key)

    def optional(self, read: Callable[[str], T], key: str) -> T | None:
        return None if self._plain.get(key) is None else read(key)

    def child(self, key: str) -> _Node | None:
        value = self._plain.get(key)
        return None if value is None else _Node(_object(value, key))

    def items(self, key: str) -> list[_Node]:
        value = self._plain.get(key)
        if not isinstance(value, list):
            raise DocumentMalformed(field=key)
        return [_Node(_object(item, key)) for item in cast("Sequence[object]", value)]


def _object(value: object, key: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise DocumentMalformed(field=key)
    return cast("Mapping[str, object]", value)


def _dump(plain: Plain) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def differences(one: InvoiceDraft, other: InvoiceDraft) -> tuple[str, ...]:
    """Return a line for each value that differs, as `lines.1.quantity: 12 -> 13`."""
    before, after = dict(_leaves(to_plain(one))), dict(_leaves(to_plain(other)))
    return tuple(
        f"{path}: {before.get(path, 'none')} -> {after.get(path, 'none')}"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )


def _leaves(value: Plain, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [(str(place), item) for place, item in enumerate(value, start=1)]
    else:
        yield path, json.dumps(value)
        return
    for name, item in pairs:
        yield from _leaves(item, f"{path}.{name}" if path else name)
