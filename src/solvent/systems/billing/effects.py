"""Which invoices would come to something else if usage changed, and what becomes of that?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from solvent.kernel.ledger import service as ledger
from solvent.kernel.ledger.model import Invoice, InvoiceStatus, LineKind
from solvent.kernel.metering import lateness
from solvent.kernel.metering.model import (
    Late,
    LateEvent,
    MeasureRequest,
    Outcome,
    Period,
    Selection,
    UsageEffect,
)
from solvent.kernel.subscriptions import service as subscriptions
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx

INVOICES_MAX: Final = 36
SUBSCRIPTIONS_MAX: Final = 20
RUNNING: Final = "running period"
LATE_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Look:
    """What a period comes to by all usage that there is now."""

    customer_ref: str
    reference: str
    status: InvoiceStatus | None
    """None: the period goes on."""
    period: Period
    currency: str
    amount_minor: int
    meters: Mapping[str, int]
    """What each meter comes to."""


class InvoiceJudge:
    """Implements `metering.ports.UsageJudge` by drawing before and after, and keeping neither."""

    async def effects_of(
        self, ctx: Ctx, customer_refs: Collection[str], act: Callable[[], Awaitable[object]]
    ) -> list[UsageEffect]:
        """Do what changes usage of these customers, and say which invoices it changes."""
        before = await _looks(ctx, customer_refs)
        await act()
        after = await _looks(ctx, customer_refs)
        found: list[UsageEffect] = []
        for key, now in after.items():
            was = before.get(key)
            if was is not None and was.amount_minor != now.amount_minor:
                found.append(await _effect(ctx, was, now))
        return found


async def _looks(ctx: Ctx, refs: Collection[str]) -> dict[tuple[str, Period], Look]:
    customers = await tenants.customers_by_refs(ctx, sorted(refs))
    found: dict[tuple[str, Period], Look] = {}
    for ref, customer in customers.items():
        for held in await subscriptions.list_all(
            ctx, customer_id=customer.id, limit=SUBSCRIPTIONS_MAX
        ):
            for one in await ledger.rate_now(ctx, held, limit=INVOICES_MAX):
                said, invoice = one.draft, one.invoice
                period = Period(said.period_start, said.period_end)
                meters: dict[str, int] = {}
                for line in said.lines:
                    if line.meter_key is not None:
                        known = meters.get(line.meter_key, 0)
                        meters[line.meter_key] = known + line.amount_minor
                found[held.id, period] = Look(
                    customer_ref=ref,
                    reference=invoice.reference if invoice else RUNNING,
                    status=invoice.status if invoice else None,
                    period=period,
                    currency=said.currency,
                    amount_minor=sum(line.amount_minor for line in said.lines),
                    meters=meters,
                )
    return found


async def _effect(ctx: Ctx, was: Look, now: Look) -> UsageEffect:
    keys = {*was.meters, *now.meters}
    changed = {key for key in keys if was.meters.get(key) != now.meters.get(key)}
    meters = await lateness.meters_by_key(ctx, changed)
    return UsageEffect(
        customer_ref=now.customer_ref,
        reference=now.reference,
        status=now.status.value if now.status else "open",
        period=now.period,
        currency=now.currency,
        before_minor=was.amount_minor,
        after_minor=now.amount_minor,
        outcome=outcome_of(now.status, {meter.late for meter in meters.values()}),
    )


def outcome_of(status: InvoiceStatus | None, policies: set[Late]) -> Outcome:
    """Return what becomes of changed usage of meters that take late usage so."""
    if status is None:
        return Outcome.RUNNING
    if status is InvoiceStatus.DRAFT:
        return Outcome.NOT_CHARGED if policies == {Late.IGNORE} else Outcome.REDRAWN
    return Outcome.CORRECTED if Late.CORRECT in policies else Outcome.NOT_CHARGED


@dataclass(frozen=True, slots=True)
class LateUsage:
    """An event that came, or was put right, after its period's invoice had been drawn."""

    event: LateEvent
    meter_key: str
    reference: str
    outcome: Outcome
    corrected_on: str | None
    """The invoice that has corrected it, if one has."""


async def late_usage(ctx: Ctx, customer: str) -> list[LateUsage]:
    """Return what came late for a customer's invoices that are not void, the latest invoice first.

    Raises:
        CustomerUnknown: there is no such customer.
    """
    buyer = await tenants.get_customer(ctx, customer)
    found: list[LateUsage] = []
    for held in await subscriptions.list_all(ctx, customer_id=buyer.id, limit=SUBSCRIPTIONS_MAX):
        rated = await ledger.rate_now(ctx, held, limit=INVOICES_MAX)
        invoices = [one.invoice for one in rated if one.invoice is not None]
        for one in invoices:
            carriers = [
                each
                for each in invoices
                if any(told.invoice_id == one.id for told in each.draft.corrected)
            ]
            found += await _late_for(ctx, buyer.external_ref, one, carriers)
    return found[:LATE_MAX]


async def _late_for(
    ctx: Ctx, customer_ref: str, invoice: Invoice, carriers: Sequence[Invoice]
) -> list[LateUsage]:
    """Return what came for an invoice after it was drawn, by meter."""
    said = invoice.draft
    stretches = {
        (line.meter_key, Period(line.period_start, line.period_end))
        for line in said.lines
        if line.meter_key is not None and line.kind is LineKind.USAGE
    }
    meters = await lateness.meters_by_key(ctx, {key for key, _ in stretches})
    found: list[LateUsage] = []
    for key, period in sorted(stretches):
        asked = MeasureRequest(selection=Selection(key), customer_ref=customer_ref, period=period)
        for event in await lateness.list_late(
            ctx, asked, after=dict(said.places).get(key, said.usage_up_to), limit=LATE_MAX
        ):
            outcome = outcome_of(invoice.status, {meters[key].late})
            on = _carrier_of(event, key, carriers, invoice)
            found.append(LateUsage(event, key, invoice.reference, outcome, on))
    return found


def _carrier_of(
    event: LateEvent, meter_key: str, carriers: Sequence[Invoice], invoice: Invoice
) -> str | None:
    """Return the first invoice that has corrected another by an event."""
    for one in sorted(carriers, key=lambda each: each.draft.period_start):
        seen = {
            place
            for told in one.draft.corrected
            if told.invoice_id == invoice.id
            for key, place in told.places
            if key == meter_key
        }
        if any(event.seq <= place for place in seen):
            return one.reference
    return None
