"""Which final invoices does late usage change, and what of it does the next invoice carry?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from solvent.kernel.ledger import rules
from solvent.kernel.ledger.model import (
    Corrected,
    Correction,
    Invoice,
    InvoiceDraft,
    InvoiceLine,
    InvoiceStatus,
    LateInput,
    LineCorrection,
    LineKind,
    Places,
)
from solvent.kernel.ledger.rules import correcting
from solvent.kernel.ledger.service.gathering import Ask, gather_own
from solvent.kernel.ledger.store import invoices as store
from solvent.kernel.metering import lateness, windows
from solvent.kernel.metering.model import (
    Changed,
    LateDay,
    LateEvent,
    LateRequest,
    MeasureRequest,
    Meter,
    Period,
    Selection,
    Window,
)
from solvent.kernel.subscriptions.model import Subscription
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx

LOOKED_BACK_MAX = 36
"""How many invoices of a subscription are rated anew for late usage: three years of months."""
DAY = timedelta(days=1)
LIVE = frozenset({InvoiceStatus.FINAL, InvoiceStatus.PAID})


@dataclass(frozen=True, slots=True)
class _Search:
    """What is needed to correct the earlier invoices of one subscription."""

    held: Subscription
    customer_ref: str
    meters: Mapping[str, Meter]
    up_to: int
    earlier: Sequence[Invoice]
    """All of its invoices but the one that is drawn, the latest first; none is void."""

    def carriers_of(self, invoice: Invoice) -> list[Invoice]:
        """Return the invoices that have corrected this one, the latest first."""
        return [
            one
            for one in self.earlier
            if any(each.invoice_id == invoice.id for each in one.draft.corrected)
        ]

    def lines_for(self, invoice: Invoice) -> list[InvoiceLine]:
        """Return the corrections of an invoice so far."""
        return [
            line
            for carrier in reversed(self.earlier)
            for line in carrier.draft.lines
            if line.corrects is not None and line.corrects.invoice_id == invoice.id
        ]

    def seen(self, invoice: Invoice) -> int:
        """Return how far the usage of an invoice has been charged."""
        places = [one.draft.usage_up_to for one in self.carriers_of(invoice)]
        return max([invoice.draft.usage_up_to, *places])

    def places(self, invoice: Invoice) -> Places:
        """Return how far each meter's usage is seen when an invoice is rated anew."""
        said = invoice.draft
        told = {line.meter_key for line in said.lines if line.meter_key is not None}
        told |= {key for key, _ in said.places} | set(self.meters)
        kept = dict(said.places)
        seen = self.seen(invoice)
        return tuple(
            (key, self.up_to if key in self.meters else kept.get(key, seen)) for key in sorted(told)
        )


async def late_inputs(
    ctx: Ctx, asked: Sequence[Ask], known: Sequence[Invoice | None]
) -> list[LateInput | None]:
    """Return what each invoice has to correct of the earlier ones of its subscription.

    `known` is the draft that is drawn anew. Nothing is read but the meters where none corrects.
    """
    meters = await lateness.correcting_meters(ctx)
    if not meters:
        return [None for _ in asked]
    requests = await _requests(ctx, asked)
    up_to = max((one.up_to for one in asked), default=0)
    wanted = [one for one in requests if one is not None]
    days = iter(await lateness.late_days(ctx, wanted, meter_keys=set(meters), up_to=up_to))
    found: list[LateInput | None] = []
    for one, request, draft in zip(asked, requests, known, strict=True):
        late = next(days) if request else []
        if request is None or not (late or request.all_of_it):
            found.append(None)
            continue
        earlier = await _earlier(ctx, one.held.id, draft)
        looking = _Search(one.held, request.customer_ref, meters, one.up_to, earlier)
        days_of = None if request.all_of_it else late
        found.append(await _late_input(ctx, looking, days_of, since=request.after))
    return found


async def _requests(ctx: Ctx, asked: Sequence[Ask]) -> list[LateRequest | None]:
    """Return from which place on late usage is to be looked for; None before a first invoice."""
    named = [(one.held.id, one.period) for one in asked]
    before = await store.standings(ctx.tx, ctx.tenant_id, named)
    customers = await tenants.customers_by_ids(ctx, [one.held.customer_id for one in asked])
    return [
        LateRequest(
            customer_ref=customers[one.held.customer_id].external_ref,
            before=standing.period_end,
            after=standing.usage_up_to if standing.late_from is None else standing.late_from,
            all_of_it=standing.late_from is not None,
        )
        if standing
        else None
        for one, standing in zip(asked, before, strict=True)
    ]


async def _earlier(ctx: Ctx, subscription_id: str, known: Invoice | None) -> list[Invoice]:
    found = await store.list_of_periods(
        ctx.tx, ctx.tenant_id, subscription_id, limit=LOOKED_BACK_MAX
    )
    return [one for one in found if known is None or one.id != known.id]


async def _late_input(
    ctx: Ctx, looking: _Search, days: Sequence[LateDay] | None, *, since: int
) -> LateInput | None:
    """Rate the invoices anew that have late usage on these days; None: all of them."""
    open_now = [one for one in await windows.open_windows(ctx) if one.meter_key in looking.meters]
    touched = [
        one for one in looking.earlier if days is None or _is_touched(one, days, looking.meters)
    ]
    settled = [
        one
        for one in touched
        if one.status in LIVE and not _is_held_back(one, open_now, looking.customer_ref)
    ]
    waits = len(settled) < len(touched)
    corrections, corrected = await _rated_anew(ctx, looking, settled)
    if not corrections and not waits:
        return None
    return LateInput(tuple(corrections), tuple(corrected), since, waits)


