"""How is what will be, and what would have been, charged asked for over HTTP?"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Annotated

from fastapi import Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from solvent.kit.ctx import Ctx
from solvent.kit.http import RequestCtx, Router
from solvent.systems.billing import effects
from solvent.systems.billing.api.answers import attached
from solvent.systems.billing.api.invoices import DraftShown, LineExplained, explain_line, show_said
from solvent.systems.billing.simulation import service
from solvent.systems.billing.simulation.form import (
    COLUMNS,
    SimulationShown,
    rows_of,
    show_simulation,
)
from solvent.systems.billing.simulation.model import Simulation

router = Router(tags=["billing"])

Name = Annotated[str, Field(min_length=1, max_length=200)]


class CustomerPreviewRequest(BaseModel):
    """Whose running periods are to be previewed, by id or own reference."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    customer: Name


class PreviewedInvoice(DraftShown):
    """What an invoice would say by now, each line with where it comes from."""

    lines: list[LineExplained]  # pyright: ignore[reportIncompatibleVariableOverride] - it says more


class CustomerPreview(BaseModel):
    """What a customer's invoices would say by now."""

    invoices: list[PreviewedInvoice]


class SimulationRequest(BaseModel):
    """Under which plan or prices the last months are to be rated, and of whom.

    `of` means all periods on that plan; `catalogue` is the TOML text of a catalogue with new
    prices, which is not applied.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    plan: Name | None = None
    version: int | None = None
    customer: Name | None = None
    of: Name | None = None
    catalogue: Annotated[str, Field(max_length=262_144)] | None = None
    months: int = service.MONTHS_A_YEAR


@router.post("/billing/preview")
async def preview_customer(ctx: RequestCtx, body: CustomerPreviewRequest) -> CustomerPreview:
    """Tell what a customer's invoices would say by now, line by line; nothing is saved."""
    found = await service.preview(ctx, body.customer)
    return CustomerPreview(
        invoices=[
            PreviewedInvoice(
                **show_said(said).model_dump(exclude={"lines"}),
                lines=[explain_line(said, line, zone=held.time_zone) for line in said.lines],
            )
            for held, said in found
        ]
    )


class LateUsageShown(BaseModel):
    """An event that came, or was put right, after its invoice; `outcome` is what becomes of it."""

    event_id: str
    meter: str
    at: datetime
    came_at: datetime
    what: str
    invoice: str
    outcome: str
    corrected_on: str | None


class LateUsageList(BaseModel):
    """What came late for a customer's invoices, at most a thousand events."""

    events: list[LateUsageShown]


@router.get("/billing/late-usage")
async def list_late_usage(
    ctx: RequestCtx, customer: Annotated[str, Query(max_length=200)]
) -> LateUsageList:
    """List what came, or was put right, after the invoices that it is for."""
    return LateUsageList(
        events=[
            LateUsageShown(
                event_id=one.event.event_id,
                meter=one.meter_key,
                at=one.event.at,
                came_at=one.event.came_at,
                what=one.event.what,
                invoice=one.reference,
                outcome=one.outcome.value,
                corrected_on=one.corrected_on,
            )
            for one in await effects.late_usage(ctx, customer)
        ]
    )


@router.post("/billing/simulations")
async def simulate(ctx: RequestCtx, body: SimulationRequest) -> SimulationShown:
    """Tell what the last months would have cost under a plan or new prices; nothing is saved."""
    return show_simulation(await _simulated(ctx, body))


@router.post(
    "/billing/simulations.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "A row a period."}},
)
async def simulate_sheet(ctx: RequestCtx, body: SimulationRequest) -> Response:
    """Return the same as a sheet, a row a period."""
    out = io.StringIO(newline="")
    sheet = csv.writer(out)
    sheet.writerow(COLUMNS)
    sheet.writerows(rows_of(await _simulated(ctx, body)))
    return attached(out.getvalue().encode(), "simulation.csv", kind="text/csv; charset=utf-8")


async def _simulated(ctx: Ctx, body: SimulationRequest) -> Simulation:
    text = None if body.catalogue is None else body.catalogue.encode()
    wish = service.Wish(body.customer, body.plan, body.version, body.of, text, body.months)
    return await service.simulate(ctx, wish)
