"""Which SQL keeps products, plans, their versions and the providers' names for them?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache

from pydantic import TypeAdapter

from solvent.kernel.catalogue.errors import (
    PlanNotFound,
    ProductNotFound,
    ProviderPriceTaken,
    ProviderPriceUnknown,
)
from solvent.kernel.catalogue.model import (
    PlanVersion,
    Product,
    ProviderPrice,
    Terms,
)
from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId

_VERSIONS = """
select v.plan_key, v.version, v.terms, v.digest, v.created_at,
       p.archived_at is not null as archived,
       coalesce((select array_agg(x.provider || ' ' || x.price_id order by x.provider, x.price_id)
                 from catalogue_provider_price x
                 where x.tenant_id = v.tenant_id and x.plan_key = v.plan_key
                   and x.plan_version = v.version and x.listed), '{}') as provider_prices
from catalogue_plan_version v
join catalogue_plan p on p.tenant_id = v.tenant_id and p.key = v.plan_key
where v.tenant_id = $1"""


async def lock(tx: Tx, tenant_id: TenantId) -> None:
    """Let applications of one tenant's catalogue take turns until commit."""
    await tx.execute(
        "insert into catalogue_state (tenant_id, digest) values ($1, '')"
        " on conflict (tenant_id) do update set digest = catalogue_state.digest",
        tenant_id,
    )


async def note_applied(tx: Tx, tenant_id: TenantId, digest: str, at: datetime) -> None:
    """Keep which catalogue stands now."""
    await tx.execute(
        "update catalogue_state set digest = $2, applied_at = $3 where tenant_id = $1",
        tenant_id,
        digest,
        at,
    )


async def list_products(tx: Tx, tenant_id: TenantId) -> list[Product]:
    """Return all products by key."""
    rows = await tx.fetch(
        "select key, name, description, archived_at is not null as archived"
        " from catalogue_product where tenant_id = $1 order by key",
        tenant_id,
    )
    return [Product(**row) for row in rows]


async def get_product(tx: Tx, tenant_id: TenantId, key: str) -> Product:
    """Return one product.

    Raises:
        ProductNotFound: the tenant has none of this key.
    """
    row = await tx.fetchrow(
        "select key, name, description, archived_at is not null as archived"
        " from catalogue_product where tenant_id = $1 and key = $2",
        tenant_id,
        key,
    )
    if row is None:
        raise ProductNotFound(field="product", given=key[:64])
    return Product(**row)


async def save_product(tx: Tx, tenant_id: TenantId, product: Product) -> None:
    """Insert the product, or replace the one of the same key; it is sold from now on."""
    await tx.execute(
        """insert into catalogue_product (tenant_id, key, name, description) values ($1, $2, $3, $4)
           on conflict (tenant_id, key) do update
           set name = excluded.name, description = excluded.description, archived_at = null""",
        tenant_id,
        product.key,
        product.name,
        product.description,
    )


async def archive(
    tx: Tx, tenant_id: TenantId, *, products: Sequence[str], plans: Sequence[str], at: datetime
) -> None:
    """Stop selling these products and plans."""
    await tx.execute(
        "update catalogue_product set archived_at = $3 where tenant_id = $1 and key = any($2)",
        tenant_id,
        list(products),
        at,
    )
    await tx.execute(
        "update catalogue_plan set archived_at = $3 where tenant_id = $1 and key = any($2)",
        tenant_id,
        list(plans),
        at,
    )


async def list_latest(tx: Tx, tenant_id: TenantId) -> list[PlanVersion]:
    """Return the latest version of each plan by key."""
    rows = await tx.fetch(
        f"{_VERSIONS} and v.version = p.latest_version order by v.plan_key", tenant_id
    )
    return [_version(row) for row in rows]


async def list_versions(tx: Tx, tenant_id: TenantId, plan_key: str) -> list[PlanVersion]:
    """Return all versions of one plan, the latest first."""
    rows = await tx.fetch(
        f"{_VERSIONS} and v.plan_key = $2 order by v.version desc", tenant_id, plan_key
    )
    return [_version(row) for row in rows]


async def get_version(
    tx: Tx, tenant_id: TenantId, plan_key: str, version: int | None
) -> PlanVersion:
    """Return a version of a plan, None meaning the latest.

    Raises:
        PlanNotFound: there is none.
    """
    row = await tx.fetchrow(
        f"{_VERSIONS} and v.plan_key = $2 and v.version = coalesce($3, p.latest_version)",
        tenant_id,
        plan_key,
        version,
    )
    if row is None:
        raise PlanNotFound(field="plan", given=plan_key[:64])
    return _version(row)


