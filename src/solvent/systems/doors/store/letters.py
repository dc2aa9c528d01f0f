"""Which SQL keeps dead letters?"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from solvent.kit.db import Row, Tx
from solvent.kit.ids import TenantId
from solvent.systems.doors.limits import RAW_BYTES_MAX
from solvent.systems.doors.model import DeadLetter, Door, LettersAsked, LetterState

COLUMNS = (
    "id, door, state, reason, field, told, raw, cut, event_id, event, customer, times, received_at,"
    " arrived_at, settled_at"
)
_MATCHES = (
    "tenant_id = $1 and (cardinality($2::text[]) = 0 or id = any($2::text[]))"
    " and ($3::text is null or door = $3) and ($4::text is null or reason = $4)"
    " and ($5::text is null or event = $5) and ($6::text is null or customer = $6)"
)


async def bury(tx: Tx, tenant_id: TenantId, letters: Sequence[DeadLetter]) -> int:
    """Keep letters; return how many are new. One that waits already counts how often it came."""
    rows = await tx.fetchmany(
        """insert into doors_letter as kept
               (tenant_id, id, door, state, reason, field, told, raw, cut, digest, event_id, event,
                customer, times, received_at)
           values ($1, $2, $3, 'waiting', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
           on conflict (tenant_id, door, digest) where state = 'waiting' do update
           set times = kept.times + excluded.times, reason = excluded.reason,
               field = excluded.field, told = excluded.told
           returning kept.id""",
        [
            (
                tenant_id,
                one.id,
                one.door.value,
                one.reason,
                one.field,
                one.told,
                one.raw[:RAW_BYTES_MAX],
                one.cut,
                hashlib.sha256(one.raw).digest(),
                one.event_id,
                one.event,
                one.customer,
                one.times,
                one.received_at,
            )
            for one in letters
        ],
    )
    made = {one.id for one in letters}
    return sum(row["id"] in made for row in rows)


async def count_waiting(tx: Tx, tenant_id: TenantId, *, most: int) -> int:
    """Return how many letters wait, counting no further than `most`."""
    return await tx.fetchval(
        """select count(*) from (select from doors_letter
               where tenant_id = $1 and state = 'waiting' limit $2) as waiting""",
        tenant_id,
        most,
    )


async def get_letter(tx: Tx, tenant_id: TenantId, letter_id: str) -> DeadLetter | None:
    """Return a letter, if there is one of this id."""
    row = await tx.fetchrow(
        f"select {COLUMNS} from doors_letter where tenant_id = $1 and id = $2",
        tenant_id,
        letter_id,
    )
    return _letter(row) if row else None


async def list_letters(
    tx: Tx,
    tenant_id: TenantId,
    asked: LettersAsked,
    *,
    state: LetterState | None,
    after: str | None,
    limit: int,
) -> list[DeadLetter]:
    """Return letters in the order of their coming, those after `after`."""
    rows = await tx.fetch(
        f"""select {COLUMNS} from doors_letter where {_MATCHES}
              and ($7::text is null or state = $7) and ($8::text is null or id > $8)
            order by id limit $9""",
        tenant_id,
        *_asked(asked),
        state and state.value,
        after,
        limit,
    )
    return [_letter(row) for row in rows]


async def hold_letters(
    tx: Tx, tenant_id: TenantId, asked: LettersAsked, *, after: str | None, limit: int
) -> list[DeadLetter]:
    """Return what is to be replayed, the earliest first, and keep it from any other replay.

    Those that wait, and of those named by id the discarded too.
    """
    rows = await tx.fetch(
        f"""select {COLUMNS} from doors_letter where {_MATCHES}
              and (state = 'waiting' or state = 'discarded' and cardinality($2::text[]) > 0)
              and ($7::text is null or id > $7)
            order by id limit $8 for update""",
        tenant_id,
        *_asked(asked),
        after,
        limit,
    )
    return [_letter(row) for row in rows]


async def settle(
    tx: Tx, tenant_id: TenantId, ids: Sequence[str], *, state: LetterState, at: datetime
) -> None:
    """Let letters wait no more."""
    await tx.execute(
        """update doors_letter set state = $3, settled_at = $4
           where tenant_id = $1 and id = any($2::text[])""",
        tenant_id,
        list(ids),
        state.value,
        at,
    )


async def retell(tx: Tx, tenant_id: TenantId, letters: Sequence[DeadLetter]) -> None:
    """Keep why letters still cannot be counted."""
    await tx.executemany(
        """update doors_letter set reason = $3, field = $4, told = $5
           where tenant_id = $1 and id = $2""",
        [(tenant_id, one.id, one.reason, one.field, one.told) for one in letters],
    )


async def discard(
    tx: Tx, tenant_id: TenantId, asked: LettersAsked, *, at: datetime, limit: int
) -> int:
    """Discard letters that wait and match; return how many."""
    return await tx.execute(
        f"""update doors_letter set state = 'discarded', settled_at = $7
            where tenant_id = $1 and id = any(array(
                select id from doors_letter where {_MATCHES} and state = 'waiting'
                order by id limit $8))""",
        tenant_id,
        *_asked(asked),
        at,
        limit,
    )


async def counts(tx: Tx, tenant_id: TenantId) -> list[tuple[Door, str, int]]:
    """Return how many letters wait at each door for each reason."""
    rows = await tx.fetch(
        """select door, reason, count(*) as many from doors_letter
           where tenant_id = $1 and state = 'waiting'
           group by door, reason order by door, reason""",
        tenant_id,
    )
    return [(Door(row["door"]), row["reason"], row["many"]) for row in rows]


def _asked(asked: LettersAsked) -> tuple[object, ...]:
    door = asked.door and asked.door.value
    return (list(asked.ids), door, asked.reason, asked.event, asked.customer)


def _letter(row: Row) -> DeadLetter:
    kept: dict[str, Any] = dict(row)
    kept |= {"door": Door(row["door"]), "state": LetterState(row["state"])}
    return DeadLetter(**kept)
