"""How do sellers, buyers, tax rates and logos reach the database, and come back?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from solvent.kernel.ledger.model import LegalEntity
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.billing.taxes.model import Buyer, Paper, Regime, Seller, TaxRate


async def save_seller(tx: Tx, tenant_id: TenantId, seller: Seller, *, at: datetime) -> None:
    """Write who sells from now on."""
    entity, paper = seller.entity, seller.paper
    await tx.execute(
        """insert into billing_seller
               (tenant_id, name, lines, postal_code, city, country, tax_id, tax_number,
                registration, email, regime, exempt_reason, tax_included, one_stop_shop, footer,
                accent, logo, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
           on conflict (tenant_id) do update set
               name = excluded.name, lines = excluded.lines, postal_code = excluded.postal_code,
               city = excluded.city, country = excluded.country, tax_id = excluded.tax_id,
               tax_number = excluded.tax_number, registration = excluded.registration,
               email = excluded.email, regime = excluded.regime,
               exempt_reason = excluded.exempt_reason, tax_included = excluded.tax_included,
               one_stop_shop = excluded.one_stop_shop, footer = excluded.footer,
               accent = excluded.accent, logo = excluded.logo, updated_at = excluded.updated_at""",
        tenant_id,
        entity.name,
        list(entity.lines),
        entity.postal_code,
        entity.city,
        entity.country,
        entity.tax_id,
        entity.tax_number,
        entity.registration,
        entity.email,
        seller.regime.value,
        seller.exempt_reason,
        seller.tax_included,
        seller.one_stop_shop,
        paper.footer,
        paper.accent,
        paper.logo,
        at,
    )


async def find_seller(tx: Tx, tenant_id: TenantId) -> Seller | None:
    """Return who sells now, if it was stated."""
    row = await tx.fetchrow("select * from billing_seller where tenant_id = $1", tenant_id)
    if row is None:
        return None
    return Seller(
        entity=_entity(row, tax_number=row["tax_number"]),
        regime=Regime(row["regime"]),
        exempt_reason=row["exempt_reason"],
        tax_included=row["tax_included"],
        one_stop_shop=row["one_stop_shop"],
        paper=Paper(row["footer"], row["accent"], row["logo"]),
    )


def _entity(row: Row, *, tax_number: str = "") -> LegalEntity:
    return LegalEntity(
        name=row["name"],
        lines=tuple(row["lines"]),
        postal_code=row["postal_code"],
        city=row["city"],
        country=row["country"],
        tax_id=row["tax_id"],
        tax_number=tax_number,
        registration=row["registration"],
        email=row["email"],
    )


async def save_buyer(
    tx: Tx, tenant_id: TenantId, customer_id: str, buyer: Buyer, *, at: datetime
) -> None:
    """Write who a customer is to the law from now on."""
    entity = buyer.entity
    await tx.execute(
        """insert into billing_buyer
               (tenant_id, customer_id, name, lines, postal_code, city, country, tax_id,
                registration, email, exempt_reason, updated_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
           on conflict (tenant_id, customer_id) do update set
               name = excluded.name, lines = excluded.lines, postal_code = excluded.postal_code,
               city = excluded.city, country = excluded.country, tax_id = excluded.tax_id,
               registration = excluded.registration, email = excluded.email,
               exempt_reason = excluded.exempt_reason, updated_at = excluded.updated_at""",
        tenant_id,
        customer_id,
        entity.name,
        list(entity.lines),
        entity.postal_code,
        entity.city,
        entity.country,
        entity.tax_id,
        entity.registration,
        entity.email,
        buyer.exempt_reason,
        at,
    )


async def find_buyer(tx: Tx, tenant_id: TenantId, customer_id: str) -> Buyer | None:
    """Return who a customer is to the law, if it was stated."""
    return (await find_buyers(tx, tenant_id, [customer_id])).get(customer_id)


async def find_buyers(tx: Tx, tenant_id: TenantId, customer_ids: Sequence[str]) -> dict[str, Buyer]:
    """Return who these customers are to the law, by id, where it was stated."""
    rows = await tx.fetch(
        "select * from billing_buyer where tenant_id = $1 and customer_id = any($2::text[])",
        tenant_id,
        list(customer_ids),
    )
    return {str(row["customer_id"]): Buyer(_entity(row), row["exempt_reason"]) for row in rows}


async def save_rate(tx: Tx, tenant_id: TenantId, rate: TaxRate) -> None:
    """Write the rate of a country from a day on, in place of one that begins on the same."""
    await tx.execute(
        """insert into billing_tax_rate (tenant_id, country, valid_from, rate, name)
           values ($1, $2, $3, $4, $5)
           on conflict (tenant_id, country, valid_from)
           do update set rate = excluded.rate, name = excluded.name""",
        tenant_id,
        rate.country,
        rate.valid_from,
        rate.rate,
        rate.name,
    )


async def delete_rate(tx: Tx, tenant_id: TenantId, country: str, valid_from: date) -> bool:
    """Forget a rate; False if there is none."""
    row = await tx.fetchrow(
        """delete from billing_tax_rate
           where tenant_id = $1 and country = $2 and valid_from = $3 returning country""",
        tenant_id,
        country,
        valid_from,
    )
    return row is not None


async def list_rates(tx: Tx, tenant_id: TenantId, countries: Sequence[str]) -> list[TaxRate]:
    """Return the rates that were stated for these countries (none: for all), by their days."""
    rows = await tx.fetch(
        """select * from billing_tax_rate
           where tenant_id = $1 and (cardinality($2::text[]) = 0 or country = any($2))
           order by country, valid_from""",
        tenant_id,
        list(countries),
    )
    return [TaxRate(row["country"], row["valid_from"], row["rate"], row["name"]) for row in rows]


async def save_logo(tx: Tx, tenant_id: TenantId, digest: str, svg: str) -> None:
    """Keep a picture by the digest of its content."""
    await tx.execute(
        """insert into billing_logo (tenant_id, digest, svg) values ($1, $2, $3)
           on conflict (tenant_id, digest) do nothing""",
        tenant_id,
        digest,
        svg,
    )


async def find_logo(tx: Tx, tenant_id: TenantId, digest: str) -> str | None:
    """Return a picture as SVG."""
    row = await tx.fetchrow(
        "select svg from billing_logo where tenant_id = $1 and digest = $2", tenant_id, digest
    )
    return row["svg"] if row else None