async def save_version(tx: Tx, tenant_id: TenantId, plan: PlanVersion) -> None:
    """Keep a new version of a plan, which is then the latest one."""
    await tx.execute(
        """insert into catalogue_plan (tenant_id, key, product_key, latest_version)
           values ($1, $2, $3, $4)
           on conflict (tenant_id, key) do update
           set product_key = excluded.product_key, latest_version = excluded.latest_version""",
        tenant_id,
        plan.plan_key,
        plan.product_key,
        plan.version,
    )
    await tx.execute(
        "insert into catalogue_plan_version"
        " (tenant_id, plan_key, version, terms, digest, created_at)"
        " values ($1, $2, $3, $4, $5, $6)",
        tenant_id,
        plan.plan_key,
        plan.version,
        plan.terms,
        plan.digest,
        plan.created_at,
    )


async def sell(
    tx: Tx,
    tenant_id: TenantId,
    plan_key: str,
    version: int,
    *,
    under: Sequence[ProviderPrice],
) -> None:
    """Sell a plan's version, under exactly these providers' price ids.

    Raises:
        ProviderPriceTaken: an id has belonged to another plan.
    """
    await _refuse_taken(tx, tenant_id, plan_key, under)
    await tx.execute(
        "update catalogue_plan set archived_at = null where tenant_id = $1 and key = $2",
        tenant_id,
        plan_key,
    )
    await tx.execute(
        "update catalogue_provider_price set listed = false"
        " where tenant_id = $1 and plan_key = $2 and plan_version = $3",
        tenant_id,
        plan_key,
        version,
    )
    await tx.execute(
        """insert into catalogue_provider_price
               (tenant_id, plan_key, plan_version, provider, price_id, listed)
           select $1, $2, $3, *, true from unnest($4::text[], $5::text[])
           on conflict (tenant_id, provider, price_id, plan_version) do update set listed = true""",
        tenant_id,
        plan_key,
        version,
        [one.provider for one in under],
        [one.price_id for one in under],
    )


async def _refuse_taken(
    tx: Tx, tenant_id: TenantId, plan_key: str, under: Sequence[ProviderPrice]
) -> None:
    taken = await tx.fetchrow(
        """select x.price_id, x.plan_key from catalogue_provider_price x
           join unnest($3::text[], $4::text[]) as wanted (provider, price_id)
             on wanted.provider = x.provider and wanted.price_id = x.price_id
           where x.tenant_id = $1 and x.plan_key <> $2 limit 1""",
        tenant_id,
        plan_key,
        [one.provider for one in under],
        [one.price_id for one in under],
    )
    if taken:
        raise ProviderPriceTaken(
            field=f"plans.{plan_key}.provider_prices",
            price_id=taken["price_id"],
            plan=taken["plan_key"],
        )


async def find_by_provider_price(
    tx: Tx, tenant_id: TenantId, one: ProviderPrice, *, held: tuple[str, int] | None
) -> PlanVersion:
    """Return the version held if it was sold under the id, else the newest that was.

    Raises:
        ProviderPriceUnknown: no plan was.
    """
    held_plan, held_version = held or (None, None)
    row = await tx.fetchrow(
        f"""{_VERSIONS} and (v.plan_key, v.version) = (
            select plan_key, plan_version from catalogue_provider_price
            where tenant_id = $1 and provider = $2 and price_id = $3
            order by (plan_key, plan_version) is not distinct from ($4::text, $5::integer) desc,
                     plan_version desc limit 1)""",
        tenant_id,
        one.provider,
        one.price_id,
        held_plan,
        held_version,
    )
    if row is None:
        raise ProviderPriceUnknown(provider=one.provider, price_id=one.price_id[:128])
    return _version(row)


def _version(row: Row) -> PlanVersion:
    named = [str(one).partition(" ") for one in row["provider_prices"]]
    return PlanVersion(
        plan_key=row["plan_key"],
        version=row["version"],
        terms=_terms().validate_python(row["terms"]),
        digest=row["digest"],
        created_at=row["created_at"],
        archived=row["archived"],
        provider_prices=tuple(ProviderPrice(provider, price_id) for provider, _, price_id in named),
    )


@cache
def _terms() -> TypeAdapter[Terms]:
    return TypeAdapter(Terms)
