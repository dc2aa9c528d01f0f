"""Which SQL keeps records, counters, consumptions and reservations?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from pydantic import TypeAdapter

from solvent.kernel.entitlements.errors import KeyConflict, ReservationNotFound
from solvent.kernel.entitlements.model import (
    Access,
    Grant,
    Record,
    Reservation,
    ReservationState,
)
from solvent.kit.db import Row, Tx, UniqueViolation
from solvent.kit.ids import TenantId, is_id

_ACCESS = TypeAdapter(tuple[Access, ...])
_FEATURES = TypeAdapter(tuple[Grant, ...])

_RECORD = "customer_id, customer_ref, revision, access, features, stale_at"


async def ensure_records(
    tx: Tx, tenant_id: TenantId, refs: Mapping[str, str], *, now: datetime
) -> None:
    """Make an empty record for each customer (reference by id) that has none."""
    ids = sorted(refs)
    await tx.execute(
        """insert into entitlements_record
               (tenant_id, customer_id, customer_ref, revision, access, features, meter_keys,
                updated_at)
           select $1, id, ref, 0, '[]', '[]', '{}', $4
           from unnest($2::text[], $3::text[]) as given (id, ref)
           on conflict (tenant_id, customer_id) do nothing""",
        tenant_id,
        ids,
        [refs[id_] for id_ in ids],
        now,
    )


async def lock_records(tx: Tx, tenant_id: TenantId, customer_ids: Sequence[str]) -> list[Record]:
    """Return the customers' records by id, each locked until commit: who changes one waits here."""
    rows = await tx.fetch(
        f"""select {_RECORD} from entitlements_record
            where tenant_id = $1 and customer_id = any($2::text[])
            order by customer_id for update""",
        tenant_id,
        list(customer_ids),
    )
    return [_record(row) for row in rows]


async def lock_metered(
    tx: Tx, tenant_id: TenantId, *, customer_refs: Sequence[str], meter_keys: Sequence[str]
) -> list[Record]:
    """Return and lock those customers' records that have a quota on one of the meters."""
    rows = await tx.fetch(
        f"""select {_RECORD} from entitlements_record
            where tenant_id = $1 and customer_ref = any($2::text[])
              and meter_keys && $3::text[]
            order by customer_id for update""",
        tenant_id,
        list(customer_refs),
        list(meter_keys),
    )
    return [_record(row) for row in rows]


async def find_record(
    tx: Tx, tenant_id: TenantId, customer: str, *, lock: bool = False
) -> Record | None:
    """Return the record of a customer by id or reference, locked until commit where asked."""
    column = "customer_id" if is_id(customer, prefix="cus") else "customer_ref"
    row = await tx.fetchrow(
        f"""select {_RECORD} from entitlements_record
            where tenant_id = $1 and {column} = $2 {"for update" if lock else ""}""",
        tenant_id,
        customer,
    )
    return _record(row) if row else None


async def page_records(tx: Tx, tenant_id: TenantId, *, after: str, limit: int) -> list[Record]:
    """Return records by customer id, beginning after one; empty ones are told too."""
    rows = await tx.fetch(
        f"""select {_RECORD} from entitlements_record
            where tenant_id = $1 and customer_id > $2 order by customer_id limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [_record(row) for row in rows]


async def save_records(
    tx: Tx, tenant_id: TenantId, records: Sequence[Record], *, now: datetime
) -> None:
    """Replace the records, which the caller has locked."""
    await tx.execute(
        """update entitlements_record as kept
           set revision = given.revision, access = given.access::jsonb,
               features = given.features::jsonb,
               meter_keys = string_to_array(given.meter_keys, ' '),
               stale_at = given.stale_at, updated_at = $8
           from unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                       $7::timestamptz[])
               as given (customer_id, revision, access, features, meter_keys, stale_at)
           where kept.tenant_id = $1 and kept.customer_id = given.customer_id""",
        tenant_id,
        [record.customer_id for record in records],
        [record.revision for record in records],
        [_ACCESS.dump_json(record.access).decode() for record in records],
        [_FEATURES.dump_json(record.features).decode() for record in records],
        [" ".join(record.meter_keys) for record in records],
        [record.stale_at for record in records],
        now,
    )


async def count_consumed(
    tx: Tx, tenant_id: TenantId, grants: Sequence[tuple[str, Grant]]
) -> dict[tuple[str, str], Decimal]:
    """Return what is consumed of quotas without a meter, by (customer id, feature key)."""
    rows = await tx.fetch(
        """select customer_id, feature_key, consumed
           from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[])
               as asked (customer_id, feature_key, product_key, period_start)
           join entitlements_counter as kept
               using (customer_id, feature_key, product_key, period_start)
           where kept.tenant_id = $1""",
        tenant_id,
        [customer_id for customer_id, _ in grants],
        [grant.feature_key for _, grant in grants],
        [grant.product_key for _, grant in grants],
        [grant.period.start if grant.period else None for _, grant in grants],
    )
    return {(row["customer_id"], row["feature_key"]): row["consumed"] for row in rows}


async def add_consumed(
    tx: Tx, tenant_id: TenantId, customer_id: str, grant: Grant, *, quantity: Decimal
) -> None:
    """Add to what is consumed of a quota in its period."""
    await tx.execute(
        """insert into entitlements_counter as kept
               (tenant_id, customer_id, feature_key, product_key, period_start, consumed)
           values ($1, $2, $3, $4, $5, $6)
           on conflict (tenant_id, customer_id, feature_key, product_key, period_start)
           do update set consumed = kept.consumed + excluded.consumed""",
        tenant_id,
        customer_id,
        grant.feature_key,
        grant.product_key,
        grant.period.start if grant.period else None,
        quantity,
    )


async def find_consumption(
    tx: Tx, tenant_id: TenantId, key: str
) -> tuple[str, str, Decimal] | None:
    """Return (customer id, feature key, quantity) of what was consumed under a key."""
    row = await tx.fetchrow(
        """select customer_id, feature_key, quantity from entitlements_consumption
           where tenant_id = $1 and key = $2""",
        tenant_id,
        key,
    )
    return (row["customer_id"], row["feature_key"], row["quantity"]) if row else None


async def add_consumption(
    tx: Tx,
    tenant_id: TenantId,
    *,
    key: str,
    customer_id: str,
    feature_key: str,
    quantity: Decimal,
    now: datetime,
) -> None:
    """Note what was consumed under a key.

    Raises:
        KeyConflict: another customer's consumption took the key meanwhile.
    """
    try:
        await tx.execute(
            """insert into entitlements_consumption
                   (tenant_id, key, customer_id, feature_key, quantity, consumed_at)
               values ($1, $2, $3, $4, $5, $6)""",
            tenant_id,
            key,
            customer_id,
            feature_key,
            quantity,
            now,
        )
    except UniqueViolation:
        raise KeyConflict(field="key") from None


async def held_reservations(
    tx: Tx, tenant_id: TenantId, customer_ids: Sequence[str], *, now: datetime
) -> list[Reservation]:
    """Return the reservations that hold something of these customers' quotas now."""
    rows = await tx.fetch(
        """select * from entitlements_reservation
           where tenant_id = $1 and customer_id = any($2::text[]) and state = 'held'
             and expires_at > $3
           order by id""",
        tenant_id,
        list(customer_ids),
        now,
    )
    return [_reservation(row) for row in rows]


