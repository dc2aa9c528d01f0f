"""Has this very request been answered before?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from starlette.responses import Response

from solvent.kit.crypto import SealBroken
from solvent.kit.errors import Conflict, Invalid
from solvent.kit.limits import (
    ERRAND_LEASE_S,
    IDEMPOTENCY_KEY_LENGTH_MAX,
    IDEMPOTENT_BODY_BYTES_MAX,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from solvent.kit.ctx import Ctx

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"


class IdempotencyKeyMalformed(Invalid):
    """An idempotency key is 1 to 255 visible ASCII characters."""

    code = "kit.idempotency_key_malformed"


class IdempotencyKeyReused(Conflict):
    """This idempotency key was used for another request."""

    code = "kit.idempotency_key_reused"


class ResponseNotKept(Conflict):
    """This request was carried out, and what it was answered cannot be told again."""

    code = "kit.response_not_kept"


class RequestUnderWay(Conflict):
    """The first request under this key is still under way; ask again in a moment."""

    code = "kit.request_under_way"


@dataclass(frozen=True, slots=True)
class Remembered:
    """A request under its idempotency key, and the answer it got if it was answered."""

    key: str
    answer: Response | None


def key_of(request: Request) -> str | None:
    """Return the request's idempotency key, or None.

    Raises:
        IdempotencyKeyMalformed: empty, too long, or with odd characters.
    """
    values = request.headers.getlist(HEADER)
    if not values:
        return None
    key = values[0]
    plain = key.isascii() and key.isprintable() and 0 < len(key) <= IDEMPOTENCY_KEY_LENGTH_MAX
    if len(values) > 1 or not plain:
        raise IdempotencyKeyMalformed(field="Idempotency-Key")
    return key


async def remember(ctx: Ctx, request: Request, key: str) -> Remembered:
    """Claim the key in this transaction, or return the answer that its first request got.

    A repeat that comes while the first is under way waits for its end; where somebody outside is
    being asked, it is told to come back. Where that was given up it is run again.

    Raises:
        IdempotencyKeyReused: the first request was another one.
        ResponseNotKept: it was carried out, and what it answered is not known any more.
        RequestUnderWay: somebody outside is being asked for it.
    """
    fingerprint = await _fingerprint(ctx, request)
    claimed = await ctx.tx.execute(
        "insert into kit_idempotency (tenant_id, key, fingerprint) values ($1, $2, $3)"
        " on conflict do nothing",
        ctx.tenant_id,
        key,
        fingerprint,
    )
    return Remembered(key, None if claimed else await _answer(ctx, key, fingerprint))


async def keep_answer(ctx: Ctx, remembered: Remembered, answer: Response) -> None:
    """Keep the answer with the effects that it tells of, in their transaction.

    It is sealed: an answer may hold a key or a secret that is shown this once.
    """
    body = bytes(answer.body)
    kept = len(body) <= IDEMPOTENT_BODY_BYTES_MAX
    await ctx.tx.execute(
        "update kit_idempotency set status = $3, body = $4, media_type = $5"
        " where tenant_id = $1 and key = $2",
        ctx.tenant_id,
        remembered.key,
        answer.status_code,
        ctx.vault.seal(body, context=_context(ctx, remembered.key)) if kept else None,
        answer.headers.get("content-type"),
    )


async def hold(ctx: Ctx, remembered: Remembered) -> None:
    """Note with the claim that somebody outside is going to be asked, by this process alone."""
    await ctx.tx.execute(
        "update kit_idempotency"
        " set errand_until = clock_timestamp() + make_interval(secs => $3)"
        " where tenant_id = $1 and key = $2",
        ctx.tenant_id,
        remembered.key,
        ERRAND_LEASE_S,
    )


async def release(ctx: Ctx, remembered: Remembered) -> None:
    """Let a repeat ask again at once; the key stays bound to its request."""
    await ctx.tx.execute(
        "update kit_idempotency set errand_until = clock_timestamp()"
        " where tenant_id = $1 and key = $2 and status is null",
        ctx.tenant_id,
        remembered.key,
    )


async def forget(ctx: Ctx, remembered: Remembered) -> None:
    """Free the key: its request was refused and has had no effect."""
    await ctx.tx.execute(
        "delete from kit_idempotency where tenant_id = $1 and key = $2 and status is null",
        ctx.tenant_id,
        remembered.key,
    )


async def _answer(ctx: Ctx, key: str, fingerprint: bytes) -> Response | None:
    """Return the answer of the first request, or None where it is to be run again."""
    row = await ctx.tx.fetchrow(
        "select fingerprint, status, body, media_type, errand_until is not null as errand,"
        " extract(epoch from errand_until - clock_timestamp())::float8 as wait_s"
        " from kit_idempotency where tenant_id = $1 and key = $2 for update",
        ctx.tenant_id,
        key,
    )
    if row is None:  # freed since, by a first request that was refused
        raise RequestUnderWay(field="Idempotency-Key", retry_after_s=1)
    if row["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused(field="Idempotency-Key")
    if row["status"] is None and row["errand"]:
        if row["wait_s"] > 0:
            raise RequestUnderWay(field="Idempotency-Key", retry_after_s=ceil(row["wait_s"]))
        return None
    if row["body"] is None:
        raise ResponseNotKept(field="Idempotency-Key")
    try:
        body = ctx.vault.open(bytes(row["body"]), context=_context(ctx, key))
    except SealBroken:  # kept by an earlier version, or under a master key that is gone
        raise ResponseNotKept(field="Idempotency-Key") from None
    headers = {REPLAYED: "true", "content-type": row["media_type"] or "application/json"}
    return Response(body, row["status"], headers)


def _context(ctx: Ctx, key: str) -> str:
    return f"{ctx.tenant_id}/idempotency/{key}"


async def _fingerprint(ctx: Ctx, request: Request) -> bytes:
    whole = hashlib.sha256()
    # Not request.url: it is put together with the Host header, which may be anything.
    path, query = request.scope["path"], request.scope["query_string"]
    for part in (str(ctx.actor).encode(), request.method.encode(), path.encode(), query):
        whole.update(part + b"\0")
    whole.update(await request.body())
    return whole.digest()
