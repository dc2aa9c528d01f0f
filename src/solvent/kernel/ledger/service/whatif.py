"""What were periods charged in all, and what would they come to under another plan?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from solvent.kernel.catalogue.model import PlanVersion
from solvent.kernel.ledger import rules
from solvent.kernel.ledger.model import (
    DraftInput,
    Invoice,
    InvoiceDraft,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
    Item,
    LineKind,
    Places,
)
from solvent.kernel.ledger.service.gathering import (
    Ask,
    Swap,
    as_said,
    gather,
    gather_own,
    plan_versions,
)
from solvent.kernel.ledger.service.journal import SCOPE_READ
from solvent.kernel.ledger.store import invoices as store
from solvent.kernel.ledger.store import items as item_store
from solvent.kernel.metering import service as metering
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.subscriptions.model import PlanRef, Subscription
from solvent.kernel.subscriptions.service.periods import cut_for
from solvent.kit.ctx import Ctx


@dataclass(frozen=True, slots=True)
class Charged:
    """A period that was charged: by its invoice, by one in advance, and by corrections since.

    Amounts are as priced: before tax, or with it where prices include it.
    """

    held: Subscription
    invoice: Invoice
    advance: Invoice | None
    corrections: tuple[InvoiceLine, ...]
    seen_up_to: int
    """How far its usage has been charged."""

    @property
    def amount_minor(self) -> int:
        """Return what was charged for the period in all."""
        own = [one for one in self.invoice.draft.lines if one.kind is not LineKind.CORRECTION]
        advance = self.advance.draft.lines if self.advance else ()
        return sum(line.amount_minor for line in (*own, *advance, *self.corrections))

    @property
    def places(self) -> Places:
        """Return how far each meter's usage has been charged."""
        places: dict[str, int] = dict(self.invoice.draft.places)
        for line in self.corrections:
            if line.meter_key is not None:
                places[line.meter_key] = self.seen_up_to
        return tuple(sorted(places.items()))


async def list_charged(
    ctx: Ctx, *, customer_id: str | None, since: datetime, after: str, limit: int
) -> list[Charged]:
    """Return periods that ended after a moment and have a final invoice, by the invoice's id."""
    ctx.require(SCOPE_READ)
    found = await store.list_charged(
        ctx.tx, ctx.tenant_id, customer_id=customer_id, since=since, after=after, limit=limit
    )
    ids = {one.draft.subscription_id for one in found}
    held = {str(one.id): one for one in await subscriptions.get_many(ctx, ids)}
    periods = [
        (one.draft.subscription_id, Period(one.draft.period_start, one.draft.period_end))
        for one in found
    ]
    beside = await store.find_of_periods(ctx.tx, ctx.tenant_id, periods)
    carriers: defaultdict[str, list[Invoice]] = defaultdict(list)
    for one in await store.list_correcting(ctx.tx, ctx.tenant_id, ids):
        for corrected in one.draft.corrected:
            carriers[corrected.invoice_id].append(one)
    return [
        _charged(held[one.draft.subscription_id], one, _advance(one, of), carriers[one.id])
        for one, of in zip(found, beside, strict=True)
    ]


def _advance(invoice: Invoice, beside: Sequence[Invoice]) -> Invoice | None:
    """Return the invoice that charged the period's fees in advance, where its own took it off."""
    if not invoice.draft.advanced:
        return None
    return next(
        (
            one
            for one in beside
            if one.draft.kind is InvoiceKind.ADVANCE
            and one.draft.period_start == invoice.draft.period_start
            and one.status is not InvoiceStatus.VOID
        ),
        None,
    )


def _charged(
    held: Subscription, invoice: Invoice, advance: Invoice | None, carriers: Sequence[Invoice]
) -> Charged:
    lines = [
        line
        for carrier in carriers
        for line in carrier.draft.lines
        if line.corrects is not None and line.corrects.invoice_id == invoice.id
    ]
    seen = [one.draft.usage_up_to for one in carriers]
    seen_up_to = max([invoice.draft.usage_up_to, *seen])
    return Charged(held, invoice, advance, tuple(lines), seen_up_to)