def _is_touched(invoice: Invoice, days: Sequence[LateDay], meters: Mapping[str, Meter]) -> bool:
    """Return whether usage of one of these days may count for an invoice."""
    said = invoice.draft
    return any(
        day.start < said.period_end
        and (day.start + DAY > said.period_start or meters[day.meter_key].looks_back)
        for day in days
    )


def _is_held_back(invoice: Invoice, windows: Sequence[Window], customer_ref: str) -> bool:
    """Return whether a window is open through which usage of an invoice may still come."""
    said = invoice.draft
    return any(
        window.customer_ref in {None, customer_ref}
        and window.period.start < said.period_end
        and window.period.end > said.period_start
        for window in windows
    )


async def _rated_anew(
    ctx: Ctx, looking: _Search, invoices: Sequence[Invoice]
) -> tuple[list[Correction], list[Corrected]]:
    """Return what differs on these invoices, the oldest first, and how far they were rated."""
    in_order = sorted(invoices, key=lambda one: one.draft.period_start)
    places = [looking.places(one) for one in in_order]
    given = await gather_own(ctx, [(looking.held, one.draft) for one in in_order], places=places)
    corrections: list[Correction] = []
    corrected: list[Corrected] = []
    for one, seen, again in zip(in_order, places, given, strict=True):
        charged = correcting.charged_so_far(one.draft, looking.lines_for(one))
        differ = correcting.differences_of(one, rules.draft(again), charged)
        if differ:
            told = Corrected(one.id, looking.seen(one), seen)
            corrected.append(told)
            corrections += [await _with_usage(ctx, looking, told, each) for each in differ]
    return corrections, corrected


async def _with_usage(
    ctx: Ctx, looking: _Search, corrected: Corrected, correction: Correction
) -> Correction:
    """Add which usage makes the difference."""
    line = correction.line
    changed = await _changed(ctx, looking.customer_ref, corrected, line)
    return replace(correction, changed=changed)


async def _changed(
    ctx: Ctx, customer_ref: str, corrected: Corrected, line: InvoiceLine
) -> Changed | None:
    kind = line.corrects.kind if line.corrects else line.kind
    if kind is not LineKind.USAGE or line.meter_key is None:
        return None
    asked, up_to = _usage_of(corrected, line, line.meter_key, customer_ref)
    return await lateness.changed(ctx, asked, after=corrected.seen_up_to, up_to=up_to)


def _usage_of(
    corrected: Corrected, line: InvoiceLine, meter_key: str, customer_ref: str
) -> tuple[MeasureRequest, int]:
    """Return which usage makes the difference, and up to which place it was seen."""
    asked = MeasureRequest(
        selection=Selection(meter_key, where=line.where),
        customer_ref=customer_ref,
        period=Period(line.period_start, line.period_end),
    )
    return asked, dict(corrected.places)[meter_key]


async def list_changed(
    ctx: Ctx,
    said: InvoiceDraft,
    line: InvoiceLine,
    *,
    customer_ref: str,
    after_id: str | None,
    limit: int,
) -> list[LateEvent]:
    """Return the events that make the difference that a line corrects, those after an event."""
    told = {one.invoice_id: one for one in said.corrected}
    if line.corrects is None or line.evidence is None or line.meter_key is None:
        return []
    corrected = told[line.corrects.invoice_id]
    asked, up_to = _usage_of(corrected, line, line.meter_key, customer_ref)
    return await lateness.list_late(
        ctx, asked, after=corrected.seen_up_to, up_to=up_to, after_id=after_id, limit=limit
    )


async def late_again(ctx: Ctx, held: Subscription, said: InvoiceDraft) -> LateInput | None:
    """Return what an invoice had to correct, derived again from what it says of it."""
    if not said.corrected and said.late_from is None:
        return None
    customer = await tenants.get_customer(ctx, held.customer_id)
    invoices = await store.find_many(
        ctx.tx, ctx.tenant_id, [one.invoice_id for one in said.corrected]
    )
    given = await gather_own(
        ctx,
        [(held, invoices[one.invoice_id].draft) for one in said.corrected],
        places=[one.places for one in said.corrected],
    )
    corrections: list[Correction] = []
    for told, again in zip(said.corrected, given, strict=True):
        now = {correcting.key_of(line): line for line in rules.draft(again).lines}
        for line in said.lines:
            if line.corrects is not None and line.corrects.invoice_id == told.invoice_id:
                changed = await _changed(ctx, customer.external_ref, told, line)
                again_line = now.get(correcting.key_of(line))
                corrections.append(_again(line, line.corrects, again_line, changed))
    waits = said.late_from is not None
    return LateInput(tuple(corrections), said.corrected, said.late_from or 0, waits)


def _again(
    line: InvoiceLine, said: LineCorrection, now: InvoiceLine | None, changed: Changed | None
) -> Correction:
    return Correction(
        invoice_id=said.invoice_id,
        reference=said.reference,
        line=now or correcting.uncorrected(line),
        before_minor=said.before_minor,
        after_minor=now.amount_minor if now else 0,
        before_quantity=said.before_quantity,
        after_quantity=now.quantity if now else Decimal(0),
        changed=changed,
    )
