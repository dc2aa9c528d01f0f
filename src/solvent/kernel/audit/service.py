"""What can be asked of the audit log: record, read, verify, prove?"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Mapping

from solvent.kernel.audit import proof, rules, store
from solvent.kernel.audit.model import GENESIS_HASH, Bounds, Fact, Head, Record, Report
from solvent.kernel.audit.ports import HeadSigner
from solvent.kit.ctx import Actor, Ctx, Edge
from solvent.kit.db import STAGE_AUDIT
from solvent.kit.ids import TenantId

VERIFY_PAGE = 2_000
LIST_LIMIT_MAX = 500


def record(ctx: Ctx, *, action: str, subject: str, data: Mapping[str, Fact] | None = None) -> None:
    """Keep a record that is appended to the tenant's chain just before this transaction commits.

    Nothing is written if the transaction rolls back: a refusal that raises is recorded with
    `record_refusal`. `data` holds flat facts, by id where they concern people: an audit record
    cannot be erased, so no name, address or secret belongs in one.

    Raises:
        ValueError: the action is not `module.what_happened`; such a call is a bug.
        TypeError: a fact is a float or of another type without one text; likewise.
    """
    entry = rules.entry(
        at=ctx.now(), actor=str(ctx.actor), action=action, subject=subject, data=data or {}
    )
    flush = functools.partial(store.append, ctx.tx)
    ctx.tx.collect("audit", (ctx.tenant_id, entry), flush=flush, stage=STAGE_AUDIT)


async def record_refusal(
    edge: Edge,
    tenant_id: TenantId,
    *,
    actor: Actor,
    action: str,
    subject: str,
    data: Mapping[str, Fact] | None = None,
) -> None:
    """Record a refusal in a transaction of its own, since the refused one leaves nothing behind.

    Call it after the refused transaction has ended, never inside it.
    """
    async with edge.open(tenant_id, actor) as ctx:
        record(ctx, action=action, subject=subject, data=data)


async def list_records(
    ctx: Ctx,
    *,
    before_seq: int | None = None,
    subject: str | None = None,
    action: str | None = None,
    limit: int = 50,
) -> list[Record]:
    """Return records from the newest down; needs `audit:read`."""
    ctx.require("audit:read")
    return await store.page_down(
        ctx.tx,
        ctx.tenant_id,
        before_seq=before_seq,
        subject=subject,
        action=action,
        limit=min(limit, LIST_LIMIT_MAX),
    )


async def verify(ctx: Ctx) -> Report:
    """Walk the tenant's whole chain in pages and name the first bad record; needs `audit:read`.

    Records appended while it walks are left for the next time.
    """
    ctx.require("audit:read")
    bounds = await store.bounds(ctx.tx, ctx.tenant_id)
    check = rules.ChainCheck()
    async for page in _pages(ctx, _end(bounds)):
        if check.feed(page):
            break
    flaw = check.finish(bounds)
    return Report(tenant_id=ctx.tenant_id, checked=check.checked, head=bounds.head, flaw=flaw)


async def _pages(ctx: Ctx, last_seq: int) -> AsyncIterator[list[Record]]:
    after = 0
    while after < last_seq:
        page = await store.page_up(
            ctx.tx, ctx.tenant_id, after_seq=after, last_seq=last_seq, limit=VERIFY_PAGE
        )
        if not page:
            return
        yield page
        after = page[-1].seq


def _end(bounds: Bounds) -> int:
    """Walk to the head; without one, over whatever records there are."""
    return bounds.head.seq if bounds.head else bounds.last_seq


async def write_proof(ctx: Ctx, signer: HeadSigner, write: Callable[[str], object]) -> Head:
    """Write the whole chain as an audit proof, line by line, closed by its signed head.

    Needs `audit:read`. Returns the head that was signed; anybody can check what was written with
    `solvent audit verify --file` or `proof.verify_lines`.
    """
    ctx.require("audit:read")
    bounds = await store.bounds(ctx.tx, ctx.tenant_id)
    head = bounds.head or Head(0, GENESIS_HASH)
    write(proof.header_line(ctx.tenant_id))
    async for page in _pages(ctx, head.seq):
        for one in page:
            write(proof.record_line(one))
    signature = await signer.sign(ctx, rules.head_message(ctx.tenant_id, head))
    write(proof.head_line(head, signature))
    return head
