"""Which SQL leases what a provider is asked for, and keeps its key: attempts, refunds alike?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from solvent.kit.db import Tx
from solvent.kit.ids import TenantId
from solvent.systems.payments.collection.model import AttemptState, RefundState


@dataclass(frozen=True, slots=True)
class Claimed:
    """Something of a tenant's that this process alone asks for, for now."""

    tenant_id: TenantId
    id: str


@dataclass(frozen=True, slots=True)
class Age:
    """For how much real time a key has counted, and since when nobody was asked."""

    key: timedelta
    quiet: timedelta


@dataclass(frozen=True, slots=True)
class Unknown:
    """What was asked for, and nobody knows what came of it."""

    id: str
    tries: int
    message: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A table of what is asked for; `reference` is its column with the provider's name of it."""

    table: str
    reference: str

    async def claim(self, tx: Tx, *, limit: int, lease: timedelta) -> list[Claimed]:
        """Lease what of all tenants is to be asked for, or looked at, now."""
        rows = await tx.fetch("select * from payments_claim($1, $2, $3)", self.table, limit, lease)
        return [Claimed(TenantId(row["tenant_id"]), row["id"]) for row in rows]

    async def note_asking(self, tx: Tx, tenant_id: TenantId, id: str, *, lease: timedelta) -> None:
        """Write that the provider is about to be asked, and that the key counts from now on."""
        await tx.execute(
            f"update {self.table} set tries = tries + 1,"
            " asked_at = coalesce(asked_at, clock_timestamp()), tried_at = clock_timestamp(),"
            " leased_until = clock_timestamp() + $3::interval where tenant_id = $1 and id = $2",
            tenant_id,
            id,
            lease,
        )

    async def take_key(self, tx: Tx, tenant_id: TenantId, id: str, *, number: int) -> None:
        """Let the key of this number count from now, unless a later one does already."""
        await tx.execute(
            f"update {self.table} set asked_at = clock_timestamp(), key_number = $3"
            " where tenant_id = $1 and id = $2 and key_number <= $3",
            tenant_id,
            id,
            number,
        )

    async def put_off(
        self,
        tx: Tx,
        tenant_id: TenantId,
        id: str,
        *,
        state: AttemptState | RefundState,
        wait: timedelta,
        message: str | None = None,
        reference: str | None = None,
    ) -> None:
        """Let it be looked at again after some real time; nobody holds it meanwhile."""
        await tx.execute(
            f"update {self.table} set state = $3, look_at = clock_timestamp() + $4::interval,"
            " leased_until = null, message = coalesce($5, message),"
            f" {self.reference} = coalesce($6, {self.reference})"
            " where tenant_id = $1 and id = $2",
            tenant_id,
            id,
            state,
            wait,
            message,
            reference,
        )

    async def age_of(self, tx: Tx, tenant_id: TenantId, id: str) -> Age | None:
        """Return how old what was asked for is; None: nobody has been asked."""
        row = await tx.fetchrow(
            "select clock_timestamp() - asked_at as key, clock_timestamp() - tried_at as quiet"
            f" from {self.table} where tenant_id = $1 and id = $2 and asked_at is not null",
            tenant_id,
            id,
        )
        return Age(row["key"], row["quiet"]) if row else None

    async def list_unknown(
        self, tx: Tx, tenant_id: TenantId, *, longer_than: timedelta
    ) -> list[Unknown]:
        """Return that of which nobody has known the outcome for so much real time."""
        rows = await tx.fetch(
            f"select id, tries, message from {self.table} where tenant_id = $1"
            " and state = 'asked' and asked_at < clock_timestamp() - $2::interval"
            " order by asked_at limit 100",
            tenant_id,
            longer_than,
        )
        return [Unknown(row["id"], row["tries"], row["message"]) for row in rows]


ATTEMPTS = Asked("payments_attempt", "payment_ref")
REFUNDS = Asked("payments_refund", "refund_ref")
