"""When is usage taken that is older than its meter takes, and since when does it count?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from solvent.kernel.audit import service as audit
from solvent.kernel.metering import rules, store, window_store
from solvent.kernel.metering.errors import WindowMalformed, WindowNotFound
from solvent.kernel.metering.model import CUSTOMER_REF_LENGTH_MAX, Period, Window
from solvent.kernel.metering.service import SCOPE_READ, SCOPE_WRITE
from solvent.kit.clock import parse_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE

REASON_LENGTH_MAX = 500


def moments(start: str, end: str) -> tuple[datetime, datetime]:
    """Return the two moments that texts name.

    Raises:
        TimeWithoutZone: names the field.
        WindowMalformed: the end is not after the start.
    """
    found = parse_time(start, field="start"), parse_time(end, field="end")
    if found[1] <= found[0]:
        raise WindowMalformed("expected an end after the start", field="end")
    return found


async def open_window(
    ctx: Ctx, meter_key: str, period: Period, *, reason: str, customer_ref: str | None = None
) -> Window:
    """Take usage of a meter in a period however old it is, of one customer or of all.

    What is recorded so corrects no final invoice before `finish_window`, so that a backfill can be
    looked at as a whole. Drafts have it when they are drawn anew.

    Raises:
        MeterNotFound: there is no such meter.
        WindowMalformed: an empty period, no reason, or a customer that cannot be.
    """
    ctx.require(SCOPE_WRITE)
    meter = await store.get_meter(ctx.tx, ctx.tenant_id, meter_key)
    _check(period, reason, customer_ref)
    window = Window(
        id=ctx.ids.new("win"),
        meter_key=meter.key,
        customer_ref=customer_ref,
        period=period,
        reason=reason,
        opened_at=ctx.now(),
        opened_by=str(ctx.actor),
        finished_at=None,
        opened_seq=await store.last_arrival(ctx.tx, ctx.tenant_id),
        finished_seq=None,
    )
    await window_store.insert(ctx.tx, ctx.tenant_id, window)
    audit.record(
        ctx,
        action="metering.window_opened",
        subject=window.id,
        data={
            "meter": meter.key,
            "customer": customer_ref,
            "start": period.start,
            "end": period.end,
            "reason": reason,
        },
    )
    return window


def _check(period: Period, reason: str, customer_ref: str | None) -> None:
    if period.end <= period.start:
        raise WindowMalformed("expected an end after the start", field="end")
    if not rules.is_plain_text(reason, length_max=REASON_LENGTH_MAX):
        expected = f"expected 1 to {REASON_LENGTH_MAX} printable characters"
        raise WindowMalformed(expected, field="reason")
    if customer_ref is not None and not rules.is_plain_text(
        customer_ref, length_max=CUSTOMER_REF_LENGTH_MAX
    ):
        raise WindowMalformed("expected a customer's own reference", field="customer")


async def finish_window(ctx: Ctx, window_id: str) -> Window:
    """Close a window: what came through it counts from now on like all other late usage.

    Raises:
        WindowNotFound: there is none that is open.
    """
    ctx.require(SCOPE_WRITE)
    seq = await store.last_arrival(ctx.tx, ctx.tenant_id)
    found = await window_store.finish(ctx.tx, ctx.tenant_id, window_id, at=ctx.now(), seq=seq)
    if found is None:
        raise WindowNotFound(field="window_id", given=rules.shown(window_id))
    data = {"meter": found.meter_key, "customer": found.customer_ref}
    audit.record(ctx, action="metering.window_finished", subject=found.id, data=data)
    return replace(found, finished_at=ctx.now())


async def get_window(ctx: Ctx, window_id: str) -> Window:
    """Return a window, open or finished. Raises `WindowNotFound`."""
    ctx.require(SCOPE_READ)
    found = await window_store.find(ctx.tx, ctx.tenant_id, window_id)
    if found is None:
        raise WindowNotFound(field="window_id", given=rules.shown(window_id))
    return found


async def list_windows(
    ctx: Ctx, *, after: str | None = None, limit: int = PAGE_SIZE
) -> list[Window]:
    """Return windows, the newest first, beginning after the id `after`."""
    ctx.require(SCOPE_READ)
    return await window_store.list_page(ctx.tx, ctx.tenant_id, after=after, limit=limit)


async def open_windows(ctx: Ctx) -> list[Window]:
    """Return all windows that are open."""
    ctx.require(SCOPE_READ)
    return await window_store.list_open(ctx.tx, ctx.tenant_id, None)