async def get_reservation(tx: Tx, tenant_id: TenantId, id_: str) -> Reservation:
    """Return a reservation.

    Raises:
        ReservationNotFound: the tenant has none of this id.
    """
    row = await tx.fetchrow(
        "select * from entitlements_reservation where tenant_id = $1 and id = $2", tenant_id, id_
    )
    if row is None:
        raise ReservationNotFound(field="reservation")
    return _reservation(row)


async def find_reservation_by_key(tx: Tx, tenant_id: TenantId, key: str) -> Reservation | None:
    """Return the reservation made under a key, if there is one."""
    row = await tx.fetchrow(
        "select * from entitlements_reservation where tenant_id = $1 and key = $2", tenant_id, key
    )
    return _reservation(row) if row else None


async def add_reservation(
    tx: Tx, tenant_id: TenantId, reservation: Reservation, *, now: datetime
) -> None:
    """Keep a new reservation.

    Raises:
        KeyConflict: another customer's reservation took the key meanwhile.
    """
    try:
        await tx.execute(
            """insert into entitlements_reservation
                   (tenant_id, id, key, customer_id, feature_key, quantity, state, expires_at,
                    created_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
            tenant_id,
            reservation.id,
            reservation.key,
            reservation.customer_id,
            reservation.feature_key,
            reservation.quantity,
            reservation.state.value,
            reservation.expires_at,
            now,
        )
    except UniqueViolation:
        raise KeyConflict(field="key") from None


async def save_reservation(tx: Tx, tenant_id: TenantId, reservation: Reservation) -> None:
    """Keep a reservation's new state."""
    await tx.execute(
        """update entitlements_reservation set state = $3, committed = $4
           where tenant_id = $1 and id = $2""",
        tenant_id,
        reservation.id,
        reservation.state.value,
        reservation.committed,
    )


async def expire_reservations(
    tx: Tx, tenant_id: TenantId, customer_ids: Sequence[str], *, now: datetime
) -> None:
    """Note as expired what these customers' reservations no longer hold."""
    await tx.execute(
        """update entitlements_reservation set state = 'expired'
           where tenant_id = $1 and customer_id = any($2::text[]) and state = 'held'
             and expires_at <= $3""",
        tenant_id,
        list(customer_ids),
        now,
    )


def _record(row: Row) -> Record:
    return Record(
        customer_id=row["customer_id"],
        customer_ref=row["customer_ref"],
        revision=row["revision"],
        access=_ACCESS.validate_python(row["access"]),
        features=_FEATURES.validate_python(row["features"]),
        stale_at=row["stale_at"],
    )


def _reservation(row: Row) -> Reservation:
    return Reservation(
        id=row["id"],
        key=row["key"],
        customer_id=row["customer_id"],
        feature_key=row["feature_key"],
        quantity=row["quantity"],
        committed=row["committed"],
        state=ReservationState(row["state"]),
        expires_at=row["expires_at"],
    )
