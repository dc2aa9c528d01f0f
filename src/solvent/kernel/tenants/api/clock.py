"""How is a test tenant's time moved over HTTP?"""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from solvent.kernel.tenants import service
from solvent.kit.http import RequestCtx, Router

router = Router(tags=["test clock"])


class ClockBody(BaseModel):
    """Where the tenant's time stands; null: it is the real time."""

    model_config = ConfigDict(frozen=True)

    now: datetime | None


class ClockMove(BaseModel):
    """The moment to move to, with its offset from UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    now: AwareDatetime


@router.get("/test-clock")
async def read_test_clock(ctx: RequestCtx) -> ClockBody:
    """Return where the tenant's time stands."""
    return ClockBody(now=await service.test_clock(ctx))


@router.post("/test-clock")
async def move_test_clock(ctx: RequestCtx, body: ClockMove) -> ClockBody:
    """Move a test tenant's time forward; everything that waits for time follows."""
    return ClockBody(now=await service.move_test_clock(ctx, body.now))


@router.delete("/test-clock", status_code=204)
async def release_test_clock(ctx: RequestCtx) -> None:
    """Let a test tenant follow real time again; 409 if that were back in time."""
    await service.release_test_clock(ctx)
