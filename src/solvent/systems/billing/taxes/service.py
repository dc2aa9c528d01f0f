"""What may be done about sellers, buyers and tax rates, and which tax does a sale carry?"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

from solvent.kernel.audit import service as audit
from solvent.kernel.ledger.model import LegalEntity, Letterhead, TaxRule
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import Customer
from solvent.kit.ctx import Ctx
from solvent.kit.jobs import enqueue
from solvent.systems.billing.errors import PartyMalformed, SellerUnknown, TaxRateUnknown
from solvent.systems.billing.taxes import ids, rules, store
from solvent.systems.billing.taxes.model import Buyer, Paper, Seller, TaxRate

JOB_RATE_STATED: Final = "billing.rate_stated"
SCOPE_READ = "ledger:read"
SCOPE_WRITE = "ledger:write"

TEXT_LENGTH_MAX: Final = 200
FOOTER_LENGTH_MAX: Final = 600
RATE_DECIMALS_MAX: Final = 6
LINES_MAX: Final = 3
"""EN 16931 has three lines of an address (BT-35, BT-36, BT-162)."""

_ACCENT = re.compile(r"#[0-9a-f]{6}\Z")


async def get_seller(ctx: Ctx) -> Seller:
    """Return who sells. Raises `SellerUnknown`."""
    ctx.require(SCOPE_READ)
    found = await store.find_seller(ctx.tx, ctx.tenant_id)
    if found is None:
        raise SellerUnknown
    return found


async def set_seller(ctx: Ctx, seller: Seller) -> Seller:
    """State who sells, from the next invoice on; a logo that was set stays.

    Raises:
        PartyMalformed, CountryInvalid, TaxIdInvalid: names the field.
    """
    ctx.require(SCOPE_WRITE)
    known = await store.find_seller(ctx.tx, ctx.tenant_id)
    entity = _checked(seller.entity)
    for field in ("name", "country"):
        if not getattr(entity, field):
            raise PartyMalformed("expected a text", field=field)
    _check_text("exempt_reason", seller.exempt_reason)
    paper = replace(_paper(seller.paper), logo=known.paper.logo if known else "")
    seller = replace(seller, entity=entity, paper=paper)
    await _save_seller(ctx, seller)
    return seller


async def set_logo(ctx: Ctx, svg: str | None) -> Seller:
    """Set the picture on documents from the next invoice on, or take it off.

    Raises:
        SellerUnknown: who sells has not been stated.
    """
    ctx.require(SCOPE_WRITE)
    seller = await get_seller(ctx)
    digest = ""
    if svg is not None:
        digest = sha256(svg.encode()).hexdigest()
        await store.save_logo(ctx.tx, ctx.tenant_id, digest, svg)
    seller = replace(seller, paper=replace(seller.paper, logo=digest))
    await _save_seller(ctx, seller)
    return seller


async def logo_of(ctx: Ctx, letterhead: Letterhead | None) -> str | None:
    """Return the picture of a letterhead as SVG."""
    ctx.require(SCOPE_READ)
    digest = letterhead.logo if letterhead else ""
    return await store.find_logo(ctx.tx, ctx.tenant_id, digest) if digest else None


async def _save_seller(ctx: Ctx, seller: Seller) -> None:
    await store.save_seller(ctx.tx, ctx.tenant_id, seller, at=ctx.now())
    data = {"country": seller.entity.country, "regime": seller.regime.value}
    audit.record(ctx, action="billing.seller_changed", subject=ctx.tenant_id, data=data)


def _paper(paper: Paper) -> Paper:
    accent = paper.accent.lower()
    if accent and not _ACCENT.match(accent):
        raise PartyMalformed("expected a color as #1f4e79", field="accent", given=accent[:32])
    _check_text("footer", paper.footer, most=FOOTER_LENGTH_MAX)
    return replace(paper, accent=accent, footer=paper.footer.strip())


def _checked(entity: LegalEntity) -> LegalEntity:
    """Return a party whose every field is fit to print."""
    texts = ("name", "postal_code", "city", "tax_id", "tax_number", "registration", "email")
    for field in texts:
        _check_text(field, getattr(entity, field))
    if len(entity.lines) > LINES_MAX:
        raise PartyMalformed(f"expected at most {LINES_MAX} lines", field="lines")
    for line in entity.lines:
        _check_text("lines", line)
    given = entity.country.upper()
    country = tenants.check_country(given) if given else ids.country_of(entity.tax_id)
    if entity.tax_id and not country:
        raise PartyMalformed("expected the country of the tax id", field="country")
    tax_id = ids.check_tax_id(entity.tax_id, country=country) if entity.tax_id else ""
    return replace(entity, country=country, tax_id=tax_id)


def _check_text(field: str, text: str, *, most: int = TEXT_LENGTH_MAX) -> None:
    if len(text) > most or not text.isprintable() or (text and text.isspace()):
        raise PartyMalformed(f"expected at most {most} printable characters", field=field)


async def set_buyer(ctx: Ctx, customer: str, buyer: Buyer) -> Buyer:
    """State who a customer is to the law, from the next invoice on.

    Raises:
        CustomerUnknown: there is no such customer.
        PartyMalformed, CountryInvalid, TaxIdInvalid: names the field.
    """
    ctx.require(SCOPE_WRITE)
    held = await tenants.get_customer(ctx, customer)
    _check_text("exempt_reason", buyer.exempt_reason)
    stated = replace(buyer, entity=_checked(buyer.entity))
    await store.save_buyer(ctx.tx, ctx.tenant_id, held.id, stated, at=ctx.now())
    data = {"country": stated.entity.country, "exempt": bool(stated.exempt_reason)}
    audit.record(ctx, action="billing.buyer_changed", subject=held.id, data=data)
    return _completed(stated, held)


async def get_buyer(ctx: Ctx, customer: str) -> Buyer:
    """Return who a customer is to the law; what was not stated comes from the customer.

    Raises:
        CustomerUnknown: there is no such customer.
    """
    ctx.require(SCOPE_READ)
    held = await tenants.get_customer(ctx, customer)
    stated = await store.find_buyer(ctx.tx, ctx.tenant_id, held.id)
    return _completed(stated or Buyer(LegalEntity("")), held)


def _completed(stated: Buyer, held: Customer) -> Buyer:
    told = stated.entity
    entity = replace(
        told,
        name=told.name or held.name or held.external_ref,
        country=told.country or held.country or "",
        email=told.email or held.email or "",
    )
    return replace(stated, entity=entity)


async def set_rate(ctx: Ctx, rate: TaxRate) -> TaxRate:
    """State the rate of a country from a day on; accounts that waited for it are charged then.

    Raises:
        CountryInvalid, PartyMalformed: names the field.
    """
    ctx.require(SCOPE_WRITE)
    tenants.check_country(rate.country)
    _check_text("name", rate.name)
    if not rate.name:
        raise PartyMalformed("expected a text", field="name")
    if rate.rate is not None and not _is_share(rate.rate):
        raise PartyMalformed("expected a share from 0 to below 1 as 0.19", field="rate")
    await store.save_rate(ctx.tx, ctx.tenant_id, rate)
    data = {"valid_from": rate.valid_from.isoformat(), "rate": _text(rate.rate)}
    audit.record(ctx, action="billing.tax_rate_set", subject=rate.country, data=data)
    await enqueue(ctx, JOB_RATE_STATED, {"country": rate.country})
    return rate


def _is_share(rate: Decimal) -> bool:
    if not (rate.is_finite() and 0 <= rate < 1):
        return False
    return -int(rate.as_tuple().exponent) <= RATE_DECIMALS_MAX


def _text(rate: Decimal | None) -> str:
    return "none" if rate is None else f"{rate:f}"


async def remove_rate(ctx: Ctx, country: str, valid_from: date) -> None:
    """Take back a stated rate; invoices that carry it keep it. Raises `TaxRateUnknown`."""
    ctx.require(SCOPE_WRITE)
    if not await store.delete_rate(ctx.tx, ctx.tenant_id, country, valid_from):
        raise TaxRateUnknown(field="country", given=country[:16])
    data = {"valid_from": valid_from.isoformat()}
    audit.record(ctx, action="billing.tax_rate_removed", subject=country, data=data)


async def list_rates(ctx: Ctx) -> list[TaxRate]:
    """Return the rates that the tenant has stated."""
    ctx.require(SCOPE_READ)
    return await store.list_rates(ctx.tx, ctx.tenant_id, ())


async def tax_for(ctx: Ctx, customer_id: str, *, at: datetime) -> TaxRule | None:
    """Return the tax on a sale to a customer at a moment; None where none is to be told of.

    Raises:
        TaxRateMissing: no rate is known for the country that taxes it.
    """
    return (await taxes_for(ctx, [(customer_id, at)]))[0]


async def taxes_for(ctx: Ctx, sales: Sequence[tuple[str, datetime]]) -> list[TaxRule | None]:
    """Return the tax on each of many sales, told by customer and moment, as `tax_for`."""
    seller = await store.find_seller(ctx.tx, ctx.tenant_id)
    if seller is None:
        return [None for _ in sales]
    customers, buyers = await _buyers(ctx, {customer_id for customer_id, _ in sales})
    countries = {seller.entity.country, *(one.entity.country for one in buyers.values())}
    rates = await store.list_rates(ctx.tx, ctx.tenant_id, sorted(countries))
    return [
        rules.decide(
            seller,
            buyers[customer_id],
            rates,
            on=at.astimezone(ZoneInfo(customers[customer_id].time_zone)).date(),
        )
        for customer_id, at in sales
    ]


async def letterhead_for(ctx: Ctx, customer_id: str) -> Letterhead | None:
    """Return what an invoice to a customer freezes of its parties."""
    return (await letterheads_for(ctx, [customer_id]))[customer_id]


async def letterheads_for(ctx: Ctx, customer_ids: Collection[str]) -> dict[str, Letterhead | None]:
    """Return what invoices to these customers freeze of their parties, by customer."""
    seller = await store.find_seller(ctx.tx, ctx.tenant_id)
    _, buyers = await _buyers(ctx, customer_ids)
    return {id_: rules.letterhead(seller, buyers[id_]) for id_ in customer_ids}


async def _buyers(
    ctx: Ctx, customer_ids: Collection[str]
) -> tuple[dict[str, Customer], dict[str, Buyer]]:
    """Return these customers, and who they are to the law."""
    ids = sorted(customer_ids)
    customers = await tenants.customers_by_ids(ctx, ids)
    for missing in [one for one in ids if one not in customers]:
        customers[missing] = await tenants.get_customer(ctx, missing)
    stated = await store.find_buyers(ctx.tx, ctx.tenant_id, ids)
    nothing = Buyer(LegalEntity(""))
    return customers, {id_: _completed(stated.get(id_, nothing), customers[id_]) for id_ in ids}
