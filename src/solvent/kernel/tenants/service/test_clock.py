"""What time is it for a tenant in test mode, and how is it moved?"""

from __future__ import annotations

from datetime import datetime, timedelta

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants import store
from solvent.kernel.tenants.errors import ClockGoesBack, ClockTooFar, NotInTestMode
from solvent.kernel.tenants.events import ClockMoved
from solvent.kernel.tenants.model import Mode
from solvent.kit.clock import SystemClock, as_utc, format_time
from solvent.kit.ctx import Ctx

STEP_MAX = timedelta(days=3660)


async def test_clock(ctx: Ctx) -> datetime | None:
    """Return where the test clock stands, None where time is real; needs `test_clock:read`."""
    ctx.require("test_clock:read")
    return await store.tenant.clock(ctx.tx, ctx.tenant_id)


async def move_test_clock(ctx: Ctx, to: datetime) -> datetime:
    """Move the tenant's time forward; everything that waits for time follows after the commit.

    Needs `test_clock:write`, in test mode. Emits tenants.test_clock_moved.v1.

    Raises:
        NotInTestMode, TimeWithoutZone, ClockGoesBack, ClockTooFar.
    """
    ctx.require("test_clock:write")
    await _require_test(ctx)
    moment, before = as_utc(to, field="now"), ctx.now()
    if moment < before:
        raise ClockGoesBack(field="now", stands_at=format_time(before))
    if moment - before > STEP_MAX:
        raise ClockTooFar(field="now")
    await store.tenant.move_clock(ctx.tx, ctx.tenant_id, to=moment)
    await _moved(ctx, before=before, now=moment)
    return moment


async def release_test_clock(ctx: Ctx) -> None:
    """Let the tenant follow real time again; needs `test_clock:write`, in test mode.

    Emits tenants.test_clock_moved.v1 if it had been stopped.

    Raises:
        NotInTestMode.
        ClockGoesBack: the tenant's time is ahead of the real one: time never goes back.
    """
    ctx.require("test_clock:write")
    await _require_test(ctx)
    stands_at = await store.tenant.clock(ctx.tx, ctx.tenant_id)
    if stands_at is None:
        return
    real_now = SystemClock().now()
    if not await store.tenant.release_clock(ctx.tx, ctx.tenant_id, real_now=real_now):
        raise ClockGoesBack(stands_at=format_time(stands_at))
    await _moved(ctx, before=stands_at, now=None)


async def _require_test(ctx: Ctx) -> None:
    tenant = await store.tenant.current(ctx.tx, ctx.tenant_id)
    if tenant.mode is not Mode.TEST:
        raise NotInTestMode


async def _moved(ctx: Ctx, *, before: datetime, now: datetime | None) -> None:
    await ctx.bus.emit(ctx, ClockMoved(before=before, now=now))
    audit.record(
        ctx,
        action="tenants.test_clock_moved",
        subject=ctx.tenant_id,
        data={"before": before, "now": now},
    )