async def rate_under(
    ctx: Ctx, charged: Sequence[Charged], plan: PlanVersion, *, instead_of: str | None
) -> list[list[InvoiceDraft]]:
    """Return what periods would come to under a plan instead of another (None: of any).

    The usage is that which was charged. A plan of another interval counts its fees by its own
    periods, of which each period has several or a part; of no tax, as `Charged.amount_minor`.
    """
    ctx.require(SCOPE_READ)
    swap = swap_to(plan, instead_of=instead_of)
    said = [one.invoice.draft for one in charged]
    own = await plan_versions(ctx, {PlanRef(one.plan_key, one.plan_version) for one in said})
    asks = [
        _asks(one, own[PlanRef(each.plan_key, each.plan_version)], plan, swap)
        for one, each in zip(charged, said, strict=True)
    ]
    given = iter(await gather(ctx, [ask for some in asks for ask in some]))
    ids = [line.item_id for one in said for line in one.lines if line.item_id is not None]
    items = {one.id: one for one in await item_store.list_by_ids(ctx.tx, ctx.tenant_id, ids)}
    return [
        [_rated(next(given), each, items if place == 0 else {}) for place, _ in enumerate(some)]
        for some, each in zip(asks, said, strict=True)
    ]


def _rated(given: DraftInput, said: InvoiceDraft, items: Mapping[str, Item]) -> InvoiceDraft:
    """Return what an input comes to with what its invoice says, but its tax and its advance."""
    return rules.draft(replace(as_said(given, said, items), advanced=(), tax=None))


def swap_to(plan: PlanVersion, *, instead_of: str | None) -> Swap:
    """Return what rates under a plan instead of another, by key, or of any."""

    def swap(version: PlanVersion) -> PlanVersion:
        return plan if instead_of in {None, version.plan_key} else version

    return swap


def _asks(one: Charged, own: PlanVersion, plan: PlanVersion, swap: Swap) -> list[Ask]:
    """Return what to gather of a period: itself, or its parts under a plan of another interval."""
    said = one.invoice.draft
    period = Period(said.period_start, said.period_end)
    ask = Ask(one.held, period, said.usage_up_to, one.places, said.fee_period, swap=swap)
    if (own.interval, own.interval_count) == (plan.interval, plan.interval_count):
        return [ask]
    fees = cut_for(one.held, period, plan)
    return [replace(ask, period=_overlap(fee.whole, period), fee=fee) for fee in fees]


def _overlap(one: Period, other: Period) -> Period:
    return Period(max(one.start, other.start), min(one.end, other.end))


@dataclass(frozen=True, slots=True)
class RatedNow:
    """What a period comes to by all usage that there is, and its invoice; None: it goes on."""

    invoice: Invoice | None
    draft: InvoiceDraft


async def rate_now(ctx: Ctx, held: Subscription, *, limit: int) -> list[RatedNow]:
    """Return what a subscription's periods with an invoice, and the running one, come to by now.

    All usage counts, also what its meter takes no longer; what was corrected is not told.
    """
    ctx.require(SCOPE_READ)
    up_to = await metering.last_arrival(ctx)
    found = await store.list_of_periods(ctx.tx, ctx.tenant_id, held.id, limit=limit)
    asked = [(held, replace(one.draft, usage_up_to=up_to, places=())) for one in found]
    given = await gather_own(ctx, asked, places=[None for _ in asked]) if asked else []
    rated = [RatedNow(one, rules.draft(each)) for one, each in zip(found, given, strict=True)]
    if held.terminal or any(one.draft.period_start == held.period.start for one in found):
        return rated
    (running,) = await gather(ctx, [Ask(held, held.period, up_to)])
    return [RatedNow(None, rules.draft(running)), *rated]
