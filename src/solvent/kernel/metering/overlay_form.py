"""How do overlays, windows and what they change read as JSON?"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from solvent.kernel.metering.json_form import UsageEventShown, show_event
from solvent.kernel.metering.model import (
    Overlay,
    OverlayKind,
    StoredEvent,
    UsageEffect,
    UsageState,
    Window,
)


class OverlayShown(BaseModel):
    """What was said of an event after it was recorded, and what it counts as since then."""

    id: str
    event_id: str
    kind: OverlayKind
    undoes: str | None
    voided: bool
    value: str | None
    reason: str
    actor: str
    made_at: datetime


class UsageEffectShown(BaseModel):
    """What becomes of an invoice: `outcome` says how, amounts are before tax."""

    customer: str
    invoice: str
    status: str
    period_start: datetime
    period_end: datetime
    currency: str
    before_minor: int
    after_minor: int
    outcome: str


class OverlayAnswer(BaseModel):
    """What was said, or with `dry_run` would be, and which invoices that changes."""

    overlay: OverlayShown
    dry_run: bool
    effects: list[UsageEffectShown]


class UsageHistory(BaseModel):
    """An event as it was recorded, what it counts as now, and all that was said of it, in order."""

    event: UsageEventShown
    state: UsageState
    counted: str | None
    overlays: list[OverlayShown]


class WindowShown(BaseModel):
    """A time for which usage is taken however old it is."""

    id: str
    meter: str
    customer: str | None
    start: datetime
    end: datetime
    reason: str
    opened_at: datetime
    opened_by: str
    finished_at: datetime | None


def show_overlay(one: Overlay) -> OverlayShown:
    """Return an overlay's JSON form."""
    return OverlayShown(
        id=one.id,
        event_id=one.event_id,
        kind=one.kind,
        undoes=one.undoes_id,
        voided=one.voided,
        value=one.unique_value if one.value is None else format(one.value, "f"),
        reason=one.reason,
        actor=one.actor,
        made_at=one.made_at,
    )


def show_effect(one: UsageEffect) -> UsageEffectShown:
    """Return an effect's JSON form."""
    return UsageEffectShown(
        customer=one.customer_ref,
        invoice=one.reference,
        status=one.status,
        period_start=one.period.start,
        period_end=one.period.end,
        currency=one.currency,
        before_minor=one.before_minor,
        after_minor=one.after_minor,
        outcome=one.outcome.value,
    )


def show_history(event: StoredEvent, said: list[Overlay]) -> UsageHistory:
    """Return the JSON form of an event and what was said of it."""
    counted = None if event.state is UsageState.VOIDED else event.counted
    return UsageHistory(
        event=show_event(event),
        state=event.state,
        counted=None if counted is None else str(counted),
        overlays=[show_overlay(one) for one in said],
    )


def show_window(one: Window) -> WindowShown:
    """Return a window's JSON form."""
    return WindowShown(
        id=one.id,
        meter=one.meter_key,
        customer=one.customer_ref,
        start=one.period.start,
        end=one.period.end,
        reason=one.reason,
        opened_at=one.opened_at,
        opened_by=one.opened_by,
        finished_at=one.finished_at,
    )
