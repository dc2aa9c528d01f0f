"""Which SQL keeps what a provider's customers, subscriptions and payments are here?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.model import (
    Provider,
    ProviderSubscription,
)

Name: TypeAlias = tuple[Provider, str]
"""A provider and its id of a customer or a subscription."""


def _columns(names: Collection[Name]) -> tuple[list[str], list[str]]:
    return [provider.value for provider, _ in names], [id_ for _, id_ in names]


async def find_customers(tx: Tx, tenant_id: TenantId, names: Collection[Name]) -> dict[Name, str]:
    """Return the ids of the tenant's customers that these customers of providers are."""
    rows = await tx.fetch(
        "select provider, provider_customer_id, customer_id from payments_customer"
        " where tenant_id = $1 and (provider, provider_customer_id) in"
        " (select * from unnest($2::text[], $3::text[]))",
        tenant_id,
        *_columns(names),
    )
    return {
        (Provider(row["provider"]), row["provider_customer_id"]): row["customer_id"] for row in rows
    }


async def save_customers(tx: Tx, tenant_id: TenantId, known: Mapping[Name, str]) -> None:
    """Note which customers of the tenant these customers of providers are from now on."""
    await tx.executemany(
        "insert into payments_customer (tenant_id, provider, provider_customer_id, customer_id)"
        " values ($1, $2, $3, $4) on conflict (tenant_id, provider, provider_customer_id)"
        " do update set customer_id = excluded.customer_id"
        " where payments_customer.customer_id <> excluded.customer_id",
        [(tenant_id, *name, customer_id) for name, customer_id in sorted(known.items())],
    )


async def find_provider_customer(
    tx: Tx, tenant_id: TenantId, provider: Provider, customer_id: str
) -> str | None:
    """Return the provider's name of a customer, the newest where there are several."""
    return await tx.fetchval(
        "select provider_customer_id from payments_customer"
        " where tenant_id = $1 and customer_id = $2 and provider = $3"
        " order by provider_customer_id desc limit 1",
        tenant_id,
        customer_id,
        provider,
    )


async def save_alias(
    tx: Tx, tenant_id: TenantId, *, provider: Provider, alias: str, payment_id: str
) -> None:
    """Note another name of a payment."""
    await tx.execute(
        "insert into payments_alias (tenant_id, provider, alias, payment_id)"
        " values ($1, $2, $3, $4) on conflict do nothing",
        tenant_id,
        provider,
        alias,
        payment_id,
    )


async def find_alias(tx: Tx, tenant_id: TenantId, *, provider: Provider, alias: str) -> str | None:
    """Return the payment that has this other name."""
    return await tx.fetchval(
        "select payment_id from payments_alias"
        " where tenant_id = $1 and provider = $2 and alias = $3",
        tenant_id,
        provider,
        alias,
    )


async def find_alias_of(
    tx: Tx, tenant_id: TenantId, *, provider: Provider, payment_id: str
) -> str | None:
    """Return another name of a payment, if it has one."""
    return await tx.fetchval(
        "select min(alias) from payments_alias"
        " where tenant_id = $1 and provider = $2 and payment_id = $3",
        tenant_id,
        provider,
        payment_id,
    )


async def lock_subscriptions(
    tx: Tx, tenant_id: TenantId, names: Collection[Name]
) -> dict[Name, timedelta | None]:
    """Hold the subscriptions until commit; return how long each has waited for its customer."""
    rows = await tx.fetch(
        "insert into payments_subscription as s (tenant_id, provider, provider_subscription_id)"
        " select $1, * from unnest($2::text[], $3::text[])"
        " on conflict (tenant_id, provider, provider_subscription_id)"
        " do update set event_count = s.event_count"
        " returning provider, provider_subscription_id as reference,"
        " clock_timestamp() - awaits_customer_since as waited",
        tenant_id,
        *_columns(sorted(names)),
    )
    return {(Provider(row["provider"]), row["reference"]): row["waited"] for row in rows}


async def note_waiting(tx: Tx, tenant_id: TenantId, names: Collection[Name]) -> None:
    """Note that the subscriptions wait, from the first time on, to hear whose they are."""
    await tx.execute(
        "update payments_subscription set"
        " awaits_customer_since = coalesce(awaits_customer_since, clock_timestamp())"
        " where tenant_id = $1 and (provider, provider_subscription_id) in"
        " (select * from unnest($2::text[], $3::text[]))",
        tenant_id,
        *_columns(names),
    )


async def note_heard(
    tx: Tx, tenant_id: TenantId, provider: Provider, subscription_ref: str
) -> None:
    """Note that the subscription waits for no checkout any more."""
    await tx.execute(
        "update payments_subscription set awaits_customer_since = null"
        " where tenant_id = $1 and provider = $2 and provider_subscription_id = $3"
        " and awaits_customer_since is not null",
        tenant_id,
        provider,
        subscription_ref,
    )


async def note_folds(
    tx: Tx, tenant_id: TenantId, folds: Sequence[tuple[ProviderSubscription, str | None]]
) -> None:
    """Note what events amounted to, and the subscriptions that were made equal to it."""
    await tx.executemany(
        "update payments_subscription set status = $4, event_count = $5, last_event_id = $6,"
        " subscription_id = coalesce($7, subscription_id), awaits_customer_since = null"
        " where tenant_id = $1 and provider = $2 and provider_subscription_id = $3",
        [
            (
                tenant_id,
                folded.provider,
                folded.id,
                folded.status,
                folded.event_count,
                folded.last_event_id,
                subscription_id,
            )
            for folded, subscription_id in folds
        ],
    )


async def list_waiting(tx: Tx, tenant_id: TenantId, *, limit: int) -> list[tuple[Provider, str]]:
    """Return the subscriptions that wait for their customer, longest first."""
    rows = await tx.fetch(
        "select provider, provider_subscription_id from payments_subscription"
        " where tenant_id = $1 and awaits_customer_since is not null"
        " order by awaits_customer_since limit $2",
        tenant_id,
        limit,
    )
    return [(Provider(row["provider"]), row["provider_subscription_id"]) for row in rows]


async def list_tenants_waiting(tx: Tx, *, longer_than: timedelta) -> list[TenantId]:
    """Return the tenants in which some subscription has waited for longer than this."""
    rows = await tx.fetch("select tenant_id from payments_waiting($1)", longer_than)
    return [TenantId(row["tenant_id"]) for row in rows]
