"""How are invoices shown, explained and printed over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import (
    Evidence,
    Invoice,
    InvoiceDraft,
    InvoiceLine,
    InvoiceStatus,
    LineCorrection,
    Rebuilt,
    Settled,
    TierLine,
)
from solvent.kernel.tenants import service as tenants
from solvent.kit.http import Page, PageQuery, RequestCtx, Router, page_of
from solvent.kit.money import plain_number
from solvent.systems.billing import printing, rules, service
from solvent.systems.billing.api.answers import attached

router = Router(tags=["invoices"])

InvoiceRef = Annotated[str, Path(max_length=64, description="Its id, inv_…, or its number.")]
SubscriptionRef = Annotated[str, Field(min_length=1, max_length=64)]


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class LineShown(_Shown):
    """A charge: how much for what. Decimals are texts, amounts whole minor units."""

    kind: str
    description: str
    price_key: str
    meter_key: str | None
    quantity: str
    period_start: datetime
    period_end: datetime
    amount_minor: int
    group: dict[str, str | None]


class TaxShown(_Shown):
    """A tax on the sum of the lines; `rate` is a fraction, for example 0.23.

    `category` is EN 16931's (UNCL 5305), `reason` what the law wants said where nothing is charged.
    """

    name: str
    rate: str
    net_minor: int
    amount_minor: int
    category: str
    reason: str


class DraftShown(_Shown):
    """What an invoice says."""

    customer_id: str
    subscription_id: str
    product_key: str
    plan_key: str
    plan_version: int
    currency: str
    period_start: datetime
    period_end: datetime
    period_seconds: int
    lines: list[LineShown]
    taxes: list[TaxShown]
    net_minor: int
    tax_minor: int
    total_minor: int


class InvoiceShown(DraftShown):
    """An invoice and where it stands."""

    id: str
    number: int | None
    reference: str
    status: str
    kind: str
    paid_minor: int
    credited_minor: int
    due_minor: int
    digest: str
    drawn_at: datetime
    finalized_at: datetime | None
    due_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None


class TierExplained(_Shown):
    """A step of a rating: units above `first` up to `last`, each at `rate_minor`."""

    first: str
    last: str | None
    quantity: str
    rate_minor: str
    flat_minor: int
    amount: str


class EvidenceShown(_Shown):
    """The events that a line counts; `digest` is over their ids, sorted, each with a newline."""

    event_count: int
    first_event_id: str | None
    last_event_id: str | None
    digest: str


class CorrectionShown(_Shown):
    """Which final invoice a line corrects: what was charged, and what it comes to, rated anew."""

    invoice_id: str
    reference: str
    before_minor: int
    after_minor: int
    before_quantity: str
    after_quantity: str
    event_ids: list[str]


class LineExplained(LineShown):
    """A charge with all that it was made of."""

    plan_key: str
    plan_version: int
    price_model: str
    period_seconds: int
    tiers: list[TierExplained]
    evidence: EvidenceShown | None
    corrects: CorrectionShown | None
    sentences: list[str]


class SettlementShown(_Shown):
    """What a payment has put into the invoice."""

    payment_id: str
    provider: str
    provider_payment_id: str
    received_at: datetime
    amount_minor: int


class RebuiltShown(_Shown):
    """Whether the invoice, derived again just now, is the same bytes.

    `late_events` arrived after it was drawn, and are not charged by it.
    """

    identical: bool
    digest: str
    differences: list[str]
    late_events: int


class Explanation(_Shown):
    """Where every figure of an invoice comes from."""

    invoice_id: str
    reference: str
    digest: str
    lines: list[LineExplained]
    settlements: list[SettlementShown]
    rebuilt: RebuiltShown


class PreviewRequest(BaseModel):
    """Which subscription's running period is to be previewed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    subscription_id: SubscriptionRef


class VoidRequest(BaseModel):
    """Why an invoice is taken back."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    reason: Annotated[str, Field(min_length=1, max_length=500)]


@router.get("/invoices")
async def list_invoices(
    ctx: RequestCtx,
    page: PageQuery,
    *,
    customer: Annotated[str | None, Query(max_length=200)] = None,
    subscription_id: Annotated[str | None, Query(max_length=64)] = None,
    status: InvoiceStatus | None = None,
) -> Page[InvoiceShown]:
    """List invoices, the newest first; the customer is named by id or by own reference."""
    customer_id = (await tenants.get_customer(ctx, customer)).id if customer else None
    found = await ledger.list_invoices(
        ctx,
        customer_id=customer_id,
        subscription_id=subscription_id,
        status=status,
        after=page.after,
        limit=page.limit + 1,
    )
    return page_of(found, page, key=lambda one: one.id, render=_show)


@router.post("/invoices/preview")
async def preview_invoice(ctx: RequestCtx, body: PreviewRequest) -> DraftShown:
    """Tell what the running period's invoice would say by now; nothing is saved."""
    said = await service.preview_invoice(ctx, body.subscription_id)
    return show_said(said)


@router.get(
    "/invoices/{invoice}.pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The invoice."}},
)
async def print_invoice(ctx: RequestCtx, invoice: InvoiceRef) -> Response:
    """Return the invoice as a PDF."""
    found = await service.find_invoice(ctx, invoice)
    pdf = await printing.print_invoice(ctx, found)
    return attached(pdf, f"{found.reference}.pdf", kind="application/pdf")


@router.get(
    "/invoices/{invoice}.xml",
    response_class=Response,
    responses={200: {"content": {"application/xml": {}}, "description": "The e-invoice."}},
)
async def write_invoice(ctx: RequestCtx, invoice: InvoiceRef) -> Response:
    """Return the invoice as XML by EN 16931 (Factur-X, ZUGFeRD), or why it cannot be one."""
    found = await service.find_invoice(ctx, invoice)
    return attached(printing.invoice_xml(found), f"{found.reference}.xml", kind="application/xml")


