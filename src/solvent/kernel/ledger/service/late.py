"""What becomes of usage that comes late for a subscription that has ended?

There is no next invoice to carry it: once, an invoice of its own charges what is owed, or credit
notes on the earlier ones give back what was charged too much.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from solvent.kernel.ledger.model import (
    Correction,
    CreditNote,
    CreditPart,
    Invoice,
    LateInput,
    TaxRule,
)
from solvent.kernel.ledger.rules import correcting
from solvent.kernel.ledger.service.crediting import issue_credit_note
from solvent.kernel.ledger.service.drawing import draw_given, gather_late
from solvent.kernel.ledger.service.journal import SCOPE_WRITE
from solvent.kernel.ledger.store import credit_notes as note_store
from solvent.kernel.ledger.store import invoices as store
from solvent.kernel.metering.model import Period
from solvent.kernel.subscriptions.model import Subscription
from solvent.kit.ctx import Ctx

REASON = "usage that came late, or was put right, after the subscription had ended"


@dataclass(frozen=True, slots=True)
class LateSettled:
    """What late usage came to: a draft that charges it, or credit notes that give it back."""

    invoice: Invoice | None = None
    credit_notes: tuple[CreditNote, ...] = ()


async def settle_late(ctx: Ctx, held: Subscription, *, tax: TaxRule | None = None) -> LateSettled:
    """Settle what came late for a subscription that has ended, since its last invoice.

    By the meters' own policies: what they ignore is ignored, and what an open window may still
    change waits. Nothing where nothing came, where it has not ended, or after a credit note has
    settled it.
    """
    ctx.require(SCOPE_WRITE)
    last = (await store.last_ends(ctx.tx, ctx.tenant_id, [held.id])).get(held.id)
    now = ctx.now().replace(microsecond=0)
    if held.ended_at is None or last is None or now <= max(last, held.ended_at):
        return LateSettled()
    given = await gather_late(ctx, held, Period(max(last, held.ended_at), now))
    if given.late is None or not given.late.corrections or await _is_settled(ctx, given.late):
        return LateSettled()
    back = correcting.to_give_back(given.late)
    if back:
        return LateSettled(credit_notes=tuple(await _give_back(ctx, back)))
    return LateSettled(await draw_given(ctx, replace(given, tax=tax)))


async def _is_settled(ctx: Ctx, late: LateInput) -> bool:
    """Return whether a credit note has settled any of this: corrections do not count those."""
    for invoice_id in {one.invoice_id for one in late.corrections}:
        if await note_store.find_by_source(ctx.tx, ctx.tenant_id, _source(invoice_id)):
            return True
    return False


def _source(invoice_id: str) -> str:
    return f"late|{invoice_id}"


async def _give_back(ctx: Ctx, back: list[tuple[Correction, int]]) -> list[CreditNote]:
    """Credit the lines that were charged too much, once an invoice."""
    by_invoice: defaultdict[str, list[tuple[Correction, int]]] = defaultdict(list)
    for one, amount_minor in back:
        by_invoice[one.invoice_id].append((one, amount_minor))
    invoices = await store.find_many(ctx.tx, ctx.tenant_id, list(by_invoice))
    notes: list[CreditNote] = []
    for invoice_id, some in by_invoice.items():
        parts = await _parts(ctx, invoices[invoice_id], some)
        if parts:
            source = _source(invoice_id)
            notes.append(
                await issue_credit_note(ctx, invoice_id, reason=REASON, source=source, parts=parts)
            )
    return notes


async def _parts(
    ctx: Ctx, invoice: Invoice, back: list[tuple[Correction, int]]
) -> list[CreditPart]:
    """Return what of which line goes back, as far as it has not gone back before."""
    taken: defaultdict[int, int] = defaultdict(int)
    for note in await note_store.list_for(ctx.tx, ctx.tenant_id, invoice.id):
        for line in note.said.lines:
            taken[line.line] += line.amount_minor
    places = {
        correcting.key_of(line): (place, line.amount_minor)
        for place, line in enumerate(invoice.draft.lines, start=1)
        if line.corrects is None
    }
    parts: list[CreditPart] = []
    for one, amount_minor in back:
        place, charged_minor = places.get(correcting.key_of(one.line), (0, 0))
        left_minor = min(amount_minor, charged_minor - taken[place])
        if left_minor > 0:
            parts.append(CreditPart(place, amount_minor=left_minor))
    return parts
