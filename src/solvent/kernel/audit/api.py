"""What does the audit log answer over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from solvent.kernel.audit import service
from solvent.kernel.audit.errors import CursorUnknown
from solvent.kernel.audit.model import PlainFact, Record, Report
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of

router = Router(tags=["audit"])

SEQ_DIGITS_MAX = 18


class AuditRecord(BaseModel):
    """A record: who did what to what, and its place in the tenant's chain."""

    model_config = ConfigDict(frozen=True)

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    data: dict[str, PlainFact]
    prev_hash: str
    hash: str


class AuditFlaw(BaseModel):
    """The first bad record of a chain."""

    model_config = ConfigDict(frozen=True)

    seq: int
    why: str
    detail: str


class AuditReport(BaseModel):
    """What walking the whole chain found."""

    model_config = ConfigDict(frozen=True)

    ok: bool
    checked: int
    head_seq: int | None
    head_hash: str | None
    flaw: AuditFlaw | None


@router.get("/audit")
async def list_audit(
    ctx: RequestCtx,
    page: PageQuery,
    subject: Annotated[str | None, Query(max_length=1000)] = None,
    action: Annotated[str | None, Query(max_length=100)] = None,
) -> Page[AuditRecord]:
    """List audit records, the newest first; `subject` and `action` narrow the list."""
    records = await service.list_records(
        ctx,
        before_seq=_before(page.after),
        subject=subject,
        action=action,
        limit=page.limit + 1,
    )
    return page_of(records, page, key=lambda record: str(record.seq), render=_render)


@router.get("/audit/verify")
async def verify_audit(ctx: RequestCtx) -> AuditReport:
    """Walk the tenant's whole chain and name the first bad record."""
    return _render_report(await service.verify(ctx))


def _before(cursor_key: str | None) -> int | None:
    if cursor_key is None:
        return None
    if not cursor_key.isascii() or not cursor_key.isdigit() or len(cursor_key) > SEQ_DIGITS_MAX:
        raise CursorUnknown(field="cursor")
    return int(cursor_key)


def _render(record: Record) -> AuditRecord:
    entry = record.entry
    return AuditRecord(
        seq=record.seq,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        data=dict(entry.data),
        prev_hash=record.prev_hash,
        hash=record.hash,
    )


def _render_report(report: Report) -> AuditReport:
    flaw = report.flaw
    return AuditReport(
        ok=report.ok,
        checked=report.checked,
        head_seq=report.head.seq if report.head else None,
        head_hash=report.head.hash if report.head else None,
        flaw=AuditFlaw(seq=flaw.seq, why=flaw.why, detail=flaw.detail) if flaw else None,
    )