@router.get("/invoices/{invoice}")
async def get_invoice(ctx: RequestCtx, invoice: InvoiceRef) -> InvoiceShown:
    """Return an invoice by its id or number."""
    return _show(await service.find_invoice(ctx, invoice))


@router.get("/invoices/{invoice}/explain")
async def explain_invoice(ctx: RequestCtx, invoice: InvoiceRef) -> Explanation:
    """Tell where every figure comes from, and derive the invoice again to prove it."""
    found = await service.find_invoice(ctx, invoice)
    settled = await ledger.settlements(ctx, found.id)
    rebuilt = await ledger.rebuild_invoice(ctx, found.id)
    return Explanation(
        invoice_id=found.id,
        reference=found.reference,
        digest=found.digest,
        lines=[_explain(found, line) for line in found.draft.lines],
        settlements=[_settlement(one) for one in settled],
        rebuilt=_rebuilt(rebuilt),
    )


@router.post("/invoices/{invoice}/void")
async def void_invoice(ctx: RequestCtx, invoice: InvoiceRef, body: VoidRequest) -> InvoiceShown:
    """Take back a draft or an unpaid invoice; its number stays used."""
    found = await service.find_invoice(ctx, invoice)
    return _show(await ledger.void_invoice(ctx, found.id, reason=body.reason))


def _show(invoice: Invoice) -> InvoiceShown:
    return InvoiceShown(
        **show_said(invoice.draft).model_dump(),
        id=invoice.id,
        number=invoice.number,
        reference=invoice.reference,
        status=invoice.status.value,
        kind=invoice.draft.kind.value,
        paid_minor=invoice.paid_minor,
        credited_minor=invoice.credited_minor,
        due_minor=invoice.due_minor,
        digest=invoice.digest,
        drawn_at=invoice.drawn_at,
        finalized_at=invoice.finalized_at,
        due_at=invoice.due_at,
        paid_at=invoice.paid_at,
        voided_at=invoice.voided_at,
    )


def show_said(said: InvoiceDraft) -> DraftShown:
    """Return what an invoice says as JSON."""
    return DraftShown(
        customer_id=said.customer_id,
        subscription_id=said.subscription_id,
        product_key=said.product_key,
        plan_key=said.plan_key,
        plan_version=said.plan_version,
        currency=said.currency,
        period_start=said.period_start,
        period_end=said.period_end,
        period_seconds=said.period_seconds,
        lines=[_show_line(line) for line in said.lines],
        taxes=[
            TaxShown(
                name=tax.name,
                rate=plain_number(tax.rate),
                net_minor=tax.net_minor,
                amount_minor=tax.amount_minor,
                category=tax.category,
                reason=tax.reason,
            )
            for tax in said.taxes
        ],
        net_minor=said.net_minor,
        tax_minor=said.tax_minor,
        total_minor=said.total_minor,
    )


def _show_line(line: InvoiceLine) -> LineShown:
    return LineShown(
        kind=line.kind.value,
        description=line.description,
        price_key=line.price_key,
        meter_key=line.meter_key,
        quantity=plain_number(line.quantity),
        period_start=line.period_start,
        period_end=line.period_end,
        amount_minor=line.amount_minor,
        group=dict(line.group),
    )


def _explain(invoice: Invoice, line: InvoiceLine) -> LineExplained:
    zone = invoice.parties.time_zone if invoice.parties else "UTC"
    return explain_line(invoice.draft, line, zone=zone)


def explain_line(said: InvoiceDraft, line: InvoiceLine, *, zone: str) -> LineExplained:
    """Return a line with all that it was made of."""
    return LineExplained(
        **_show_line(line).model_dump(),
        plan_key=line.plan_key,
        plan_version=line.plan_version,
        price_model=line.price_model,
        period_seconds=line.period_seconds,
        tiers=[_tier(tier) for tier in line.tiers],
        evidence=_evidence(line.evidence) if line.evidence else None,
        corrects=_corrected(line.corrects) if line.corrects else None,
        sentences=[*rules.explain(said, line, zone_name=zone)],
    )


def _corrected(one: LineCorrection) -> CorrectionShown:
    return CorrectionShown(
        invoice_id=one.invoice_id,
        reference=one.reference,
        before_minor=one.before_minor,
        after_minor=one.after_minor,
        before_quantity=plain_number(one.before_quantity),
        after_quantity=plain_number(one.after_quantity),
        event_ids=list(one.event_ids),
    )


def _tier(tier: TierLine) -> TierExplained:
    return TierExplained(
        first=plain_number(tier.first),
        last=None if tier.last is None else plain_number(tier.last),
        quantity=plain_number(tier.quantity),
        rate_minor=plain_number(tier.rate_minor),
        flat_minor=tier.flat_minor,
        amount=plain_number(tier.amount),
    )


def _evidence(evidence: Evidence) -> EvidenceShown:
    return EvidenceShown(
        event_count=evidence.event_count,
        first_event_id=evidence.first_event_id,
        last_event_id=evidence.last_event_id,
        digest=evidence.digest,
    )


def _settlement(one: Settled) -> SettlementShown:
    return SettlementShown(
        payment_id=one.payment.id,
        provider=one.payment.provider,
        provider_payment_id=one.payment.provider_payment_id,
        received_at=one.payment.received_at,
        amount_minor=one.amount_minor,
    )


def _rebuilt(rebuilt: Rebuilt) -> RebuiltShown:
    return RebuiltShown(
        identical=rebuilt.identical,
        digest=rebuilt.rebuilt_digest,
        differences=[*rebuilt.differences],
        late_events=rebuilt.late_events,
    )
