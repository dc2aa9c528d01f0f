"""How is something charged once, beside what a plan charges?"""

from __future__ import annotations

from decimal import Decimal

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue.rules import QUANTITY_DIGITS_MAX, digits_of
from solvent.kernel.ledger.errors import ItemChanged, ItemMalformed, ItemNotFound
from solvent.kernel.ledger.model import Item
from solvent.kernel.ledger.service.journal import SCOPE_READ, SCOPE_WRITE
from solvent.kernel.ledger.store import items as store
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE_MAX
from solvent.kit.money import AMOUNT_MINOR_MAX, Money, multiply, round_minor

DESCRIPTION_LENGTH_MAX = 200
SOURCE_LENGTH_MAX = 200


async def add_item(
    ctx: Ctx,
    *,
    customer: str,
    unit: Money,
    description: str,
    source: str,
    quantity: Decimal = Decimal(1),
    subscription_id: str | None = None,
) -> Item:
    """Charge a customer (id or reference) once per `source`, on the next invoice that is drawn.

    With `subscription_id` it waits for an invoice of that subscription. Credit is given by
    `grant_credit`, not by an amount below zero.

    Raises:
        CustomerUnknown, SubscriptionNotFound: there is none.
        ItemMalformed: names the field.
        ItemChanged: the source is known with another content.
    """
    ctx.require(SCOPE_WRITE)
    buyer = await tenants.get_customer(ctx, customer)
    if subscription_id is not None:
        held = await subscriptions.get(ctx, subscription_id)
        if held.customer_id != buyer.id:
            raise ItemMalformed("expected a subscription of the customer", field="subscription_id")
    item = Item(
        id=ctx.ids.new("itm"),
        customer_id=buyer.id,
        subscription_id=subscription_id,
        source=source,
        description=description,
        quantity=quantity,
        unit_minor=unit.amount_minor,
        amount_minor=_amount(unit, quantity),
        currency=unit.currency,
        created_at=ctx.now(),
    )
    _check_texts(item)
    if not await store.insert(ctx.tx, ctx.tenant_id, item):
        return await _known(ctx, item)
    data = {"customer_id": buyer.id, "amount_minor": item.amount_minor, "currency": item.currency}
    audit.record(ctx, action="ledger.item_added", subject=item.id, data=data)
    return item


def _amount(unit: Money, quantity: Decimal) -> int:
    if not quantity.is_finite() or quantity <= 0 or digits_of(quantity) > QUANTITY_DIGITS_MAX:
        raise ItemMalformed("expected a number above 0", field="quantity")
    amount_minor = round_minor(multiply(Decimal(unit.amount_minor), quantity))
    if unit.amount_minor < 0 or not 0 < amount_minor <= AMOUNT_MINOR_MAX:
        raise ItemMalformed("expected an amount above 0", field="unit")
    return amount_minor


def _check_texts(item: Item) -> None:
    for field, text, most in (
        ("description", item.description, DESCRIPTION_LENGTH_MAX),
        ("source", item.source, SOURCE_LENGTH_MAX),
    ):
        if not 0 < len(text) <= most or not text.isprintable() or text.isspace():
            raise ItemMalformed(f"expected 1 to {most} printable characters", field=field)


async def _known(ctx: Ctx, item: Item) -> Item:
    known = await store.find_by_source(ctx.tx, ctx.tenant_id, item.source)
    if known is None or _content(known) != _content(item):
        raise ItemChanged(field="source", given=item.source)
    return known


def _content(item: Item) -> tuple[object, ...]:
    return (
        item.customer_id,
        item.subscription_id,
        item.description,
        item.quantity,
        item.unit_minor,
        item.currency,
    )


async def list_items(ctx: Ctx, customer_id: str) -> list[Item]:
    """Return what waits for a customer's next invoice, at most 200 of it."""
    ctx.require(SCOPE_READ)
    return await store.list_waiting(ctx.tx, ctx.tenant_id, customer_id, limit=PAGE_SIZE_MAX)


async def remove_item(ctx: Ctx, item_id: str) -> None:
    """Take back an item that no invoice has.

    Raises:
        ItemNotFound: there is none, or it is on an invoice: void that, or give credit.
    """
    ctx.require(SCOPE_WRITE)
    if not await store.remove(ctx.tx, ctx.tenant_id, item_id):
        raise ItemNotFound(field="item_id", given=item_id[:64])
    audit.record(ctx, action="ledger.item_removed", subject=item_id, data={})
