"""How are the seller, buyers and tax rates stated over HTTP?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from solvent.kernel.ledger.model import LegalEntity
from solvent.kit.http import RequestCtx, Router
from solvent.systems.billing import printing
from solvent.systems.billing.taxes import ids, service
from solvent.systems.billing.taxes.model import Buyer, Paper, Regime, Seller, TaxRate

router = Router(tags=["taxes"])

Text = Annotated[str, Field(max_length=200)]
Country = Annotated[str, Field(min_length=2, max_length=2)]
CustomerPath = Annotated[str, Path(max_length=200, description="Its id, or your own name.")]


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PartyBody(_Told):
    """A party as invoices name it; a country is ISO 3166-1, an empty text is not known."""

    name: Text = ""
    lines: Annotated[list[Text], Field(max_length=3)] = []
    postal_code: Text = ""
    city: Text = ""
    country: Annotated[str, Field(max_length=2)] = ""
    tax_id: Text = ""
    registration: Text = ""
    email: Text = ""

    def entity(self, *, tax_number: str = "") -> LegalEntity:
        """Return the party of the model."""
        return LegalEntity(
            name=self.name.strip(),
            lines=tuple(self.lines),
            postal_code=self.postal_code,
            city=self.city,
            country=self.country,
            tax_id=self.tax_id,
            tax_number=tax_number,
            registration=self.registration,
            email=self.email,
        )


class SellerBody(PartyBody):
    """Who sells, how it is taxed, and how its documents look."""

    tax_number: Text = ""
    regime: Regime = Regime.STANDARD
    exempt_reason: Text = ""
    tax_included: bool = False
    one_stop_shop: bool = False
    footer: Annotated[str, Field(max_length=600)] = ""
    accent: Text = ""


class SellerShown(SellerBody):
    """Who sells; `logo` is the SHA-256 of the picture on its documents, or empty."""

    logo: str


class BuyerBody(PartyBody):
    """Who a customer is to the law; a tax id makes it a business."""

    exempt_reason: Text = ""


class TaxRateBody(_Told):
    """The rate of a country from a day on; null: no tax from then on."""

    country: Country
    valid_from: date
    rate: Annotated[Decimal | None, Field(description="A share: 0.19 is 19 %.")]
    name: Text = "VAT"


class TaxIdShown(BaseModel):
    """A tax id in its compact form."""

    tax_id: str
    country: str


@router.get("/seller")
async def get_seller(ctx: RequestCtx) -> SellerShown:
    """Tell who sells."""
    return _show_seller(await service.get_seller(ctx))


@router.put("/seller")
async def set_seller(ctx: RequestCtx, body: SellerBody) -> SellerShown:
    """State who sells, from the next invoice on; a logo stays."""
    seller = Seller(
        entity=body.entity(tax_number=body.tax_number),
        regime=body.regime,
        exempt_reason=body.exempt_reason,
        tax_included=body.tax_included,
        one_stop_shop=body.one_stop_shop,
        paper=Paper(body.footer, body.accent),
    )
    return _show_seller(await service.set_seller(ctx, seller))


@router.put("/seller/logo")
async def set_logo(ctx: RequestCtx, request: Request) -> SellerShown:
    """Put an SVG or a PNG, the body of the request, on documents from the next invoice on."""
    return _show_seller(await printing.set_logo(ctx, await request.body()))


@router.delete("/seller/logo")
async def remove_logo(ctx: RequestCtx) -> SellerShown:
    """Take the picture off documents from the next invoice on."""
    return _show_seller(await printing.set_logo(ctx, None))


@router.get("/buyers/{customer:path}")
async def get_buyer(ctx: RequestCtx, customer: CustomerPath) -> BuyerBody:
    """Tell who a customer is to the law."""
    return _show_buyer(await service.get_buyer(ctx, customer))


@router.put("/buyers/{customer:path}")
async def set_buyer(ctx: RequestCtx, customer: CustomerPath, body: BuyerBody) -> BuyerBody:
    """State who a customer is to the law, from the next invoice on."""
    stated = Buyer(body.entity(), body.exempt_reason)
    return _show_buyer(await service.set_buyer(ctx, customer, stated))


@router.get("/tax-rates")
async def list_rates(ctx: RequestCtx) -> list[TaxRateBody]:
    """List the rates that were stated; standard rates of the EU are known without."""
    return [_show_rate(one) for one in await service.list_rates(ctx)]


@router.put("/tax-rates")
async def set_rate(ctx: RequestCtx, body: TaxRateBody) -> TaxRateBody:
    """State the rate of a country from a day on."""
    rate = TaxRate(body.country, body.valid_from, body.rate, body.name)
    return _show_rate(await service.set_rate(ctx, rate))


@router.delete("/tax-rates", status_code=204)
async def remove_rate(
    ctx: RequestCtx, country: Annotated[str, Query(max_length=2)], valid_from: date
) -> None:
    """Take back a stated rate; invoices that carry it keep it."""
    await service.remove_rate(ctx, country, valid_from)


@router.get("/tax-ids/{tax_id}")
async def check_tax_id(
    ctx: RequestCtx,
    tax_id: Annotated[str, Path(max_length=64)],
    country: Annotated[str, Query(max_length=2, description="Where it is from.")] = "",
) -> TaxIdShown:
    """Check the form and the check digits of a tax id; no register is asked."""
    ctx.require(service.SCOPE_READ)
    found = country.upper() or ids.country_of(tax_id)
    return TaxIdShown(tax_id=ids.check_tax_id(tax_id, country=found), country=found)


def _show_seller(seller: Seller) -> SellerShown:
    return SellerShown(
        **_show_party(seller.entity).model_dump(),
        tax_number=seller.entity.tax_number,
        regime=seller.regime,
        exempt_reason=seller.exempt_reason,
        tax_included=seller.tax_included,
        one_stop_shop=seller.one_stop_shop,
        footer=seller.paper.footer,
        accent=seller.paper.accent,
        logo=seller.paper.logo,
    )


def _show_buyer(buyer: Buyer) -> BuyerBody:
    shown = _show_party(buyer.entity)
    return BuyerBody(**shown.model_dump(), exempt_reason=buyer.exempt_reason)


def _show_party(entity: LegalEntity) -> PartyBody:
    return PartyBody(
        name=entity.name,
        lines=list(entity.lines),
        postal_code=entity.postal_code,
        city=entity.city,
        country=entity.country,
        tax_id=entity.tax_id,
        registration=entity.registration,
        email=entity.email,
    )


def _show_rate(rate: TaxRate) -> TaxRateBody:
    return TaxRateBody(
        country=rate.country, valid_from=rate.valid_from, rate=rate.rate, name=rate.name
    )
