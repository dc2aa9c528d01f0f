"""Which usage events does a line of an invoice charge, each by its id?"""

from __future__ import annotations

from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.ledger.errors import LineNotFound
from solvent.kernel.ledger.model import InvoiceDraft, InvoiceLine, LineEvent
from solvent.kernel.ledger.service.correcting import list_changed
from solvent.kernel.ledger.service.invoices import get_invoice
from solvent.kernel.metering import counting
from solvent.kernel.metering.model import MeasureRequest, Period
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE


async def line_events(
    ctx: Ctx, invoice_id: str, number: int, *, after: str | None = None, limit: int = PAGE_SIZE
) -> list[LineEvent]:
    """Return the events that a line (counted from 1) charges, in the order of their time.

    Begins after the event of the id `after`. They are those that the line's evidence counts,
    whatever was said of them since; none where it charges no usage. Of a line that corrects an
    earlier one they are those that came late or were put right.

    Raises:
        InvoiceNotFound: there is no such invoice.
        LineNotFound: the invoice has no such line.
    """
    said = (await get_invoice(ctx, invoice_id)).draft
    if not 1 <= number <= len(said.lines):
        raise LineNotFound(field="line", lines=len(said.lines))
    line = said.lines[number - 1]
    customer = await tenants.get_customer(ctx, said.customer_id)
    if line.corrects is not None:
        changed = await list_changed(
            ctx, said, line, customer_ref=customer.external_ref, after_id=after, limit=limit
        )
        return [LineEvent(one.event_id, one.at, None, one.what) for one in changed]
    asked = await _asked(ctx, said, line, customer.external_ref)
    if asked is None:
        return []
    counted = await counting.list_counted(ctx, asked, group=line.group, after=after, limit=limit)
    return [LineEvent(one.event_id, one.at, one.counted, "counted") for one in counted]


async def _asked(
    ctx: Ctx, said: InvoiceDraft, line: InvoiceLine, customer_ref: str
) -> MeasureRequest | None:
    """Return what was measured for a line, as far as usage was seen then."""
    if line.evidence is None:
        return None
    version = await catalogue.plan_version(ctx, line.plan_key, line.plan_version)
    (price,) = [one for one in version.prices if one.key == line.price_key]
    selection = version.selection(price)
    if selection is None:
        return None
    return MeasureRequest(
        selection=selection,
        customer_ref=customer_ref,
        period=Period(line.period_start, line.period_end),
        up_to=dict(said.places).get(selection.meter_key, said.usage_up_to),
    )
